// Rights and audit: each message with an effect is refused to read-only users, and every change and
// every attempt at one is a line of the audit log.
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { cheapUser } from '../../../test/support/cheap-user.js';
import { type TestDaemon, testDaemon, vmRecord } from '../../../test/support/daemon.js';
import { DATAMODEL } from '../model/datamodel.js';
import type { Wire } from '../wire/values.js';
import { parseUsers } from './users.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/**
 * Messages that only ask, by xapi's own roles (_R_READ_ONLY in ocaml/idl/datamodel*.ml); all others
 * change something.
 */
const ASKS =
  /\.get_(?!sched_gran$)\w+$|^(Async\.)?VM\.(assert_agile|maximise_memory|wait_memory_target_live|compute_memory_overhead|assert_operation_valid|assert_can_boot_here|get_possible_hosts)$|^(Async\.)?(host|pool)\.(assert_can_evacuate|has_extension)$|^host\.(compute_free_memory|get_servertime)$|^(VM|host)\.query_data_source$|^message\.get$|^event\.|^session\.|^system\./;

/** Hidden or of later releases than the data model's table (_R_POOL_ADMIN, _R_POOL_OP). */
const LATER_ADMIN = ['VM.get_secureboot_readiness', 'pool.get_guest_secureboot_readiness', 'SR.get_live_hosts', 'VTPM.get_contents'];

/** xapi lets only administrators ask some questions. */
function mayRead(name: string): boolean {
  if (LATER_ADMIN.includes(name.replace(/^Async\./, ''))) return false;
  const [type, message] = name.replace(/^Async\./, '').split('.') as [string, string];
  const known = DATAMODEL.get(type)?.messages.get(message);
  return known === undefined || type === 'session' || known.role === 'read-only';
}
const asks = (name: string): boolean => ASKS.test(name) && mayRead(name);
/** Questions that the file of users or a task's owner settles are refused as well. */
const changes = (name: string): boolean =>
  !ASKS.test(name) && (!mayRead(name) || !DATAMODEL.has(name.replace(/^Async\./, '').split('.')[0]!));

const USERS = parseUsers([cheapUser('root', 'admin', 'secret'), cheapUser('eye', 'read-only', 'look')].join('\n'), 'users');

interface AuditLine {
  readonly user: string | null;
  readonly role: string | null;
  readonly address: string;
  readonly method: string;
  readonly args: unknown;
  readonly result: 'success' | string[];
  readonly count?: number;
  readonly methods?: readonly string[];
}

async function watched(): Promise<{
  daemon: TestDaemon;
  raw: (method: string, ...params: Wire[]) => Promise<Wire>;
  lines: () => AuditLine[];
  file: string;
}> {
  const folder = mkdtempSync(join(tmpdir(), 'xennuma-audit-'));
  const file = join(folder, 'audit.log');
  const daemon = await testDaemon({ users: () => USERS, audit: file });
  ends.push(
    () => rmSync(folder, { recursive: true }),
    () => daemon.close(),
  );
  const never = new AbortController().signal;
  const lines = () =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as AuditLine);
  return { daemon, file, lines, raw: (method, ...params) => daemon.dispatcher.call({ method, params }, '10.0.0.7', never) };
}

