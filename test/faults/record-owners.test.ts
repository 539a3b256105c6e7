// Whom records are charged to, across restarts: a greedy administrator at the limit stays there,
// and another one and root go on. Walks all messages that make records.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseUsers, type User } from '../../src/xapi/calls/users.js';
import { BOUND_TO_OTHERS, RECORD_SHARES, type RecordShares } from '../../src/xapi/model/record-bounds.js';
import type { Wire } from '../../src/xapi/wire/values.js';
import { cheapUser } from '../support/cheap-user.js';
import { failure, type TestDaemon, testDaemon, vmRecord } from '../support/daemon.js';
import { type Call, MAKERS, type Place, place } from '../support/record-makers.js';

const NAMES = ['root', 'a', 'b', 'c', 'd', 'e', 'f', 'g'];
const lines = (names: readonly string[]) => names.map((name) => cheapUser(name, 'admin', 'x')).join('\n');
const USERS = parseUsers(lines(NAMES), 'users');
/** Those made in between by the host itself count too. */
const FEW = { total: 60, each: 12, reserve: 8 };
const EACH_FEW = { VM: FEW, VDI: FEW, VBD: FEW, VIF: FEW, PBD: FEW, others: FEW };

let folder: string;
let daemon: TestDaemon | null = null;
let users: ReadonlyMap<string, User>;
beforeEach(async () => {
  users = USERS;
  folder = await mkdtemp(join(tmpdir(), 'xennuma-owners-'));
});
afterEach(async () => {
  await daemon?.close();
  daemon = null;
  await rm(folder, { recursive: true });
});

/** Also an end of the daemon before it, if there was one. */
async function started(records: RecordShares): Promise<TestDaemon> {
  await daemon?.close();
  daemon = await testDaemon({ users: () => users, records, state: join(folder, 'state') });
  return daemon;
}

async function as(user: string): Promise<Call> {
  const { dispatcher } = daemon!;
  const never = new AbortController().signal;
  const login = { method: 'session.login_with_password', params: [user, 'x'] };
  const session = await dispatcher.call(login, '127.0.0.1', never);
  return (method, ...params) => dispatcher.call({ method, params: [session, ...params] }, '127.0.0.1', never);
}

/** @returns the refusal, and the number of records that were made before it */
async function untilRefused(name: string, own: Place, first = 0): Promise<{ refusal: readonly string[]; made: number }> {
  for (let made = 0; made < 100; made++) {
    const answer = await failure(MAKERS[name]!(own, first + made));
    if (answer[0] !== 'success') return { refusal: answer, made };
  }
  throw new Error(`${name} is never refused`);
}

const OWN_LIMIT = ['OPERATION_NOT_ALLOWED', expect.stringMatching(/^no more than 12 records of class \w+ made by one user: destroy some$/)];

describe('one administrator who makes records until it is refused', { timeout: 60_000 }, () => {
  it.each(Object.keys(MAKERS))('with %s stays refused after a restart, and the others are not', async (name) => {
    await started(EACH_FEW);
    const own = await place(await as('a'));
    const theirs = await place(await as('b'));
    expect((await untilRefused(name, own)).refusal).toEqual(OWN_LIMIT);
    for (let turn = 1; turn <= 3; turn++) {
      await started(EACH_FEW);
      const again = await untilRefused(name, { ...own, call: await as('a') }, 60 * turn);
      expect([again.made, again.refusal]).toEqual([0, OWN_LIMIT]);
    }
    expect(await failure(MAKERS[name]!({ ...theirs, call: await as('b') }, 98))).toEqual(['success']);
    expect(await failure(MAKERS[name]!(await place(await as('root')), 97))).toEqual(['success']);
  });
});

/** One message for each class that clients can make. */
const BY_CLASS = {
  VM: 'VM.create',
  VDI: 'VDI.create',
  VBD: 'VBD.create',
  VIF: 'VIF.create',
  PBD: 'PBD.create',
  network: 'network.create',
  SR: 'SR.introduce',
  VM_appliance: 'VM_appliance.create',
  VM_group: 'VM_group.create',
  message: 'message.create',
  PIF: 'PIF.create_VLAN',
  VLAN: 'VLAN.create',
  tunnel: 'tunnel.create',
};

/** The class of the records that messages of another class make. */
const MADE_BY_OTHERS: Readonly<Record<string, string>> = { 'pool.create_VLAN': 'VLAN', 'pool.create_VLAN_from_PIF': 'VLAN' };

