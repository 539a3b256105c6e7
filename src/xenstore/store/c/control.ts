// CONTROL of the C daemon, the commands that make sense here.
// Source: tools/xenstore/xenstored_control.c (Xen 4.17).

import type { ControlHooks } from '../engine.js';
import { fail } from '../failure.js';
import { QUOTA_NAMES, type StoreQuota } from '../limits.js';
import type { Domain } from './domains.js';
import { intOf, unsignedOf } from './numbers.js';
import type { Client, Store } from './store.js';

const HELP =
  'check\t\nlog\ton|off\nlive-update\t[-c <cmdline>] [-F] [-t <timeout>] <file>\nprint\t<string>\n' +
  'quota\t[set <name> <val>|<domid>]\nquota-soft\t[set <name> <val>]\nhelp\t\n\0';

const DESCRIPTIONS: Readonly<Record<keyof StoreQuota, string>> = {
  nodes: 'Nodes per domain',
  watches: 'Watches per domain',
  transactions: 'Transactions per domain',
  outstanding: 'Outstanding requests per domain',
  transactionNodes: 'Max. number of accessed nodes per transaction',
  memoryBytes: 'Total Xenstore memory per domain (error level)',
  nodeSizeBytes: 'Max. size of a node',
  pathBytes: 'Max. length of a node path',
  permissions: 'Max. number of permissions per node',
};

/**
 * Answers `payload` of a CONTROL request.
 * @throws StoreFailure EINVAL for an unknown command or wrong arguments, ENOENT for the quota of an
 *   unknown domain
 */
export function control(store: Store, payload: string, hooks: ControlHooks, describe: (domid: number) => string): string {
  const words = payload.split('\0');
  if (words.length < 2) fail('EINVAL');
  const [command, ...args] = words.slice(0, -1);
  switch (command) {
    case 'check':
      if (args.length > 0) fail('EINVAL');
      return 'OK\0';
    case 'log':
      if (args.length !== 1 || (args[0] !== 'on' && args[0] !== 'off')) fail('EINVAL');
      hooks.log?.(args[0] === 'on');
      return 'OK\0';
    case 'print':
      if (args.length !== 1) fail('EINVAL');
      hooks.print?.(args[0]!);
      return 'OK\0';
    case 'help':
      if (args.length > 0) fail('EINVAL');
      return HELP;
    case 'quota':
      return quota(store, args, describe);
    case 'quota-soft':
      return args.length === 0 ? 'Quota settings:\n\0' : fail('EINVAL');
    case 'live-update':
      return liveUpdate(args, hooks);
    default:
      return fail('EINVAL');
  }
}

function quota(store: Store, args: readonly string[], describe: (domid: number) => string): string {
  if (args.length === 0) {
    const lines = [...QUOTA_NAMES].map(
      ([name, key]) => `${name.padEnd(17)}: ${String(store.checks.quota[key]).padStart(8)} ${DESCRIPTIONS[key]}\n`,
    );
    return `Quota settings:\n${lines.join('')}\0`;
  }
  if (args[0] === 'set') {
    const value = intOf(args[2] ?? '');
    const known = QUOTA_NAMES.get(args[1] ?? '');
    if (args.length !== 3 || value < 1 || known === undefined) fail('EINVAL');
    store.checks.quota = { ...store.checks.quota, [known]: value };
    return 'OK\0';
  }
  if (args.length !== 1) fail('EINVAL');
  return describe(unsignedOf(args[0]!));
}

/** `-s` starts it; the binary and its command line are not ours to take from a client. */
function liveUpdate(args: readonly string[], hooks: ControlHooks): string {
  if (args.length < 1) fail('EINVAL');
  if (args[0] === '-a') return 'No live-update session active.\0';
  if (args[0] !== '-s' || hooks.restart === undefined) fail('EINVAL');
  hooks.restart();
  return 'OK\0';
}

/** A domain's use of limited resources, as `quota DOMID` shows it. */
export function describeDomain(domain: Domain, clients: ReadonlySet<Client>): string {
  const { domid } = domain;
  const own = domid === 0 ? [] : [...clients].filter((client) => client.domid === domid);
  const sum = (of: (client: Client) => number): number => own.reduce((total, client) => total + of(client), 0);
  const line = (name: string, value: number): string => `${name.padEnd(16)}: ${String(value).padStart(8)}\n`;
  return (
    `Domain ${domid}:\n${line('nodes', domain.nodes)}${line(
      'watches',
      sum(({ watches }) => watches.size),
    )}` +
    `${line(
      'transactions',
      sum(({ transactions }) => transactions.size),
    )}${line('memory', domain.memory)}\0`
  );
}
