// Archives and compressed files that are not read here, by their first bytes, so that an error can
// name them.

/** xz-file-format.txt 2.1.1, RFC 8878, the frame of LZ4, 7zFormat.txt, RAR, LZMA_Alone, others. */
const SIGNATURES: readonly (readonly [string, readonly number[]])[] = [
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['lz4', [0x04, 0x22, 0x4d, 0x18]],
  ['7z', [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c]],
  ['RAR', [0x52, 0x61, 0x72, 0x21, 0x1a, 0x07]],
  ['lzma', [0x5d, 0x00, 0x00]],
  ['compress', [0x1f, 0x9d]],
  ['lzip', [0x4c, 0x5a, 0x49, 0x50]],
];

/** The name of the format; null for what is none of them. */
export function foreignFormat(bytes: Uint8Array): string | null {
  return SIGNATURES.find(([, signature]) => signature.every((byte, at) => bytes[at] === byte))?.[0] ?? null;
}
