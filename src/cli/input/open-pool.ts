// From the options of --pool to a pool, one host of it, and the VMs of a command.
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { InputError } from '../../base/errors.js';
import type { Host } from '../../machine/model.js';
import type { InputText } from '../../machine/readers/input-text.js';
import type { VmSpec } from '../../machine/vm.js';
import { accessOf, type Describe, hostNamed, type Pool, type PoolAccess, type PoolTarget, withPool } from '../../pool/access.js';
import { namedVms, poolPolicy } from '../../pool/workload.js';
import { parsePoolUrl } from '../../xapi-client/endpoint.js';
import type { PoolHost, PoolView } from '../../xapi-client/pool.js';
import type { Credentials } from '../../xapi-client/session.js';
import { PROFILES } from '../../xenopsd/api/profiles.js';
import { profileOfHost } from '../../xenopsd/api/releases.js';
import { readFrom } from './from.js';
import { readHost, readVms } from './open-host.js';
import type { PoolOptions } from './pool-options.js';
import { readInput } from './read-input.js';
import type { HostSource } from './several-hosts.js';
import type { WorkloadOptions } from './workload-options.js';

/**
 * One host of the pool: the named one, or the only one.
 * @throws UnreachableError when the pool cannot be reached or refuses the user; InputError for a
 * host or file that does not fit
 */
export function withPoolHost<T>(options: PoolOptions, work: (access: PoolAccess) => Promise<T>): Promise<T> {
  return openPool(options, async (pool) => {
    const record = hostNamed(pool.view, options.poolHost);
    return work(accessOf(pool, record, options.ssh === true ? await describeOverSsh(record) : describer(options.host)));
  });
}

/** One that speaks for this host alone. */
async function describeOverSsh(record: PoolHost): Promise<Describe> {
  const [{ live }, { hostOf }] = await Promise.all([readFrom(sshSource(record)), import('../../live/live-copy.js')]);
  return () => hostOf(live);
}

/** @throws InputError for a host whose address the pool does not tell */
function sshSource({ name, address }: PoolHost): string {
  if (address === '') throw new InputError(`the pool has no address for '${name}'`, { path: '--ssh' }, 'give --from ssh://root@ADDRESS');
  return `ssh://root@${address.includes(':') ? `[${address}]` : address}`;
}

/**
 * Hosts of the pool to be read over ssh: the one that is named, else those on which the VMs run,
 * else all.
 * @param names names or uuids of VMs
 */
export function poolSources(options: PoolOptions, names: readonly string[]): Promise<HostSource[]> {
  return openPool(options, async ({ view }) => {
    const guests = view.vms.filter((vm) => vm.host !== null && !vm.controlDomain);
    const wanted = names.length === 0 ? null : namedVms(guests, names);
    const hosts = options.poolHost === undefined ? view.hosts : [hostNamed(view, options.poolHost)];
    const sources = hosts.map((record) => ({
      source: sshSource(record),
      domains:
        wanted?.filter(({ host }) => host === record.ref).map(({ domid, spec }) => (domid === null ? spec.name : String(domid))) ?? null,
    }));
    return sources.filter(({ domains }) => domains === null || domains.length > 0);
  });
}

/** @throws like `withPoolHost` */
export function openPool<T>(options: PoolOptions, work: (pool: Pool) => Promise<T>): Promise<T> {
  if (options.on !== undefined) throw new InputError('expected --on or --pool, got both', {}, 'leave one of them out');
  if (options.ssh === true && options.host !== undefined) {
    throw new InputError('expected --ssh or --host, got both', {}, 'leave one of them out');
  }
  return withPool(targetOf(options), work);
}

function targetOf(options: PoolOptions): PoolTarget {
  const endpoint = parsePoolUrl(options.pool!, {
    insecure: options.insecure === true,
    ...(options.ca === undefined ? {} : { ca: readInput(options.ca).text }),
  });
  return { endpoint, credentials: () => credentialsOf(options) };
}

/** What stdin said: it says it once. */
let typed: InputText | null = null;

function passwordText(file: string): string {
  if (file !== '-') return readInput(file).text;
  typed ??= readInput(file);
  return typed.text;
}

function credentialsOf({ user, pwf }: PoolOptions): Credentials {
  if (pwf === undefined) return { user: user ?? 'root', password: '' };
  const [first = '', second = ''] = passwordText(pwf).split(/\r?\n/);
  if (second !== '') return { user: user ?? first, password: second };
  if (first === '') {
    throw new InputError(
      'expected a password, got nothing',
      { file: pwf },
      'write the user on its first line and the password on its second',
    );
  }
  return { user: user ?? 'root', password: first };
}

/** NAME=FILE describes the host of that name or uuid; any other value describes every host. */
export function describer(files: readonly string[] | undefined): Describe {
  const read = new Map<string, Host>();
  return (record, view) => {
    if (files === undefined) return null;
    const [own, common]: [string[], string[]] = [[], []];
    for (const word of files) {
      const named = hostOfWord(word, view);
      if (named === null) common.push(word);
      else if (named.name === record.name || named.name === record.uuid) own.push(named.file);
    }
    const chosen = own.length > 0 ? own : common;
    if (chosen.length === 0) return null;
    const key = chosen.join('\n');
    const host = read.get(key) ?? readHost(chosen);
    read.set(key, host);
    return host;
  };
}

/** A file may have "=" in its name: only a host of the pool counts as NAME. */
function hostOfWord(word: string, { hosts }: PoolView): { readonly name: string; readonly file: string } | null {
  const at = word.indexOf('=');
  const name = word.slice(0, Math.max(0, at));
  if (hosts.some((host) => host.name === name || host.uuid === name)) return { name, file: word.slice(at + 1) };
  if (at > 0 && !existsSync(word) && existsSync(word.slice(at + 1))) {
    const names = hosts.map((host) => host.name).join(', ');
    throw new InputError(`the pool has no host '${name}'`, { path: '--host' }, `its hosts are ${names}`);
  }
  return null;
}

/** Policy, mask and version of the host itself, unless the command line overrides them. */
export function poolSettings<T extends WorkloadOptions>(options: T, command: Command, { record }: PoolAccess): T {
  const isSet = (name: string) => command.getOptionValueSource(name) === 'cli';
  return {
    ...options,
    profile: isSet('profile') ? options.profile : profileOfHost(record.software, PROFILES).profile,
    policy: isSet('policy') ? options.policy : poolPolicy(record.policy),
    ...(options.hostMask === undefined && record.mask !== null ? { hostMask: record.mask } : {}),
  };
}

/** The VMs of --vms, otherwise the halted guests of the pool. */
export function poolVms(options: Pick<WorkloadOptions, 'vms'>, { halted, host, view }: PoolAccess): readonly VmSpec[] {
  if (options.vms !== undefined) return readVms(options.vms, host);
  if (halted.length === 0) {
    throw new InputError(
      view.name === '' ? 'no VM of the pool is halted' : `no VM of the pool '${view.name}' is halted`,
      { path: '--pool' },
      'describe VMs with --vms FILE, or see xennuma verify',
    );
  }
  return halted.map(({ spec }) => spec);
}
