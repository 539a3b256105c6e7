// What clients read of each object, and how the C# layer of XenCenter logs in. The table of fields
// is in docs/xapi.md, with its source.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { GIB } from '../../src/base/units.js';
import { CLASSES } from '../../src/xapi/model/schema.js';
import { isStruct, type Wire, WireDate, WireFloat, type WireStruct } from '../../src/xapi/wire/values.js';
import { type TestDaemon, testDaemon, testFront, vmRecord } from '../support/daemon.js';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

interface Row {
  readonly type: string;
  readonly kind: string;
  readonly fields: readonly string[];
}

function contract(): Row[] {
  const text = readFileSync(fileURLToPath(new URL('../../docs/xapi.md', import.meta.url)), 'utf8');
  const table = text.slice(text.indexOf('<!-- xo-contract -->'), text.indexOf('<!-- /xo-contract -->'));
  return [...table.matchAll(/^\| `(\w+)` \| (\w+) \| (.*) \|$/gm)].map((row) => ({
    type: row[1]!,
    kind: row[2]!,
    fields: [...row[3]!.matchAll(/`([\w.]+)`/g)].map((field) => field[1]!),
  }));
}

/** A host with objects of every class in the table: VMs that run and rest, a template. */
async function furnished(): Promise<TestDaemon> {
  const daemon = await testDaemon();
  ends.push(() => daemon.close());
  const { call } = daemon;
  const sr = await call('pool.get_default_SR', daemon.objects.pool);
  const [network] = (await call('network.get_all')) as string[];
  const vm = (await call('VM.create', vmRecord('a'))) as string;
  const vdi = (await call('VDI.create', { name_label: 'd', SR: sr, virtual_size: GIB, type: 'user' })) as string;
  await call('VBD.create', { VM: vm, VDI: vdi, userdevice: '0', mode: 'RW', type: 'Disk', empty: false });
  await call('VIF.create', { VM: vm, network: network!, device: '0', MAC: '', MTU: 1500 });
  await call('Async.VM.start', vm, false, false);
  await daemon.dispatcher.idle();
  await call('VM.snapshot', vm, 'snapshot');
  return daemon;
}

const KINDS: Readonly<Record<string, (value: Wire) => boolean>> = {
  string: (value) => typeof value === 'string',
  bool: (value) => typeof value === 'boolean',
  int: (value) => typeof value === 'number',
  float: (value) => value instanceof WireFloat,
  date: (value) => value instanceof WireDate,
  map: (value) => isStruct(value),
  set: (value) => Array.isArray(value),
};

describe("Xen Orchestra's converters", () => {
  it('find each field that they read, of the type that they expect, in each object', async () => {
    const daemon = await furnished();
    const { published } = daemon.database;
    const every = [...CLASSES.keys()].flatMap((type) => published.refs(type).map((ref) => `${type} ${ref}`));
    const isRef = (value: Wire) => value === 'OpaqueRef:NULL' || every.some((one) => one.endsWith(` ${String(value)}`));
    const rows = contract();
    expect(rows.length).toBeGreaterThan(50);
    for (const { type, kind, fields } of rows) {
      const records = Object.values((await daemon.call(`${type}.get_all_records`)) as Record<string, WireStruct>);
      expect(records.length, type).toBeGreaterThan(0);
      for (const record of records) {
        for (const field of fields) {
          const [name, key] = field.split('.') as [string, string | undefined];
          const value = key === undefined ? record[name] : (record[name] as WireStruct)[key];
          const fits = value !== undefined && (kind === 'ref' ? isRef(value) : KINDS[kind === 'key' ? 'string' : kind]!(value));
          expect([type, field, kind, fits]).toEqual([type, field, kind, true]);
        }
      }
    }
  });

  it('see a host that runs, its memory and its VMs', async () => {
    const daemon = await furnished();
    const host = (await daemon.call('host.get_record', daemon.objects.host)) as WireStruct;
    const metrics = (await daemon.call('host_metrics.get_record', host.metrics!)) as WireStruct;
    expect(metrics.live).toBe(true);
    expect(metrics.memory_total).toBeGreaterThanOrEqual(64 * GIB);
    expect(Number((host.other_config as WireStruct).boot_time)).toBeGreaterThan(0);
    expect(Object.keys(host.software_version as WireStruct).filter((key) => key.includes(':'))).toEqual([]);
    expect(host.resident_VMs).toHaveLength(2);
  });
});

describe("the login of XenCenter's C# layer", () => {
  it('over JSON-RPC 2.0: version, session, roles, then every class and events', async () => {
    const daemon = await testDaemon();
    const front = await testFront(daemon);
    ends.push(
      () => daemon.close(),
      () => front.close(),
    );
    let id = 0;
    const call = async (method: string, ...params: unknown[]): Promise<unknown> => {
      const body = JSON.stringify({ jsonrpc: '2.0', method, params, id: ++id });
      const headers = { 'content-type': 'application/json-rpc', accept: 'application/json-rpc' };
      const answer = await fetch(`http://127.0.0.1:${front.port}/jsonrpc`, { method: 'POST', body, headers });
      const { result, error, jsonrpc, id: same } = (await answer.json()) as Record<string, unknown>;
      expect([method, jsonrpc, same, error]).toEqual([method, '2.0', id, undefined]);
      return result;
    };
    const session = (await call('session.login_with_password', 'root', 'x', '2.21', 'XenCenter')) as string;
    const pools = (await call('pool.get_all_records', session)) as Record<string, { master: string }>;
    const { master } = Object.values(pools)[0]!;
    expect(await call('host.get_record', session, master)).toMatchObject({ API_version_major: 2, API_version_minor: 21 });
    expect(await call('session.get_is_local_superuser', session, session)).toBe(true);
    expect(await call('session.get_subject', session, session)).toBe('OpaqueRef:NULL');
    expect(await call('session.get_auth_user_sid', session, session)).toBe('');
    expect(await call('session.get_rbac_permissions', session, session)).toEqual([]);
    expect(Object.keys((await call('role.get_all_records', session)) as object).length).toBeGreaterThan(0);
    expect(await call('session.get_uuid', session, session)).toMatch(/^[0-9a-f-]{36}$/);
    const classes = ['session', 'pool', 'vm', 'host', 'sr', 'pbd', 'vbd', 'vdi', 'network', 'pif', 'task', 'console'];
    const first = (await call('event.from', session, classes, '', 0)) as { events: { class: string }[]; token: string };
    expect(new Set(first.events.map((event) => event.class))).toEqual(
      new Set(['pool', 'vm', 'host', 'sr', 'pbd', 'vdi', 'network', 'pif', 'console']),
    );
    const next = (await call('event.from', session, classes, first.token, 0.01)) as { events: unknown[] };
    expect(next.events).toEqual([]);
    expect(await call('session.logout', session)).toBe('');
  });
});
