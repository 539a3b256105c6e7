// --pool: a host of a pool as a workload. Reads hosts and VMs by XAPI, takes the topology from a file, and brings both together.
import { InputError } from '../base/errors.js';
import { formatBytes, PAGE_BYTES } from '../base/units.js';
import { readHost } from '../cli/input/open-host.js';
import type { PoolOptions } from '../cli/input/pool-options.js';
import { readInput } from '../cli/input/read-input.js';
import { UnreachableError } from '../cli/output/exit-codes.js';
import type { Host } from '../machine/model.js';
import { endpointUrl, parsePoolUrl } from '../xapi-client/endpoint.js';
import { XapiError, XapiUnreachable } from '../xapi-client/errors.js';
import { type PoolHost, type PoolView, type PoolVm, readPool } from '../xapi-client/pool.js';
import { type Credentials, XapiSession } from '../xapi-client/session.js';

export interface PoolAccess {
  readonly session: XapiSession;
  readonly view: PoolView;
  /** The host that was meant, as the pool tells of it. */
  readonly told: PoolHost;
  /** The same host with its topology, and with the memory that is free now. */
  readonly host: Host;
  /** Guests that run on it. */
  readonly running: readonly PoolVm[];
  /** Guests of the pool that are off. */
  readonly halted: readonly PoolVm[];
}

/**
 * Logs in, reads, does the work and logs out.
 * @throws UnreachableError when the pool cannot be reached or refuses the user; InputError for a host or file that does not fit
 */
export async function withPool<T>(options: PoolOptions, work: (access: PoolAccess) => Promise<T>): Promise<T> {
  if (options.on !== undefined) throw new InputError('expected --on or --pool, got both', {}, 'leave one of them out');
  const endpoint = parsePoolUrl(options.pool!, {
    insecure: options.insecure === true,
    ...(options.ca === undefined ? {} : { ca: readInput(options.ca).text }),
  });
  const url = endpointUrl(endpoint);
  const credentials = credentialsOf(options);
  let session: XapiSession | null = null;
  try {
    session = await XapiSession.login(endpoint, credentials);
    const view = await readPool(session);
    const told = meantHost(view, options.poolHost);
    const running = view.vms.filter((vm) => vm.host === told.ref && !vm.controlDomain);
    const host = asItIsNow(topologyOf(told, options.host), told, running);
    const halted = view.vms.filter((vm) => vm.power === 'Halted' && !vm.controlDomain);
    return await work({ session, view, told, host, running, halted });
  } catch (error) {
    throw asUnreachable(error, url, credentials.user);
  } finally {
    await session?.close();
  }
}

function credentialsOf({ user, pwf }: PoolOptions): Credentials {
  if (pwf === undefined) return { user: user ?? 'root', password: '' };
  const lines = readInput(pwf).text.split(/\r?\n/);
  const [first = '', second = ''] = lines;
  if (second !== '') return { user: user ?? first, password: second };
  if (first === '')
    throw new InputError(
      'expected a password, got nothing',
      { file: pwf },
      'write the user on its first line and the password on its second',
    );
  return { user: user ?? 'root', password: first };
}

function asUnreachable(error: unknown, url: string, user: string): unknown {
  if (error instanceof XapiUnreachable) return new UnreachableError(error.message, error.mend);
  if (!(error instanceof XapiError)) return error;
  const [first = ''] = error.params;
  switch (error.code) {
    case 'SESSION_AUTHENTICATION_FAILED':
      return new UnreachableError(`${url}: the user '${user}' or the password is wrong`, 'give -u USER and -pwf FILE');
    case 'HOST_IS_SLAVE':
      return new UnreachableError(`${url} is not the coordinator of its pool`, `use --pool https://${first}`);
    case 'RBAC_PERMISSION_DENIED':
      return new UnreachableError(`${url}: the user '${user}' may not do this (${first})`, 'log in as a user who may');
    default:
      return new UnreachableError(`${url} refused: ${error.message}`, "see the pool's own log");
  }
}

function meantHost(view: PoolView, name: string | undefined): PoolHost {
  const names = view.hosts.map((host) => host.name).join(', ');
  if (name === undefined) {
    if (view.hosts.length === 1) return view.hosts[0]!;
    throw new InputError(`the pool has ${view.hosts.length} hosts: ${names}`, { path: '--pool' }, 'say which with --pool-host');
  }
  const found = view.hosts.find((host) => host.name === name || host.uuid === name);
  if (found === undefined) throw new InputError(`the pool has no host '${name}'`, { path: '--pool-host' }, `it has ${names}`);
  return found;
}

/** From files; or from what the API tells, which is enough for a machine with one node only. */
export function topologyOf(told: PoolHost, files: readonly string[] | undefined): Host {
  if (files !== undefined) {
    const host = readHost(files);
    if (told.cpuCount > 0 && host.cpus.length !== told.cpuCount) {
      throw new InputError(
        `${host.source} has ${host.cpus.length} CPUs, but the host '${told.name}' has ${told.cpuCount}`,
        { path: '--host' },
        'describe that host: xl info -n, run there',
      );
    }
    return { ...host, name: told.name };
  }
  const one = told.nodeCount === 1 || (told.nodeCount === null && told.socketCount === 1);
  if (!one || !(told.cpuCount > 0)) {
    const nodes = told.nodeCount === null ? `${told.socketCount} sockets` : `${told.nodeCount} nodes`;
    throw new InputError(
      `the host '${told.name}' has ${nodes}, and XAPI does not tell which CPUs and memory are on which`,
      { path: '--pool' },
      'describe it: run xl info -n there, and give its output with --host FILE',
    );
  }
  return {
    name: told.name,
    source: 'XAPI (cpu_info)',
    nodes: [{ id: 0, memoryBytes: told.memoryTotalBytes, freeBytes: told.memoryFreeBytes }],
    cpus: Array.from({ length: told.cpuCount }, (_, id) => ({ id, node: 0, core: null, socket: 0 })),
    distances: [[10]],
    notes: told.nodeCount === 1 ? [] : ['one socket is taken as one node; XAPI does not tell nodes'],
  };
}

/**
 * Free memory as the pool tells it: what the description has more than that is in use. It is taken from the nodes where the running VMs'
 * memory is, as far as the host tells, and the rest from all nodes by what they have left.
 */
export function asItIsNow(host: Host, told: PoolHost, running: readonly PoolVm[]): Host {
  if (!(told.memoryFreeBytes >= 0)) return host;
  const free = host.nodes.map((node) => node.freeBytes);
  const described = free.reduce((sum, bytes) => sum + bytes, 0);
  let used = described - told.memoryFreeBytes;
  if (used <= 0) return host;
  for (const vm of running) {
    for (const [node, bytes] of vm.numa?.memoryBytes ?? []) {
      const taken = Math.min(bytes, free[node] ?? 0, used);
      if (taken <= 0) continue;
      free[node]! -= taken;
      used -= taken;
    }
  }
  const left = free.reduce((sum, bytes) => sum + bytes, 0);
  const spread = used;
  const now = free.map((bytes) => toPages(bytes - (left === 0 ? 0 : (spread * bytes) / left)));
  const notes =
    spread >= described / 100
      ? [`${formatBytes(spread)} in use, of which XAPI does not tell the node, is taken from all nodes by their free memory`]
      : [];
  return {
    ...host,
    nodes: host.nodes.map((node, index) => ({ ...node, freeBytes: now[index]! })),
    notes: [...host.notes, ...notes],
  };
}

function toPages(bytes: number): number {
  return Math.max(0, Math.floor(bytes / PAGE_BYTES) * PAGE_BYTES);
}
