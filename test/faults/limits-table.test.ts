// The tables of limits in docs/service.md and docs/xapi.md have the numbers of the code.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { GUESS_LIMITS } from '../../src/xapi/calls/guess-throttle.js';
import { KNOWN_ADDRESSES, KNOWN_MS } from '../../src/xapi/calls/known-addresses.js';
import { SHARES, type Share } from '../../src/xapi/calls/ledger.js';
import { MOST_STORED } from '../../src/xapi/calls/login-memory.js';
import { SESSION_LIMITS } from '../../src/xapi/calls/sessions.js';
import { TURN_MS } from '../../src/xapi/calls/turns.js';
import { HTTP_LIMITS } from '../../src/xapi/http/http-server.js';
import { MOST_PIPELINED } from '../../src/xapi/http/requests/pipelined.js';
import { WAITING_SHARE } from '../../src/xapi/life/vm-queue.js';
import { MAX_RECORD_TEXT, RECORD_SHARES } from '../../src/xapi/model/record-bounds.js';
import { MAX_ENDED_TASKS } from '../../src/xapi/model/tasks.js';
import { SERVER_LIMITS } from '../../src/xenstore/server/client-limits.js';
import { QUOTA } from '../../src/xenstore/store/limits.js';
import { root } from '../xennuma.js';

/** Rows by their first cell. */
function tableOf(page: string, head: string): ReadonlyMap<string, readonly string[]> {
  const text = readFileSync(join(root, page), 'utf8');
  const lines = text.slice(text.indexOf(head)).split('\n');
  const rows = lines.slice(2, lines.indexOf('')).map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  );
  return new Map(rows.map(([name, ...cells]) => [name!, cells]));
}

const SERVICE = tableOf('docs/service.md', '| limit | charged to |');
const XAPI = tableOf('docs/xapi.md', '| limit | total |');

/** The numbers of a cell; MiB as bytes. */
const numbers = (cell = ''): number[] =>
  [...cell.matchAll(/\d[\d,]*(?: MiB)?/g)].map(
    ([text]) => Number.parseInt(text.replaceAll(',', ''), 10) * (text.endsWith('MiB') ? 2 ** 20 : 1),
  );

const LEDGER: Readonly<Record<keyof typeof SHARES, readonly [service: string, xapi: string]>> = {
  connections: ['connections', 'connections'],
  bytes: ['bytes read or unread', 'bytes of requests being read and answers not read yet'],
  calls: ['calls under way', 'calls under way (503 beyond it)'],
  watchers: ['waiting calls and streams', 'calls that wait for events, streams of `/events`'],
  tasks: ['tasks under way', 'tasks under way'],
  logins: ['passwords under examination', 'passwords under examination; others wait'],
};
const RECORDS = {
  VM: ['records of class VM, PBD', 'records of class VM, PBD'],
  PBD: ['records of class VM, PBD', 'records of class VM, PBD'],
  VDI: ['records of class VDI, VBD, VIF', 'records of class VDI, VBD, VIF'],
  VBD: ['records of class VDI, VBD, VIF', 'records of class VDI, VBD, VIF'],
  VIF: ['records of class VDI, VBD, VIF', 'records of class VDI, VBD, VIF'],
  others: [
    'records of other classes',
    'records of another class that clients can create: network, SR, VLAN, tunnel, PIF, VM_appliance, VM_group, message',
  ],
  text: ['characters of all records', 'characters of all records (of one record: 1,048,576)'],
} as const satisfies Record<keyof typeof RECORD_SHARES, readonly [string, string]>;
const OPERATIONS = ['operations that wait for a VM', 'operations that wait for one VM'] as const;

it.each([
  ...Object.entries(SHARES).map(([name, share]) => [LEDGER[name as keyof typeof SHARES], share] as const),
  ...Object.entries(RECORD_SHARES).map(([name, share]) => [RECORDS[name as keyof typeof RECORD_SHARES], share] as const),
  [OPERATIONS, WAITING_SHARE] as const,
])('%s have the shares of the code', ([service, xapi], { total, each, reserve }: Share) => {
  const [, one, kept] = SERVICE.get(service) ?? [];
  expect([numbers(one), numbers(kept)]).toEqual([[each], [reserve]]);
  const [all, own, left] = XAPI.get(xapi) ?? [];
  expect([numbers(all)[0], numbers(own), numbers(left)]).toEqual([total, [each], [reserve]]);
});

it.each<[string, readonly number[]]>([
  ['wrong passwords', [SESSION_LIMITS.freeGuesses]],
  ['requests', [HTTP_LIMITS.requestsPerSecond]],
  ['known addresses', [KNOWN_ADDRESSES]],
  ['sessions', [SESSION_LIMITS.sessionsOfUser]],
  ['finished tasks', [MAX_ENDED_TASKS]],
  ['characters of a record, with its `other_config`', [MAX_RECORD_TEXT]],
  ['XenStore: nodes', [QUOTA.xenstored.nodes]],
  ['XenStore: watches, transactions', [QUOTA.xenstored.watches, QUOTA.oxenstored.watches, QUOTA.xenstored.transactions]],
  ['XenStore: connections', [SERVER_LIMITS.guestConnections]],
])('%s have the limit of the code', (name, limits) => {
  expect(numbers(SERVICE.get(name)?.[1])).toEqual(limits);
});

it('other limits of a client are those of the code', () => {
  const other = tableOf('docs/xapi.md', '| other limit |');
  expect(numbers(other.get('requests of one connection that wait for the answers to earlier ones')?.[0])).toEqual([MOST_PIPELINED]);
  expect(numbers(other.get('time for work of clients between two looks at the network')?.[0])).toEqual([TURN_MS]);
});

it('says how long things are remembered', () => {
  expect(SERVICE.get('wrong passwords')?.[3]).toMatch(/^a quarter of an hour/);
  expect(readFileSync(join(root, 'docs/service.md'), 'utf8')).toContain(`the latest ${MOST_STORED} of each`);
  expect(GUESS_LIMITS.forgetMs).toBe(15 * 60_000);
  for (const name of ['known addresses', 'sessions']) expect(SERVICE.get(name)?.[3]).toMatch(/a day without/);
  expect([KNOWN_MS, SESSION_LIMITS.idleMs]).toEqual([24 * 3600_000, 24 * 3600_000]);
});
