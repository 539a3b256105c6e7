// The first questions of real clients to any host: versions, roles, empty classes, and messages by
// their second names. Against a daemon in this process.
import { scryptSync } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { type TestDaemon, testDaemon, vmRecord } from '../../test/support/daemon.js';
import { PROFILES } from '../xenopsd/api/profiles.js';
import { profileOfHost } from '../xenopsd/api/releases.js';
import { parseUsers } from './calls/users.js';
import { DATAMODEL } from './model/datamodel.js';
import { parseCpuinfo, XAPI_BUILDS } from './model/host-facts.js';
import { CLASSES } from './model/schema.js';
import { wireToJson } from './wire/json-rpc.js';
import type { Wire, WireStruct } from './wire/values.js';
import { wireToXml } from './wire/xml-rpc.js';

const open: TestDaemon[] = [];
async function start(options: Parameters<typeof testDaemon>[0] = {}): Promise<TestDaemon> {
  const daemon = await testDaemon(options);
  open.push(daemon);
  return daemon;
}
afterEach(async () => {
  for (const daemon of open.splice(0)) await daemon.close();
});

const raw = (daemon: TestDaemon, method: string, ...params: Wire[]) =>
  daemon.dispatcher.call({ method, params }, '127.0.0.1', new AbortController().signal);
const failure = (promise: Promise<Wire>): Promise<unknown> =>
  promise.then(
    (answer) => answer,
    ({ code, params }: { code: string; params: string[] }) => [code, ...params],
  );

async function hostRecord(daemon: TestDaemon): Promise<WireStruct> {
  const records = (await daemon.call('host.get_all_records')) as WireStruct;
  return Object.values(records)[0] as WireStruct;
}

describe('the host', () => {
  it('has no key with a colon in software_version, which clients take for a supplemental pack', async () => {
    const version = (await hostRecord(await start())).software_version as Record<string, string>;
    expect(Object.keys(version).filter((key) => key.includes(':'))).toEqual([]);
    expect(Object.entries(version).filter(([, value]) => value === '')).toEqual([]);
    // What Xen Orchestra compares as a version.
    expect(version.platform_version).toMatch(/^\d+\.\d+\.\d+$/);
    expect(Object.keys(version)).toEqual(
      expect.arrayContaining(['product_version', 'build_number', 'xapi_build', 'xen', 'linux', 'hostname']),
    );
  });

  it.each(PROFILES)('as %s it tells a client which profile it acts as', async (profile) => {
    const daemon = await start({ profile });
    const version = (await hostRecord(daemon)).software_version as Record<string, string>;
    expect(profileOfHost(version, PROFILES)).toMatchObject({ profile, exact: true });
    // A client that knows of xapi alone comes to the same.
    const { xennuma_profile: _, ...others } = version;
    if (profile !== 'xl')
      expect(profileOfHost(others, PROFILES)).toMatchObject({ profile, exact: true, source: `xapi ${XAPI_BUILDS[profile]}` });
  });

  it('knows when it booted and what its CPUs and firmware are, and keeps what was set beside that', async () => {
    const beforeSeconds = Math.floor(Date.now() / 1000);
    const daemon = await start();
    const record = await hostRecord(daemon);
    const { boot_time, agent_start_time } = record.other_config as Record<string, string>;
    for (const time of [boot_time, agent_start_time]) {
      // As OCaml prints a float.
      expect(time).toMatch(/^\d+\.$/);
      expect(Number(time)).toBeGreaterThanOrEqual(beforeSeconds);
      expect(Number(time)).toBeLessThanOrEqual(Date.now() / 1000);
    }
    expect(record.bios_strings).toMatchObject({ 'bios-vendor': 'xennuma', 'system-manufacturer': 'xennuma' });
    const cpuInfo = record.cpu_info as Record<string, string>;
    const [cpu] = Object.values((await daemon.call('host_cpu.get_all_records')) as WireStruct) as WireStruct[];
    expect(cpuInfo.modelname).not.toBe('');
    expect(cpu).toMatchObject({ vendor: cpuInfo.vendor, modelname: cpuInfo.modelname, speed: Number(cpuInfo.speed) });
  });

  it("a real host's CPU is the first of /proc/cpuinfo", () => {
    const text =
      'processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85\nmodel name\t: Some CPU @ 2.10GHz\nstepping\t: 4\ncpu MHz\t\t: 2095.078\nflags\t\t: fpu vme de\n\nprocessor\t: 1\nvendor_id\t: Other\n';
    expect(parseCpuinfo(text)).toEqual({
      vendor: 'GenuineIntel',
      modelname: 'Some CPU @ 2.10GHz',
      family: '6',
      model: '85',
      stepping: '4',
      speed: '2095.078',
      flags: 'fpu vme de',
    });
  });
});

