// Several hosts from afar, read at the same time: `--from ssh://a,ssh://b`, and the hosts of a pool
// with `--ssh`.
import { InputError, UnreachableError } from '../../base/errors.js';
import { NO_NAME } from '../../base/nearest-word.js';
import type { CapturedHost } from '../../live/capture/captured-host.js';
import { remark } from '../output/terminal.js';
import { readFrom, sourcesOf } from './from.js';
import { pickDomains, unknownDomain } from './running.js';

export interface HostSource {
  readonly source: string;
  /** Names or numbers of the wanted domains there; null: those of the command line that it has. */
  readonly domains: readonly string[] | null;
}

export function hostSources(from: string): HostSource[] {
  return sourcesOf(from).map((source) => ({ source, domains: null }));
}

export interface ReadHost extends HostSource {
  readonly captured: CapturedHost;
}

export interface FailedHost {
  readonly source: string;
  readonly error: InputError | UnreachableError;
}

/** Each is a process of ssh with the answer of a host in memory. */
const AT_A_TIME = 16;

/**
 * In the order of the sources.
 * @throws InputError, UnreachableError as `readFrom` when none can be read
 */
export async function readHosts(
  sources: readonly HostSource[],
  options: { readonly memory: boolean },
): Promise<{ readonly read: readonly ReadHost[]; readonly failed: readonly FailedHost[] }> {
  const results = new Array<ReadHost | FailedHost>(sources.length);
  let next = 0;
  const worker = async () => {
    while (next < sources.length) {
      const index = next++;
      results[index] = await readOne(sources[index]!, options);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_A_TIME, sources.length) }, worker));
  const read = results.filter((one): one is ReadHost => 'captured' in one);
  const failed = results.filter((one): one is FailedHost => 'error' in one);
  const [first] = failed;
  if (read.length === 0 && first !== undefined) {
    remarkFailures(failed.slice(1));
    throw first.error;
  }
  return { read, failed };
}

async function readOne(host: HostSource, options: { readonly memory: boolean }): Promise<ReadHost | FailedHost> {
  try {
    return { ...host, captured: await readFrom(host.source, options) };
  } catch (error) {
    if (error instanceof InputError || error instanceof UnreachableError) return { source: host.source, error };
    throw error;
  }
}

/** Tells of each host that could not be read, in a line. */
export function remarkFailures(failed: readonly FailedHost[]): void {
  for (const { error } of failed) {
    remark(`xennuma: ${error instanceof UnreachableError ? `${error.message}; ${error.mend}` : error.toString()}`);
  }
}

/**
 * The hosts that have one of the domains, with what each has of them; all hosts, with all of their
 * domains, when none is named.
 * @throws InputError for a name that no host has; UnreachableError where one of the hosts that
 *   could not be read may have it
 */
export function withDomains(
  hosts: readonly ReadHost[],
  names: readonly string[],
  failed: readonly FailedHost[],
): (ReadHost & { readonly domains: readonly string[] })[] {
  if (names.length === 0) return hosts.map((host) => ({ ...host, domains: host.domains ?? [] }));
  const has = ({ captured }: ReadHost, name: string) =>
    captured.live.map.domains.some((domain) => domain.name === name || String(domain.domid) === name);
  for (const name of names) {
    if (hosts.some((host) => host.domains !== null || has(host, name))) continue;
    if (failed.length > 0) throw failed[0]!.error;
    // For a single host, its own error lists the domains.
    if (hosts.length === 1) pickDomains(hosts[0]!.captured.live.map, [name]);
    if (name === NO_NAME)
      throw unknownDomain(
        name,
        hosts.map(({ captured }) => captured.live.map),
      );
    throw new InputError(`none of the ${hosts.length} hosts has a domain '${name}'`, {}, 'xennuma verify lists them');
  }
  return hosts
    .map((host) => ({ ...host, domains: host.domains ?? names.filter((name) => has(host, name)) }))
    .filter(({ domains }) => domains.length > 0);
}
