// `--from SOURCE`: a host over ssh, from a capture, a status report or a paste, instead of the host
// that this command runs on.
import { InputError, UnreachableError } from '../../base/errors.js';
import { readStandardInput } from '../../base/files/user-file.js';
import type { CapturedHost } from '../../live/capture/captured-host.js';
import type { InputText } from '../../machine/readers/input-text.js';

/** @throws InputError when another host is named in addition to --from */
export function refuseBesideFrom(options: Readonly<Record<string, unknown>>): void {
  for (const name of ['on', 'host', 'xen', 'scheduler', 'cpupools', 'scenario', 'pool']) {
    if (options[name] !== undefined) throw new InputError(`expected --from or --${name}, got both`, {}, 'leave one of them out');
  }
}

/** "ssh://a,ssh://b" names several hosts; a comma in a file's name does not divide. */
export function sourcesOf(from: string): string[] {
  return from.startsWith('ssh://') ? from.split(',') : [from];
}

/**
 * @throws InputError for a source that is missing or damaged, or contains no host
 * @throws UnreachableError for a host that ssh cannot reach
 */
export async function readFrom(source: string, options: { readonly memory: boolean } = { memory: true }): Promise<CapturedHost> {
  const texts = await textsFrom(source, options);
  return (await import('../../live/capture/captured-host.js')).readCapture(texts);
}

/** The texts of a source, unchanged. */
export async function textsFrom(source: string, { memory }: { readonly memory: boolean }): Promise<InputText[]> {
  const { SOURCE_LIMIT, textsOf } = await import('../../live/capture/source.js');
  const stdin = async () => readStandardInput('standard input', SOURCE_LIMIT);
  return orUnreachable(() => textsOf(source, { memory, stdin }));
}

/** A host over ssh, for a command that also changes it. */
export interface OpenHost {
  /** The host as it is now. */
  read(): Promise<CapturedHost>;
  /** Runs one command there, as root. */
  run(words: readonly string[]): Promise<{ readonly status: number; readonly why: string }>;
}

/**
 * One connection for all of the work.
 * @throws UnreachableError for a host that ssh does not reach
 */
export async function withHost<T>(source: string, work: (host: OpenHost) => Promise<T>): Promise<T> {
  const [{ captureText }, { SshHost, sshTarget }, { commandScript }, { readCapture }] = await Promise.all([
    import('../../live/capture/source.js'),
    import('../../live/capture/ssh.js'),
    import('../../live/capture/script.js'),
    import('../../live/capture/captured-host.js'),
  ]);
  const host = await SshHost.open(sshTarget(source));
  try {
    return await orUnreachable(() =>
      work({
        read: async () => readCapture([{ file: source, text: await captureText(host, true) }]),
        run: (words) => host.attempt(commandScript(words)),
      }),
    );
  } finally {
    await host.close();
  }
}

async function orUnreachable<T>(work: () => Promise<T>): Promise<T> {
  const { SshError } = await import('../../live/capture/ssh.js');
  try {
    return await work();
  } catch (error) {
    if (error instanceof SshError) throw new UnreachableError(error.message, error.mend);
    throw error;
  }
}