describe('messages', () => {
  it('have a second name with _ for the dot, sync and Async', async () => {
    const daemon = await start();
    const session = (await raw(daemon, 'session_login_with_password', 'root', '')) as string;
    expect(await raw(daemon, 'VM_get_all', session)).toContain(await daemon.call('host.get_control_domain', daemon.objects.host));
    expect(await raw(daemon, 'event_from', session, ['pool'], '', 0)).toMatchObject({
      events: [expect.objectContaining({ class: 'pool' })],
    });
    expect(await raw(daemon, 'host_cpu_get_all', session)).toEqual(await raw(daemon, 'host_cpu.get_all', session));
    // A task, as for Async.VM.start; the handle is looked at when the task runs.
    expect(await raw(daemon, 'Async.VM_start', session, 'OpaqueRef:none', false, false)).toMatch(/^OpaqueRef:/);
  });

  it('on objects that no host without storage has answer HANDLE_INVALID', async () => {
    const daemon = await start();
    const ref = 'OpaqueRef:6b1e0cc6-0000-4000-8000-000000000001';
    expect(await failure(daemon.call('SR.scan', ref))).toEqual(['HANDLE_INVALID', 'SR', ref]);
    expect(await failure(daemon.call('VDI.set_name_label', ref, 'x'))).toEqual(['HANDLE_INVALID', 'VDI', ref]);
    expect(await failure(daemon.call('user.get_short_name', ref))).toEqual(['HANDLE_INVALID', 'user', ref]);
    expect(await daemon.call('message.get_since', '19700101T00:00:00Z')).toEqual({});
    expect(await failure(daemon.call('message.get', 'VM', '', '19700101T00:00:00Z'))).toEqual(['UUID_INVALID']);
    expect(await failure(daemon.call('bond.create'))).toEqual(['MESSAGE_METHOD_UNKNOWN', 'bond.create']);
    // No such field: PIFs have no name in xapi.
    expect(await failure(daemon.call('PIF.get_name_label', ref))).toEqual(['MESSAGE_METHOD_UNKNOWN', 'PIF.get_name_label']);
    expect(await failure(daemon.call('PIF.get_MAC', ref))).toEqual(['HANDLE_INVALID', 'PIF', ref]);
  });

  it('each has its own second name, and it answers the same', async () => {
    const daemon = await start();
    const names = ((await raw(daemon, 'system.listMethods')) as string[]).filter((name) => !/^(system|Async)\./.test(name));
    const second = names.map((name) => name.replace('.', '_'));
    expect(new Set(second).size).toBe(names.length);
    // Without a session the call is known, and refused for its parameters.
    const codes = await Promise.all(second.map((name) => failure(raw(daemon, name))));
    expect(codes.filter((code) => (code as string[])[0] !== 'MESSAGE_PARAMETER_COUNT_MISMATCH')).toEqual([]);
  });

  it('of every class with objects list them, with no field that xapi does not have', async () => {
    const daemon = await start();
    // Younger than the data model: 24.19 and 26.2.
    const younger = ['VM.groups', 'VM_metrics.numa_optimised', 'VM_metrics.numa_nodes', 'VM_metrics.numa_node_memory'];
    for (const { name, fields, messages } of DATAMODEL.values()) {
      if (messages.get('get_all_records')?.removed !== false) continue;
      const records = Object.values((await daemon.call(`${name}.get_all_records`)) as Record<string, WireStruct>);
      expect(await daemon.call(`${name}.get_all`)).toHaveLength(records.length);
      // Of subjects there are none here, and they are no records of the database.
      if (records[0] === undefined && !CLASSES.has(name)) continue;
      const has = Object.keys(records[0] ?? CLASSES.get(name)!.fields).map((field) => `${name}.${field}`);
      const model = Object.keys(fields).map((field) => `${name}.${field}`);
      expect(has.filter((field) => !model.includes(field) && !younger.includes(field))).toEqual([]);
      expect(model.filter((field) => !has.includes(field))).toEqual([]);
    }
  });

  it('event.from * tells all objects that the classes list, once', async () => {
    const daemon = await start();
    await daemon.call('VM.create', vmRecord('a'));
    const { events } = (await daemon.call('event.from', ['*'], '', 0)) as { events: { class: string; ref: string }[] };
    const listed: string[] = [];
    for (const { name, messages } of DATAMODEL.values()) {
      // Roles and subjects are no records of a database, and have no events.
      if (messages.get('get_all')?.removed !== false || ['role', 'subject'].includes(name)) continue;
      listed.push(...((await daemon.call(`${name}.get_all`)) as string[]).map((ref) => `${name.toLowerCase()} ${ref}`));
    }
    expect(events.map((event) => `${event.class} ${event.ref}`).sort()).toEqual(listed.sort());
  });

  it('event.from counts the objects of every class', async () => {
    const daemon = await start();
    const answer = (await daemon.call('event.from', ['*'], '', 0)) as WireStruct;
    expect(JSON.parse(wireToJson(answer.valid_ref_counts!))).toMatchObject({
      host: 1,
      pool: 1,
      sr: 2,
      vdi: 1,
      vbd: 0,
      pvs_site: 0,
      observer: 0,
      vm_appliance: 0,
    });
    // Typed integers and texts, as in ocaml/xapi-types/event_types.ml of xen-api.
    const xml = wireToXml(answer);
    expect(xml).toContain('<name>host</name><value><i4>1</i4></value>');
    expect(xml).toContain('<name>timestamp</name><value>0.0</value>');
  });
});

