// Bytes of the thin CLI's protocol, as its description has them and not by our own encoder.

/** A number: 32 bits, little-endian. */
export const int = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
};
/** What the daemon says first: the protocol and its version, 0.2. */
export const GREETING = Buffer.concat([Buffer.from('XenSource thin CLI protocol'), int(0), int(2)]);
