// Limits of files that a user opens on the page, checked before a reader is loaded.

export interface DroppedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** A tab of a browser has less memory than the command. */
export const PAGE_LIMITS = {
  files: 100,
  /** Bytes of all files together. */
  fileBytes: 256 * 2 ** 20,
  /** Unpacked, of one archive. */
  totalBytes: 512 * 2 ** 20,
} as const;
