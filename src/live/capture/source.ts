// `--from SOURCE`: a host over ssh, an archive, a folder, a file, or standard input.
import { randomBytes } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { InputError } from '../../base/errors.js';
import { didYouMeanFile } from '../../base/files/near-path.js';
import { type ReadLimit, readUserFile } from '../../base/files/user-file.js';
import { INPUT_LIMITS, type InputText } from '../../machine/readers/input-text.js';
import { archiveKind, readArchive } from './archive/archive.js';
import { readFolder } from './archive/folder.js';
import { foreignFormat } from './archive/foreign.js';
import { captureScript, END_MARK } from './script.js';
import { SshError, SshHost, sshTarget } from './ssh.js';
import { textOfBytes } from './text/plain-text.js';

/** An archive may be that long. Of a text, INPUT_LIMITS says how long. */
export const SOURCE_LIMIT: ReadLimit = { mostBytes: 512 * 2 ** 20, mend: 'unpack it, and give the folder with the listings' };

export interface SourceOptions {
  readonly memory: boolean;
  /** Reads standard input, for the source '-'. */
  readonly stdin: () => Promise<Uint8Array>;
}

/** Texts that look like a host: `xcp-1`, `root@xcp-1.example`, `ssh:root@xcp-1`. */
const LIKE_HOST = /^(?:ssh:\/?)?(?:[\w-]+@[\w.-]+|[\w-]+|\d+(?:\.\d+){3})$/;

export function isSsh(source: string): boolean {
  return source.startsWith('ssh://');
}

/**
 * @throws InputError for a source that is not there or is damaged
 * @throws SshError for a host that cannot be reached
 */
export async function textsOf(source: string, options: SourceOptions): Promise<InputText[]> {
  if (isSsh(source)) {
    const host = await SshHost.open(sshTarget(source));
    try {
      return [{ file: source, text: await captureText(host, options.memory) }];
    } finally {
      await host.close();
    }
  }
  if (source === '-') return unpacked(await options.stdin(), 'standard input');
  const info = await stat(source).catch((error: NodeJS.ErrnoException) => {
    throw new InputError(
      error.code === 'ENOENT' ? 'there is no such file' : error.message,
      { file: source },
      LIKE_HOST.test(source)
        ? `for a host write ssh://${source.replace(/^ssh:\/?/, '')}, for a file check the path`
        : `${error.code === 'ENOENT' ? didYouMeanFile(source) : ''}give ssh://host, a capture, a status report, or a text`,
    );
  });
  if (info.isDirectory()) return readFolder(source);
  return unpacked(readUserFile(source, SOURCE_LIMIT), source);
}

async function unpacked(bytes: Uint8Array, file: string): Promise<InputText[]> {
  if (archiveKind(bytes) !== null) return readArchive(bytes, file);
  const foreign = foreignFormat(bytes);
  if (foreign !== null) {
    throw new InputError(
      `expected a text, or an archive of gzip, bzip2, zip or tar, got one of ${foreign}`,
      { file },
      'unpack it, and give the folder with the listings',
    );
  }
  if (bytes.length > INPUT_LIMITS.textChars) {
    throw new InputError(
      `expected at most ${INPUT_LIMITS.textChars / 2 ** 20} MiB of text, got ${Math.ceil(bytes.length / 2 ** 20)} MiB`,
      { file },
      'check that this is the right file, or give the listings of a host alone',
    );
  }
  return [{ file, text: textOfBytes(bytes) }];
}

/**
 * The script's output on a host.
 * @throws SshError as SshHost.run does, and for an answer that was cut off
 */
export async function captureText(host: SshHost, memory: boolean): Promise<string> {
  const nonce = randomBytes(9).toString('hex');
  const text = await host.run(captureScript({ nonce, archive: false, memory }));
  const from = text.indexOf(`@@xennuma:${nonce} `);
  if (from < 0 || !text.includes(`@@xennuma:${nonce} ${END_MARK}`)) {
    throw new SshError('the answer of the host is cut off', 'does its shell start-up end the session, or is the connection bad?');
  }
  // Output of the shell's start-up files comes before the first mark. Marks with another nonce are
  // text of a guest.
  return text
    .slice(from)
    .split('\n')
    .filter((line) => !line.startsWith('@@xennuma') || line.startsWith(`@@xennuma:${nonce} `))
    .join('\n');
}
