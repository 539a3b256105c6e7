// Every field that can be set, fuzzed: a value that is set is read back, by either protocol and
// from the state folder at the next start; a value of the wrong type changes nothing. And randomly
// damaged calls of both protocols: each is a call or malformed, never a fault.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { cases } from '../../../test/support/cases.js';
import { type TestDaemon, testDaemon, vmRecord } from '../../../test/support/daemon.js';
import { decodeJsonRpc, wireToJson } from '../wire/json-rpc.js';
import { checkValue, type FieldType } from '../wire/types.js';
import { MalformedCall, newStruct, type RpcCall, WIRE_LIMITS, type Wire, WireDate, WireFloat, type WireStruct } from '../wire/values.js';
import { decodeXmlRpc, wireToXml } from '../wire/xml-rpc.js';
import { CLASSES } from './schema.js';
import type { FieldDef } from './schema-types.js';

const seed = 20261125;
const folder = mkdtempSync(join(tmpdir(), 'xennuma-fields-'));
afterAll(() => rmSync(folder, { recursive: true }));

const text = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 12 }), fc.string({ unit: 'binary', maxLength: 6 }));
const key = fc.oneof(fc.constantFrom('mask', '__proto__', 'constructor', 'a b'), fc.string({ unit: 'grapheme-ascii', maxLength: 8 }));

/** Any value of a type. */
function arbitraryOf(type: FieldType): fc.Arbitrary<Wire> {
  if (typeof type !== 'string') {
    if ('enum' in type) return fc.constantFrom(...type.enum);
    if ('ref' in type) return fc.uuid().map((uuid) => `OpaqueRef:${uuid}`);
    if ('set' in type) return fc.array(arbitraryOf(type.set), { maxLength: 4 });
    return fc.array(fc.tuple(key, arbitraryOf(type.map)), { maxLength: 4 }).map((entries) => {
      const map = newStruct();
      for (const [name, value] of entries) map[name] = value;
      return map;
    });
  }
  switch (type) {
    case 'string':
      return text;
    case 'int':
      return fc.maxSafeInteger().map((value) => (value === 0 ? 0 : value));
    case 'float':
      return fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => new WireFloat(value === 0 ? 0 : value));
    case 'bool':
      return fc.boolean();
    case 'datetime':
      return fc.integer({ min: 0, max: 4_102_444_800 }).map((seconds) => WireDate.at(seconds * 1000));
    case 'record':
      return arbitraryOf({ map: 'string' });
    default:
      throw new Error(`no values of ${type satisfies never}`);
  }
}

/** Values of no type at all, and of many. */
const anything: fc.Arbitrary<Wire> = fc.oneof(
  text,
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => new WireFloat(value)),
  fc.constant(new WireDate('yesterday')),
  fc.array(fc.oneof(text, fc.integer()), { maxLength: 3 }),
  fc.dictionary(key, fc.oneof(text, fc.integer(), fc.constant(null)), { maxKeys: 3 }),
);

/** As a value arrives that was sent by one of the protocols. */
const throughJson = (value: Wire) => decodeJsonRpc(`{"method":"a","params":[${wireToJson(value)}],"id":1}`).params[0]!;
const throughXml = (value: Wire) =>
  decodeXmlRpc(`<methodCall><methodName>a</methodName><params><param>${wireToXml(value)}</param></params></methodCall>`).params[0]!;

interface Target {
  readonly type: string;
  readonly name: string;
  readonly field: FieldDef;
  readonly ref: string;
}

/** An object of each class that can have one, and its fields that can be set. */
async function targets(daemon: TestDaemon): Promise<Target[]> {
  const vm = (await daemon.call('VM.create', vmRecord('a'))) as string;
  const known = new Map<string, string>([
    ['VM', vm],
    ['task', (await daemon.call('task.create', 'a', '')) as string],
    ['VM_metrics', (await daemon.call('VM.get_metrics', vm)) as string],
  ]);
  for (const type of ['host', 'pool', 'host_cpu', 'host_metrics']) {
    known.set(type, ((await daemon.call(`${type}.get_all`)) as string[])[0]!);
  }
  return [...known].flatMap(([type, ref]) =>
    Object.entries(CLASSES.get(type)!.fields).flatMap(([name, field]) => (field.access === 'rw' ? [{ type, name, field, ref }] : [])),
  );
}

