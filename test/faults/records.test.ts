// Records without end: every message that makes a record is found in the table of messages. One
// administrator makes as many as there is room for, and another one still can.
import { afterEach, describe, expect, it } from 'vitest';
import { parseUsers } from '../../src/xapi/calls/users.js';
import { DATAMODEL } from '../../src/xapi/model/datamodel.js';
import { BOUND_TO_OTHERS, MAX_RECORD_TEXT, RECORD_SHARES, type RecordShares } from '../../src/xapi/model/record-bounds.js';
import { CLASSES } from '../../src/xapi/model/schema.js';
import type { FieldType } from '../../src/xapi/wire/types.js';
import { type Wire, WireDate, WireFloat } from '../../src/xapi/wire/values.js';
import { cheapUser } from '../support/cheap-user.js';
import { failure, type TestDaemon, testDaemon, vmRecord } from '../support/daemon.js';
import { type Call, MAKERS, place } from '../support/record-makers.js';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const USERS = parseUsers(`${cheapUser('root', 'admin', 'a')}\n${cheapUser('other', 'admin', 'b')}\n`, 'users');
/** Those made in between by the host itself count too. */
const FEW = { total: 60, each: 12, reserve: 8 };
const SHARES = { VM: FEW, VDI: FEW, VBD: FEW, VIF: FEW, PBD: FEW, others: FEW, text: { total: 400_000, each: 300_000, reserve: 10_000 } };

interface Two {
  readonly daemon: TestDaemon;
  readonly greedy: Call;
  readonly other: Call;
}

async function two(records: RecordShares = SHARES): Promise<Two> {
  const daemon = await testDaemon({ users: () => USERS, records });
  ends.push(() => daemon.close());
  const never = new AbortController().signal;
  const as = async (user: string, password: string): Promise<Call> => {
    const login = { method: 'session.login_with_password', params: [user, password] };
    const session = await daemon.dispatcher.call(login, '127.0.0.1', never);
    return (method, ...params) => daemon.dispatcher.call({ method, params: [session, ...params] }, '127.0.0.1', never);
  };
  return { daemon, greedy: await as('root', 'a'), other: await as('other', 'b') };
}

/** The oldest ended task goes. */
const OWN_BOUND = ['task.create'];
const NO_CHANGE = /^(?:Async\.|system\.|session\.|event\.)|\.get_/;

describe('one administrator', { timeout: 60_000 }, () => {
  it.each(Object.keys(MAKERS))('with %s until it is refused leaves the others room', async (name) => {
    const { daemon, greedy, other } = await two();
    const [type] = name.split('.') as [string];
    const own = await place(greedy);
    const theirs = await place(other);
    let made = 0;
    let refusal: readonly string[] = [];
    for (; made < 100 && refusal[0] === undefined; made++) {
      const answer = await failure(MAKERS[name]!(own, made));
      if (answer[0] !== 'success') refusal = answer;
    }
    expect(refusal[0], `${made} made`).toBe('OPERATION_NOT_ALLOWED');
    expect(refusal[1]).toMatch(/^no more than 12 records of class \w+ made by one user: destroy some$/);
    expect(made).toBeLessThanOrEqual(FEW.each + 1);
    expect(await failure(MAKERS[name]!(theirs, 99))).toEqual(['success']);
    // What is destroyed makes room again.
    if (type === 'VM') {
      if (name === 'VM.checkpoint') await greedy('VM.hard_shutdown', own.vm);
      await greedy('VM.destroy', own.vm);
      expect(await failure(greedy('VM.create', vmRecord('again')))).toEqual(['success']);
    }
    expect(await failure(daemon.database.flushed())).toEqual(['success']);
  });

  it('makes no record by any other message', async () => {
    const { daemon, greedy } = await two(RECORD_SHARES);
    const list = { method: 'system.listMethods', params: [] };
    const names = (await daemon.dispatcher.call(list, '127.0.0.1', new AbortController().signal)) as string[];
    const others = names.filter((name) => !NO_CHANGE.test(name) && MAKERS[name] === undefined && !OWN_BOUND.includes(name));
    const types = [...CLASSES.keys()].filter((type) => !BOUND_TO_OTHERS.has(type));
    const count = () => types.reduce((sum, type) => sum + daemon.database.count(type), 0);
    for (const name of others) {
      const [type, message] = name.split('.') as [string, string];
      const params = DATAMODEL.get(type)?.messages.get(message)?.params ?? [];
      const { vm, host, sr, vdi, network } = await place(greedy);
      const known: Readonly<Record<string, string>> = { VM: vm, host, SR: sr, VDI: vdi, network };
      const before = count();
      for (let turn = 0; turn < 3; turn++) await failure(greedy(name, ...params.map((param) => sampleOf(param.type, known))));
      expect([name, Math.max(count(), before)]).toEqual([name, before]);
    }
  });

  it('cannot fill the memory with text: a record, a user and all together have a bound', async () => {
    const { greedy, other } = await two();
    const own = await place(greedy);
    const theirs = await place(other);
    const text = 'x'.repeat(60_000);
    const grow = async (call: Call, vm: string): Promise<number> => {
      for (let index = 0; ; index++) {
        const [code, reason] = await failure(call('VM.add_to_other_config', vm, `key${index}`, text));
        if (code === 'success') continue;
        expect([code, reason]).toEqual([
          'OPERATION_NOT_ALLOWED',
          expect.stringMatching(/characters( \(10000 more are kept for root\))?: remove some$/),
        ]);
        return index;
      }
    };
    // 300,000 of the 400,000; the host's own records take some of these.
    expect(await grow(greedy, own.vm)).toBe(4);
    expect(await grow(other, theirs.vm)).toBeGreaterThanOrEqual(1);
    // To the greedy one, although another one's record has it.
    expect((await failure(greedy('VM.add_to_other_config', theirs.vm, 'key', text)))[0]).toBe('OPERATION_NOT_ALLOWED');
    await greedy('VM.remove_from_other_config', own.vm, 'key0');
    await greedy('VM.add_tags', theirs.vm, text);
    await other('VM.destroy', theirs.vm);
    await greedy('VM.add_to_other_config', own.vm, 'key0', text);
  });

  it('cannot make one record larger than an answer can be', async () => {
    const { greedy } = await two({ ...SHARES, text: RECORD_SHARES.text });
    const { vm } = await place(greedy);
    const text = 'x'.repeat(65_000);
    const whole = Math.floor(MAX_RECORD_TEXT / text.length);
    for (let index = 0; index < whole; index++) await greedy('VM.add_tags', vm, `${index}${text}`);
    expect(await failure(greedy('VM.add_tags', vm, `more${text}`))).toEqual([
      'OPERATION_NOT_ALLOWED',
      expect.stringMatching(/^a record has at most 1048576 characters/),
    ]);
    await greedy('VM.remove_tags', vm, `0${text}`);
    await greedy('VM.add_tags', vm, `more${text}`);
  });
});

/** A value of a type, that leads to something where it can. */
function sampleOf(type: FieldType, known: Readonly<Record<string, string>>): Wire {
  if (typeof type !== 'string') {
    if ('ref' in type) return known[type.ref] ?? 'OpaqueRef:NULL';
    if ('enum' in type) return type.enum[0]!;
    return 'set' in type ? [] : {};
  }
  const plain: Readonly<Record<string, Wire>> = { int: 1, bool: false, float: new WireFloat(1), datetime: WireDate.at(0), record: {} };
  return plain[type] ?? 'x';
}