describe('roles and subjects', () => {
  function line(name: string, role: 'admin' | 'read-only'): string {
    const salt = Buffer.alloc(16);
    return `${name}:${role}:scrypt:2:1:1:${salt.toString('base64')}:${scryptSync('pw', salt, 32, { N: 2, r: 1, p: 1 }).toString('base64')}`;
  }

  it('the static roles have the refs that they have on every host', async () => {
    const daemon = await start();
    // Documented in XenServer's and xapi's guides of RBAC.
    const admin = 'OpaqueRef:0165f154-ba3e-034e-6b27-5d271af109ba';
    expect(await daemon.call('role.get_by_name_label', 'pool-admin')).toEqual([admin]);
    expect(await daemon.call('role.get_record', admin)).toMatchObject({ name_label: 'pool-admin', is_internal: false });
    const [readOnly] = (await daemon.call('role.get_by_name_label', 'read-only')) as string[];
    const permissions = (await daemon.call('role.get_permissions_name_label', readOnly!)) as string[];
    expect(permissions).toContain('vm.get_record');
    expect(permissions).not.toContain('vm.start');
    const holders = (await daemon.call('role.get_by_permission_name_label', 'vm.start')) as string[];
    expect(await Promise.all(holders.map((ref) => daemon.call('role.get_name_label', ref)))).toEqual([
      'pool-admin',
      'pool-operator',
      'vm-power-admin',
      'vm-admin',
      'vm-operator',
    ]);
  });

  it('a local superuser has an empty list of permissions; other users are subjects with a role', async () => {
    const users = parseUsers([line('root', 'admin'), line('eye', 'read-only'), line('ops', 'admin')].join('\n'), 'users');
    const daemon = await start({ users: () => users });
    const root = (await raw(daemon, 'session.login_with_password', 'root', 'pw')) as string;
    const eye = (await raw(daemon, 'session.login_with_password', 'eye', 'pw')) as string;
    expect(await raw(daemon, 'session.get_rbac_permissions', root, root)).toEqual([]);
    expect(await raw(daemon, 'session.get_is_local_superuser', root, root)).toBe(true);
    expect(await raw(daemon, 'session.get_is_local_superuser', eye, eye)).toBe(false);
    expect(await raw(daemon, 'session.get_rbac_permissions', eye, eye)).toContain('vm.get_all_records');
    expect(await raw(daemon, 'session.get_all_subject_identifiers', root)).toEqual(['eye']);
    const subject = (await raw(daemon, 'session.get_subject', eye, eye)) as string;
    const record = (await raw(daemon, 'subject.get_record', root, subject)) as WireStruct;
    expect(record).toMatchObject({ subject_identifier: 'eye', other_config: { 'subject-name': 'eye' } });
    const roles = record.roles as string[];
    expect(await raw(daemon, 'role.get_name_label', root, roles[0]!)).toBe('read-only');
    const all = Object.values((await raw(daemon, 'subject.get_all_records', root)) as WireStruct) as WireStruct[];
    expect(all.map(({ subject_identifier }) => subject_identifier)).toEqual(['eye', 'ops']);
  });
});
