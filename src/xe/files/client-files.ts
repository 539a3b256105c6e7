// Files of whoever typed a command of xe: of this machine, or of a thin client, which alone may
// read and write them. The host gives and takes their contents over HTTP, at a path of its own.

/** Certificates, licenses and scripts that are read whole. */
export const MOST_LOADED_BYTES = 64 * 1024;

export interface ClientFiles {
  /** @returns null: it cannot be read, or is longer than MOST_LOADED_BYTES */
  load(name: string): Promise<Buffer | null>;
  /**
   * Writes what the host sends into a new file.
   * @param name empty = stdout
   * @param path of the host, with its query
   * @returns whether all of it came and is written
   */
  download(name: string, path: string): Promise<boolean>;
  /** @returns whether the host took all of it */
  upload(name: string, path: string): Promise<boolean>;
}
