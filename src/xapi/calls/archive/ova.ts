// The archive around a header: a tar with the file ova.xml first, perhaps packed with gzip
// (import.ml, with_open_archive, of xen-api e2ee48d6).
import { gunzipSync } from 'node:zlib';
import { packTar } from 'modern-tar';
import { XapiError } from '../../wire/errors.js';
import { MalformedCall, type Wire } from '../../wire/values.js';
import { decodeXmlValue, wireToXml } from '../../wire/xml-rpc.js';
import { importError } from './header.js';

/** Of an archive, and of what it holds once it is unpacked. */
export const MOST_ARCHIVE_BYTES = 2 ** 20;

const FILE = 'ova.xml';
const BLOCK = 512;
/** Fields of a tar's header: the file's name, its size in octal, and "ustar". */
const NAME = [0, 100] as const;
const SIZE = [124, 136] as const;
const MAGIC = [257, 262] as const;

export async function writeOva(header: Wire): Promise<Buffer> {
  const body = `<?xml version='1.0'?>\n${wireToXml(header)}`;
  return Buffer.from(await packTar([{ header: { name: FILE, size: Buffer.byteLength(body), mode: 0o444 }, body }]));
}

/** @throws XapiError for what is no archive of a VM, with xapi's codes */
export function readOva(archive: Buffer): Wire {
  const bytes = unpacked(archive);
  if (bytes.length < BLOCK) throw new XapiError('IMPORT_ERROR_PREMATURE_EOF');
  if (bytes.toString('latin1', ...MAGIC) !== 'ustar') throw importError('the file is no tar archive');
  const name = bytes.toString('utf8', ...NAME).replace(/\0.*$/s, '');
  if (name !== FILE) throw new XapiError('IMPORT_ERROR_UNEXPECTED_FILE', FILE, name.slice(0, 100));
  const octal = bytes.toString('latin1', ...SIZE).replace(/[\0 ]+$/, '');
  const size = /^[0-7]{1,11}$/.test(octal) ? Number.parseInt(octal, 8) : Number.NaN;
  if (Number.isNaN(size)) throw importError(`the size of ${FILE} is no number`);
  if (BLOCK + size > bytes.length) throw new XapiError('IMPORT_ERROR_PREMATURE_EOF');
  try {
    return decodeXmlValue(bytes.toString('utf8', BLOCK, BLOCK + size));
  } catch (error) {
    if (!(error instanceof MalformedCall)) throw error;
    throw importError(`${FILE}: ${error.message}`);
  }
}

const GZIP = Buffer.from([0x1f, 0x8b]);
const ZSTD = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

function unpacked(archive: Buffer): Buffer {
  if (archive.subarray(0, ZSTD.length).equals(ZSTD)) throw importError('archives packed with zstd are not read: unpack it first');
  if (!archive.subarray(0, GZIP.length).equals(GZIP)) return archive;
  try {
    return gunzipSync(archive, { maxOutputLength: MOST_ARCHIVE_BYTES });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ERR_BUFFER_TOO_LARGE') throw importError(`the archive holds more than ${MOST_ARCHIVE_BYTES} bytes`);
    if (code === 'Z_BUF_ERROR') throw new XapiError('IMPORT_ERROR_PREMATURE_EOF');
    throw importError('the archive is damaged');
  }
}