const failure = async (promise: Promise<Wire>): Promise<string> => {
  try {
    await promise;
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'success';
};

/** PIF.db_introduce has the most. */
const MOST_PARAMS = 24;

describe('rights', () => {
  it('read-only is refused every message that changes something, whatever its arguments, and each refusal is written down', async () => {
    const { daemon, raw, lines } = await watched();
    const session = await raw('session.login_with_password', 'eye', 'look');
    const names = (await raw('system.listMethods')) as string[];
    const changing = names.filter(changes);
    expect(changing.length).toBeGreaterThan(150);
    const before = daemon.database.published.generation;
    const known = lines().length;
    for (const method of changing) {
      const codes = new Set<string>();
      for (let count = 0; count <= MOST_PARAMS; count++) codes.add(await failure(raw(method, session, ...Array<Wire>(count).fill('x'))));
      codes.delete('MESSAGE_PARAMETER_COUNT_MISMATCH');
      expect([method, [...codes]]).toEqual([method, ['RBAC_PERMISSION_DENIED']]);
    }
    expect(daemon.database.published.generation).toBe(before);
    // One line at once, and one for all others of the minute.
    await daemon.close();
    const denied = lines().slice(known);
    expect(denied.reduce((sum, { count }) => sum + (count ?? 0), 0)).toBe(changing.length * (MOST_PARAMS + 1));
    const ofUser = denied.filter(({ user }) => user === 'eye');
    expect(ofUser[0]).toMatchObject({
      role: 'read-only',
      address: '10.0.0.7',
      result: ['RBAC_PERMISSION_DENIED', expect.anything(), expect.anything()],
    });
    expect(ofUser.at(-1)!.methods!.length).toBeGreaterThan(10);
  });

  it('read-only may ask everything that only asks', async () => {
    const { raw, lines } = await watched();
    const admin = await raw('session.login_with_password', 'root', 'secret');
    const vm = await raw('VM.create', admin, vmRecord('a'));
    const eye = await raw('session.login_with_password', 'eye', 'look');
    const known = lines().length;
    const names = (await raw('system.listMethods')) as string[];
    const asking = names.filter((name) => asks(name) && !/^(session|event|system)\./.test(name));
    for (const method of asking) {
      for (const params of [[], [vm], [vm, 'start'], ['true']]) {
        expect([method, await failure(raw(method, eye, ...(params as Wire[])))]).not.toEqual([method, 'RBAC_PERMISSION_DENIED']);
      }
    }
    // Read-only calls are not logged.
    expect(lines().length).toBe(known);
    expect(await failure(raw('session.get_record', eye, admin))).toBe('RBAC_PERMISSION_DENIED');
    expect(await failure(raw('session.get_record', eye, eye))).toBe('success');
    expect(await failure(raw('session.get_record', admin, eye))).toBe('success');
  });
});

describe('the audit log', () => {
  it('has a line for every change, by whom and from where, when it is acknowledged; passwords are never in it', async () => {
    const { daemon, raw, lines, file } = await watched();
    expect(await failure(raw('session.login_with_password', 'root', 'a wrong guess'))).toBe('SESSION_AUTHENTICATION_FAILED');
    const session = await raw('session.login_with_password', 'root', 'secret');
    const vm = await raw('VM.create', session, vmRecord('a'));
    const [host] = (await raw('host.get_all', session)) as string[];
    const changes: [string, ...Wire[]][] = [
      ['host.set_numa_affinity_policy', host!, 'best_effort'],
      ['VM.add_to_VCPUs_params', vm, 'mask', '1,2'],
      ['VM.start', vm, false, false],
      ['VM.set_VCPUs_max', vm, 4],
      ['Async.VM.pause', vm],
      ['VM.hard_shutdown', vm],
    ];
    for (const [method, ...args] of changes) {
      const before = lines().length;
      const code = await failure(raw(method, session, ...args));
      if (method.startsWith('Async.')) await daemon.dispatcher.idle();
      const [line, ...more] = lines().slice(before);
      expect(more).toEqual([]);
      expect(line).toMatchObject({ user: 'root', role: 'admin', address: '10.0.0.7', method: method.replace('Async.', ''), args });
      expect([method, line!.result === 'success' ? 'success' : line!.result[0]]).toEqual([method, code]);
    }
    expect(lines().map(({ method, result }) => `${method} ${result === 'success' ? result : result[0]}`)).toEqual([
      'session.login_with_password SESSION_AUTHENTICATION_FAILED',
      'session.login_with_password success',
      'VM.create success',
      'host.set_numa_affinity_policy success',
      'VM.add_to_VCPUs_params success',
      'VM.start success',
      'VM.set_VCPUs_max VM_BAD_POWER_STATE',
      'VM.pause success',
      'VM.hard_shutdown success',
    ]);
    const text = readFileSync(file, 'utf8');
    for (const secret of ['secret', 'a wrong guess']) expect(text).not.toContain(secret);
    expect(statSync(file).mode & 0o077).toBe(0);
  });
});