const failure = async (promise: Promise<Wire>): Promise<string> => {
  try {
    await promise;
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
  return 'success';
};

/**
 * xapi writes when it and its host started into host.other_config at each of its own starts
 * (ocaml/xapi/dbsync_slave.ml 129-135 at v26.1.19).
 */
function withoutStartTimes(value: unknown, type: string, name: string): unknown {
  if (type !== 'host' || name !== 'other_config') return value;
  const { boot_time: _boot, agent_start_time: _agent, ...rest } = value as Record<string, unknown>;
  return rest;
}

/** xapi, too, looks at them at each start (dbsync_slave.ml, refresh_localhost_info). */
const isRenewed = ({ type, name }: Target) => type === 'host' && (name === 'hostname' || name === 'address');

describe('every field that can be set', () => {
  it('is read as it was set, by JSON and by XML, and by the next process', { timeout: 240_000 }, async () => {
    const state = join(folder, 'state');
    const daemon = await testDaemon({ state });
    const all = await targets(daemon);
    expect(all.length).toBeGreaterThan(40);
    const written: [Target, string][] = [];
    try {
      for (const target of all) {
        const { type, name, field, ref } = target;
        await fc.assert(
          fc.asyncProperty(arbitraryOf(field.type), async (value) => {
            for (const sent of [throughJson(value), throughXml(value)]) {
              await daemon.call(`${type}.set_${name}`, ref, sent);
              const read = await daemon.call(`${type}.get_${name}`, ref);
              expect(wireToJson(read)).toBe(wireToJson(checkValue(field.type, sent, name)));
              // A client reads it back as it was sent.
              expect(wireToXml(throughXml(read))).toBe(wireToXml(read));
            }
          }),
          { seed, numRuns: cases(15, 100) },
        );
        const value = wireToJson(await daemon.call(`${type}.get_${name}`, ref));
        if (CLASSES.get(type)!.stored && !isRenewed(target)) written.push([target, value]);
      }
    } finally {
      await daemon.close();
    }
    const next = await testDaemon({ state });
    try {
      for (const [{ type, name, ref }, value] of written) {
        const read = withoutStartTimes(JSON.parse(wireToJson(await next.call(`${type}.get_${name}`, ref))), type, name);
        expect([type, name, read]).toEqual([type, name, withoutStartTimes(JSON.parse(value), type, name)]);
      }
    } finally {
      await next.close();
    }
  });

  it('takes nothing that is not of its type, and is then as it was', { timeout: 240_000 }, async () => {
    const daemon = await testDaemon();
    try {
      for (const { type, name, field, ref } of await targets(daemon)) {
        await fc.assert(
          fc.asyncProperty(anything, async (value) => {
            const before = wireToJson(await daemon.call(`${type}.get_${name}`, ref));
            const code = await failure(daemon.call(`${type}.set_${name}`, ref, value));
            const after = wireToJson(await daemon.call(`${type}.get_${name}`, ref));
            if (code === 'success') expect(after).toBe(wireToJson(checkValue(field.type, value, name)));
            else {
              expect(['FIELD_TYPE_ERROR', 'VALUE_NOT_SUPPORTED', 'HANDLE_INVALID']).toContain(code);
              expect(after).toBe(before);
            }
          }),
          { seed, numRuns: 100 },
        );
      }
    } finally {
      await daemon.close();
    }
  });

  it('VM.create takes any fields of their types, and refuses any other, leaving nothing', { timeout: 240_000 }, async () => {
    const daemon = await testDaemon();
    const fields = CLASSES.get('VM')!.fields;
    const names = Object.keys(fields);
    const some = fc.uniqueArray(fc.constantFrom(...names), { maxLength: 5 });
    try {
      await fc.assert(
        fc.asyncProperty(some, fc.infiniteStream(anything), async (chosen, values) => {
          const record: Record<string, Wire> = { ...vmRecord('a') };
          for (const name of chosen) record[name] = values.next().value!;
          const before = (await daemon.call('VM.get_all')) as string[];
          const code = await failure(daemon.call('VM.create', record));
          const after = (await daemon.call('VM.get_all')) as string[];
          if (code !== 'success') {
            expect(code).toMatch(/^(FIELD_TYPE_ERROR|VALUE_NOT_SUPPORTED|HANDLE_INVALID|MEMORY_CONSTRAINT_VIOLATION_ORDER)$/);
            expect(after).toEqual(before);
            return;
          }
          const [created] = after.filter((ref) => !before.includes(ref)) as [string];
          const found = (await daemon.call('VM.get_record', created)) as WireStruct;
          expect(Object.keys(found)).toEqual(names);
          for (const name of chosen) {
            // What the server alone may say is not the caller's.
            const wanted = fields[name]!.access === 'ro' ? null : wireToJson(checkValue(fields[name]!.type, record[name]!, name));
            if (wanted !== null) expect([name, wireToJson(found[name]!)]).toEqual([name, wanted]);
          }
          await daemon.call('VM.destroy', created);
        }),
        { seed, numRuns: 500 },
      );
    } finally {
      await daemon.close();
    }
  });
});

describe('damaged calls', () => {
  const args: Wire = ['OpaqueRef:a', { mask: '1,2', weight: '256' }, [1, true, new WireFloat(0.5), new WireDate('20261125T00:00:00Z')], ''];
  const jsonCall = `{"jsonrpc":"2.0","id":1,"method":"VM.set_VCPUs_params","params":${wireToJson(args)}}`;
  const xmlCall = `<?xml version="1.0"?><methodCall><methodName>VM.set_VCPUs_params</methodName><params>${(args as Wire[])
    .map((one) => `<param>${wireToXml(one)}</param>`)
    .join('')}</params></methodCall>`;

  interface Damage {
    readonly at: number;
    readonly length: number;
    readonly to: number;
    readonly kind: 'cut' | 'twice' | 'move' | 'swap' | 'byte';
    readonly byte: string;
  }
  const damage: fc.Arbitrary<Damage> = fc.record({
    at: fc.nat(600),
    length: fc.nat(40),
    to: fc.nat(600),
    kind: fc.constantFrom('cut', 'twice', 'move', 'swap', 'byte'),
    byte: fc.constantFrom('<', '>', '&', '"', '\\', '{', '}', '[', ']', ',', '\u0000', '\ud800', '9', 'e', '-', ' ', '\uffff'),
  });
  const damaged = (body: string, { at, length, to, kind, byte }: Damage): string => {
    const piece = body.slice(at, at + length);
    const without = body.slice(0, at) + body.slice(at + length);
    if (kind === 'cut') return without;
    if (kind === 'twice') return body.slice(0, at) + piece + piece + body.slice(at + length);
    if (kind === 'move') return without.slice(0, to) + piece + without.slice(to);
    if (kind === 'swap') return body.slice(at) + body.slice(0, at);
    return body.slice(0, at) + byte + body.slice(at + 1);
  };
  const depthOf = (value: Wire): number =>
    typeof value !== 'object' || value === null || value instanceof WireFloat || value instanceof WireDate
      ? 1
      : 1 + Math.max(0, ...Object.values(value as WireStruct).map(depthOf));

  it.each([
    ['JSON', jsonCall, decodeJsonRpc],
    ['XML', xmlCall, decodeXmlRpc],
  ] as [string, string, (body: string) => RpcCall][])('of %s are calls within the bounds, or malformed', (_name, body, decode) => {
    expect(decode(body).params).toHaveLength(4);
    fc.assert(
      fc.property(fc.array(damage, { minLength: 1, maxLength: 4 }), (wounds) => {
        let call: RpcCall;
        try {
          call = decode(wounds.reduce(damaged, body));
        } catch (error) {
          if (!(error instanceof MalformedCall)) throw error;
          return;
        }
        expect(typeof call.method).toBe('string');
        expect(Math.max(0, ...call.params.map(depthOf))).toBeLessThanOrEqual(WIRE_LIMITS.depth + 1);
        // What came in can go out.
        for (const param of call.params) {
          JSON.parse(wireToJson(param));
          wireToXml(param);
        }
      }),
      { seed, numRuns: 5000 },
    );
  });
});