describe('many administrators together', { timeout: 60_000 }, () => {
  it('are tested for every class of which a message makes a record', () => {
    const classes = new Set(Object.keys(MAKERS).map((name) => MADE_BY_OTHERS[name] ?? name.split('.')[0]!));
    expect(new Set(Object.keys(BY_CLASS))).toEqual(new Set([...classes].filter((type) => !BOUND_TO_OTHERS.has(type))));
  });

  it.each(Object.entries(BY_CLASS))('leave root room for records of class %s, also after a restart', async (type, name) => {
    // Records of other classes that a message makes on the way have their usual room.
    const few = { [type]: FEW };
    await started(few);
    const places: Place[] = [];
    for (const user of NAMES.slice(1)) places.push(await place(await as(user)));
    const root = await place(await as('root'));
    let refusal: readonly string[] = [];
    for (const [index, own] of places.entries()) ({ refusal } = await untilRefused(name, own, 20 * index));
    const full = ['OPERATION_NOT_ALLOWED', `no more than 52 records of class ${type} (8 more are kept for root): destroy some`];
    expect(refusal).toEqual(full);
    expect(await failure(MAKERS[name]!(root, 150))).toEqual(['success']);
    await started(few);
    expect(await failure(MAKERS[name]!({ ...places.at(-1)!, call: await as('g') }, 149))).toEqual(full);
    for (let more = 1; more < FEW.reserve; more++) {
      expect(await failure(MAKERS[name]!({ ...root, call: await as('root') }, 150 + more))).toEqual(['success']);
    }
    expect((await failure(MAKERS[name]!({ ...root, call: await as('root') }, 199)))[0]).toBe('OPERATION_NOT_ALLOWED');
  });
});

describe('what is charged', { timeout: 60_000 }, () => {
  const network = (call: Call) =>
    call('network.create', { name_label: 'n', name_description: '', MTU: 1500, other_config: {} }) as Promise<string>;
  const networks = async (call: Call): Promise<string[]> => {
    const refs: string[] = [];
    while (refs.length < FEW.each) refs.push(await network(call));
    expect(await failure(network(call))).toEqual(OWN_LIMIT);
    return refs;
  };

  it('is given back when another administrator destroys the record in another life of the daemon', async () => {
    await started({ network: FEW });
    const refs = await networks(await as('a'));
    await started({ network: FEW });
    await (await as('root'))('network.destroy', refs[0]!);
    await started({ network: FEW });
    expect(await failure(network(await as('a')))).toEqual(['success']);
    expect(await failure(network(await as('a')))).toEqual(OWN_LIMIT);
  });

  it('stays charged to the name of a user who was removed', async () => {
    await started({ network: FEW });
    await networks(await as('a'));
    users = parseUsers(lines(NAMES.filter((name) => name !== 'a')), 'users');
    await started({ network: FEW });
    expect(await failure(network(await as('b')))).toEqual(['success']);
    users = USERS;
    await started({ network: FEW });
    expect(await failure(network(await as('a')))).toEqual(OWN_LIMIT);
  });

  it('is the text that each user added, to whichever record', async () => {
    const few = { text: { total: 400_000, each: 200_000, reserve: 60_000 } };
    const text = 'x'.repeat(60_000);
    const add = (call: Call, vm: string, key: string) => failure(call('VM.add_to_other_config', vm, key, text));
    const own = ['OPERATION_NOT_ALLOWED', 'the records of one user have at most 200000 characters: remove some'];
    const all = ['OPERATION_NOT_ALLOWED', 'all records have at most 340000 characters (60000 more are kept for root): remove some'];
    await started(few);
    // Its maker is not who adds to it.
    const vm = (await (await as('b'))('VM.create', vmRecord('vm'))) as string;
    for (const key of ['1', '2', '3']) expect(await add(await as('a'), vm, key)).toEqual(['success']);
    expect(await add(await as('a'), vm, '4')).toEqual(own);
    await started(few);
    expect(await add(await as('a'), vm, '4')).toEqual(own);
    let answer = await add(await as('b'), vm, 'b0');
    for (let key = 1; answer[0] === 'success' && key < 9; key++) answer = await add(await as('b'), vm, `b${key}`);
    expect(answer).toEqual(all);
    await started(few);
    expect(await add(await as('c'), vm, 'c')).toEqual(all);
    expect(await add(await as('root'), vm, 'root')).toEqual(['success']);
    await (await as('a'))('VM.remove_from_other_config', vm, '1');
    await (await as('b'))('VM.remove_from_other_config', vm, 'b0');
    expect(await add(await as('a'), vm, '1')).toEqual(['success']);
  });

  it('is not to be seen in any record', async () => {
    const { database } = await started(RECORD_SHARES);
    const vm = (await (await as('a'))('VM.create', vmRecord('vm'))) as string;
    const before = database.get('VM', vm);
    const { database: next } = await started(RECORD_SHARES);
    expect(Object.keys(next.get('VM', vm))).toEqual(Object.keys(before));
  });

  it("keeps the tasks that ended before a restart their owner's: nobody pushes out another one's", async () => {
    const { dispatcher } = await started(RECORD_SHARES);
    const root = await as('root');
    const tasks: Wire[] = [];
    for (let index = 0; index < 10; index++) tasks.push(await root('Async.VM.create', vmRecord('vm')));
    await dispatcher.idle();
    for (let turn = 0; turn < 2; turn++) {
      const greedy = await as('a');
      for (let index = 0; index < 300; index++) await greedy('task.create', 't', '');
      await started(RECORD_SHARES);
    }
    for (const task of tasks) expect(await (await as('root'))('task.get_status', task)).toBe('success');
  });
});
