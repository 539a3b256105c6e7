// Every message of the data model against the data model: the number of its parameters, their
// types, its session, its role and its Async form; and every field of every object.
import { scryptSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { failure, type TestDaemon, testDaemon, vmRecord } from '../../test/support/daemon.js';
import { parseUsers } from './calls/users.js';
import { DATAMODEL, type ModelMessage } from './model/datamodel.js';
import { CLASSES } from './model/schema.js';
import type { FieldType } from './wire/types.js';
import { isStruct, type Wire, WireDate, WireFloat, type WireStruct } from './wire/values.js';

interface Message extends ModelMessage {
  readonly type: string;
  readonly name: string;
  readonly full: string;
}

const MESSAGES: readonly Message[] = [...DATAMODEL.values()].flatMap(({ name: type, messages }) =>
  [...messages].map(([name, message]) => ({ ...message, type, name, full: `${type}.${name}` })),
);
const LOGINS = ['session.login_with_password', 'session.slave_local_login_with_password'];
const SESSION_MESSAGES = MESSAGES.filter(({ full }) => !LOGINS.includes(full));
const NOBODY = 'OpaqueRef:0d3f2b1a-0000-4000-8000-000000000001';

/** Parameters of a message that follows from its class. */
function paramsOf({
  params,
  type,
  name,
}: Message): readonly { readonly name: string; readonly type: FieldType; readonly initial?: Wire }[] {
  if (params !== null) return params;
  const self = { name: 'self', type: { ref: type } };
  const { fields } = DATAMODEL.get(type)!;
  if (/^get_all(_records)?$/.test(name)) return [];
  if (/^get_all(_records)?_where$/.test(name)) return [{ name: 'expr', type: 'string' }];
  if (/^get_by_uuid$/.test(name)) return [{ name: 'uuid', type: 'string' }];
  if (/^get_by_name_label$/.test(name)) return [{ name: 'label', type: 'string' }];
  if (name === 'create') return [{ name: 'args', type: 'record' }];
  const of = (prefix: string): FieldType => fields[name.slice(prefix.length)]!.type;
  if (name.startsWith('set_')) return [self, { name: 'value', type: of('set_') }];
  if (name.startsWith('add_to_')) {
    const map = of('add_to_') as { map: FieldType };
    return [self, { name: 'key', type: 'string' }, { name: 'value', type: map.map }];
  }
  if (name.startsWith('remove_from_')) return [self, { name: 'key', type: 'string' }];
  if (name.startsWith('add_') || name.startsWith('remove_'))
    return [self, { name: 'value', type: (of(name.startsWith('add_') ? 'add_' : 'remove_') as { set: FieldType }).set }];
  return [self];
}

/** A value of a type. References lead nowhere. */
function example(type: FieldType): Wire {
  if (typeof type !== 'string') {
    if ('enum' in type) return type.enum[0]!;
    if ('ref' in type) return NOBODY;
    return 'set' in type ? [] : {};
  }
  return { string: '', int: 1, float: new WireFloat(1), bool: false, datetime: new WireDate('20260101T00:00:00Z'), record: {} }[type];
}

/** No value of the type, in XML-RPC or in JSON. */
const wrong = (type: FieldType): Wire =>
  type === 'string' || (typeof type === 'object' && ('enum' in type || 'ref' in type)) ? false : 'no';

function fits(type: FieldType, value: Wire): boolean {
  if (typeof type !== 'string') {
    if ('enum' in type) return type.enum.includes(value as string);
    if ('ref' in type) return /^OpaqueRef:/.test(String(value));
    if ('set' in type) return Array.isArray(value) && value.every((one) => fits(type.set, one as Wire));
    return isStruct(value) && Object.values(value).every((one) => fits(type.map, one));
  }
  if (type === 'int') return Number.isSafeInteger(value);
  if (type === 'float') return value instanceof WireFloat;
  if (type === 'bool') return typeof value === 'boolean';
  if (type === 'datetime') return value instanceof WireDate;
  return type === 'record' ? isStruct(value) : typeof value === 'string';
}

let daemon: TestDaemon;
let reader: string;
const raw = (method: string, ...params: Wire[]) => daemon.dispatcher.call({ method, params }, '127.0.0.1', new AbortController().signal);
const answer = (method: string, ...params: Wire[]) => failure(raw(method, ...params));

function line(name: string, role: string): string {
  const salt = Buffer.alloc(16);
  return `${name}:${role}:scrypt:2:1:1:${salt.toString('base64')}:${scryptSync('pw', salt, 32, { N: 2, r: 1, p: 1 }).toString('base64')}`;
}
let root: string;
beforeAll(async () => {
  const users = parseUsers([line('root', 'admin'), line('eye', 'read-only')].join('\n'), 'users');
  daemon = await testDaemon({ users: () => users });
  root = (await raw('session.login_with_password', 'root', 'pw')) as string;
  reader = (await raw('session.login_with_password', 'eye', 'pw')) as string;
});
afterAll(() => daemon.close());

/** Names of messages, with what is not as expected. */
async function differences(
  all: readonly Message[],
  check: (message: Message) => Promise<readonly [unknown, unknown] | null>,
): Promise<unknown[]> {
  const found: unknown[] = [];
  for (const message of all) {
    const pair = await check(message);
    if (pair !== null && JSON.stringify(pair[0]) !== JSON.stringify(pair[1]))
      found.push(`${message.full}: ${JSON.stringify(pair[0])}, expected ${JSON.stringify(pair[1])}`);
  }
  return found;
}

describe('every message of the data model', () => {
  it('is listed', async () => {
    const names = new Set((await raw('system.listMethods')) as string[]);
    expect(MESSAGES.map(({ full }) => full).filter((full) => !names.has(full))).toEqual([]);
  });

  it('has an Async form where xapi has one, and a fault elsewhere', async () => {
    const names = new Set((await raw('system.listMethods')) as string[]);
    const async = MESSAGES.filter(({ full }) => names.has(`Async.${full}`)).map(({ full }) => full);
    expect(async).toEqual(MESSAGES.filter((one) => one.async && !LOGINS.includes(one.full)).map(({ full }) => full));
    expect(await answer('Async.VM.get_record', root, NOBODY)).toEqual(['Fault', 'No async mode for this operation (rpc: VM.get_record)']);
  });

  it('counts the parameters that may not be left out', async () => {
    expect(
      await differences(SESSION_MESSAGES, async (message) => {
        const params = paramsOf(message);
        const least = params.filter(({ initial }) => initial === undefined).length;
        const mismatch = (received: number) => ['MESSAGE_PARAMETER_COUNT_MISMATCH', message.full, String(least), String(received)];
        const none = await answer(message.full);
        // Beyond those that may be left out everything is ignored.
        const more =
          least === params.length
            ? await answer(message.full, root, ...params.map(({ type }) => example(type)), '')
            : mismatch(params.length + 1);
        return [
          [none, more],
          [mismatch(-1), mismatch(params.length + 1)],
        ];
      }),
    ).toEqual([]);
  });

  it('takes no session that is not there, and no caller without the right', async () => {
    expect(
      await differences(SESSION_MESSAGES, async (message) => {
        const args = paramsOf(message).map(({ type }) => example(type));
        const stranger = await answer(message.full, NOBODY, ...args);
        // Its caller may end or examine its own session.
        const mayRead = message.role === 'read-only' || message.type === 'session';
        const denied = mayRead ? 'RBAC_PERMISSION_DENIED' : (await answer(message.full, reader, ...args))[0];
        return [
          [stranger, denied],
          [['SESSION_INVALID', NOBODY], 'RBAC_PERMISSION_DENIED'],
        ];
      }),
    ).toEqual([]);
  });

  it('takes no value of another type', async () => {
    expect(
      await differences(SESSION_MESSAGES, async (message) => {
        const params = paramsOf(message);
        const answers: unknown[] = [];
        for (const [index, { type }] of params.entries()) {
          const args = params.map((param, at) => (at === index ? wrong(type) : example(param.type)));
          const [code] = await answer(message.full, root, ...args);
          // Whatever else is wrong: a constructor's record has fields of its own.
          answers.push(code === 'FIELD_TYPE_ERROR');
        }
        return [answers, params.map(() => true)];
      }),
    ).toEqual([]);
  });

  it('on an object that is not there names its class and the reference', async () => {
    expect(
      await differences(SESSION_MESSAGES, async (message) => {
        const params = paramsOf(message);
        const first = params[0]?.type;
        if (message.removed || typeof first !== 'object' || !('ref' in first)) return null;
        return [await answer(message.full, root, ...params.map(({ type }) => example(type))), ['HANDLE_INVALID', first.ref, NOBODY]];
      }),
    ).toEqual([]);
  });

  it('that was removed says so', async () => {
    const removed = SESSION_MESSAGES.filter((one) => one.removed);
    expect(removed.length).toBeGreaterThan(80);
    expect(
      await differences(removed, async (message) => [
        await answer(message.full, root, ...paramsOf(message).map(({ type }) => example(type))),
        ['MESSAGE_REMOVED'],
      ]),
    ).toEqual([]);
  });
});

describe('every field', () => {
  it('of every object has a value of its type', async () => {
    await raw('VM.create', root, vmRecord('a'));
    const found: string[] = [];
    for (const { name, fields, messages } of DATAMODEL.values()) {
      if (!messages.has('get_all_records') || messages.get('get_all_records')!.removed) continue;
      const records = (await raw(`${name}.get_all_records`, root)) as Readonly<Record<string, WireStruct>>;
      for (const record of Object.values(records)) {
        const types = { ...fields, ...CLASSES.get(name)?.fields };
        for (const [field, value] of Object.entries(record)) {
          const type = fields[field]?.type ?? types[field]!.type;
          if (!fits(type, value)) found.push(`${name}.${field}: ${JSON.stringify(value)}`);
        }
      }
    }
    expect([...new Set(found)]).toEqual([]);
  });
});
