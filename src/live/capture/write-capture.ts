// A capture as a file: a gzipped tar archive that contains the script's output.
import { gzipSync } from 'node:zlib';
import { packTar } from 'modern-tar';
import { CAPTURE_FILE } from './script.js';

/** @param time modification time of the entry */
export async function packCapture(text: string, time: Date): Promise<Uint8Array> {
  const body = Buffer.from(text);
  const tar = await packTar([{ header: { name: CAPTURE_FILE, size: body.length, mode: 0o600, mtime: time }, body }]);
  return gzipSync(tar);
}
