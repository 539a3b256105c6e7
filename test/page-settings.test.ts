// The settings of the page on a daemon: each field that xe can set is there, and what the page
// saves is what the command that it shows does.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Wire } from '../src/xapi/wire/values.js';
import { asRecord } from '../src/xapi-client/values.js';
import { devicesOf, findDevice } from '../web/src/lib/devices.js';
import { type Draft, formatDraft, parseDraft, withPart, withText } from '../web/src/lib/draft.js';
import { operationsOf } from '../web/src/lib/operations.js';
import {
  changesOf,
  type Kind,
  problemOf,
  type Setting,
  type SettingsObject,
  sentenceOf,
  settingsOf,
  xeObject,
} from '../web/src/lib/settings.js';
import { vmRecord } from './support/daemon.js';
import { type XeHost, xeHost } from './support/xe-host.js';

let host: XeHost;
let methods: ReadonlySet<string>;
beforeAll(async () => {
  host = await xeHost();
  methods = new Set((await host.ask('system.listMethods')) as string[]);
});
afterAll(() => host.close());

const call = (method: string, params: readonly unknown[]): Promise<unknown> => host.ask(method, ...(params as Wire[]));
async function objectOf(kind: Kind, ref: string): Promise<SettingsObject> {
  const record = asRecord(await call(`${kind}.get_record`, [ref]));
  return { kind, ref, uuid: String(record.uuid), record };
}
async function shown(kind: Kind, ref: string): Promise<{ object: SettingsObject; settings: Setting[] }> {
  const object = await objectOf(kind, ref);
  return { object, settings: await settingsOf(object, methods, call) };
}
const poolRef = async (): Promise<string> => ((await host.ask('pool.get_all')) as string[])[0]!;
const QOS = { qos_algorithm_type: '', qos_algorithm_params: {}, other_config: {} };
async function vifOf(vm: Wire): Promise<string> {
  const [network] = (await host.ask('network.get_all')) as string[];
  return (await host.ask('VIF.create', { ...QOS, VM: vm, network: network!, device: '0', MAC: '', MTU: 1500 })) as string;
}
async function vbdOf(vm: Wire): Promise<string> {
  const drive = { ...QOS, VM: vm, VDI: 'OpaqueRef:NULL', userdevice: '3', bootable: false, mode: 'RO', type: 'CD', empty: true };
  return (await host.ask('VBD.create', { ...drive, unpluggable: true })) as string;
}
const values = (settings: readonly Setting[]) => Object.fromEntries(settings.map(({ field, now }) => [field.name, now]));

/** Another value than the present one, of the field's form. */
function otherValue({ field: { name, form }, now }: Setting & { is: 'value' }): string {
  switch (form!.kind) {
    case 'bool':
      return now === 'true' ? 'false' : 'true';
    case 'choice':
      return (form as { words: readonly string[] }).words.find((word) => word !== now)!;
    case 'ref':
      return host.uuids[(form as { target: string }).target] ?? '00000000-0000-0000-0000-000000000000';
    case 'bytes':
      return name.endsWith('min') ? '1GiB' : '3GiB';
    case 'int':
      return name === 'VCPUs-at-startup' ? '1' : '3';
    case 'float':
      return '1.5';
    default:
      return "it's <b>text</b>";
  }
}
function draftOf(setting: Setting): Draft {
  const { name } = setting.field;
  if (setting.is === 'value') return { [name]: otherValue(setting) };
  if (setting.is === 'set') return { [name]: { 'a member': '' } };
  return { [name]: name === 'VCPUs-params' ? { mask: '0,1', weight: null } : { key: "a 'value'" } };
}
/** Words of a shell, without its quotes. */
const words = (text: string): string[] =>
  [...text.matchAll(/(?:[^\s'\\]|'[^']*'|\\')+/g)].map(([word]) => word.replace(/'([^']*)'|\\'/g, (_, inner?: string) => inner ?? "'"));

describe('settings of the page', () => {
  it('are all the fields that xe lists as ones to set, and this daemon has a call for', async () => {
    for (const [kind, ref] of [
      ['VM', host.refs.db!],
      ['host', host.refs.host!],
      ['pool', await poolRef()],
      ['VIF', await vifOf(host.refs.db!)],
      ['VBD', await vbdOf(host.refs.db!)],
    ] as const) {
      const { object, settings } = await shown(kind, ref);
      const { out } = await host.xe(`${kind.toLowerCase()}-param-list`, `uuid=${object.uuid}`);
      const writable = [...out.matchAll(/^ *([\w-]+) \( ?([SM])?RW\)/gm)].flatMap(([, field, is]) => {
        const key = settings.find((one) => one.field.name === field)?.field.key ?? field!.replaceAll('-', '_');
        const verb = { S: 'add', M: 'add_to' }[is ?? ''] ?? 'set';
        return methods.has(`${kind}.${verb}_${key}`) ? [field!] : [];
      });
      expect(writable.length).toBeGreaterThan(3);
      expect(settings.map(({ field }) => field.name)).toEqual(expect.arrayContaining(writable));
    }
  });

  it.each(['VM', 'host', 'pool', 'VIF', 'VBD'] as const)(
    'of a %s: each saves what its command does, or is refused as xe tells it',
    async (kind) => {
      const isOne = kind === 'host' || kind === 'pool';
      const twin = { VCPUs_params: { weight: '256' }, other_config: { mac_seed: 'same' } };
      const twinVm = async (): Promise<Wire> => host.ask('VM.create', vmRecord('same', twin));
      const makers: Readonly<Record<Kind, () => Promise<unknown>>> = {
        ...{ host: async () => host.refs.host, pool: poolRef },
        VM: twinVm,
        VIF: async () => vifOf(await twinVm()),
        VBD: async () => vbdOf(await twinVm()),
      };
      const other = async (): Promise<string> => (await makers[kind]()) as string;
      const first = await shown(kind, await other());
      for (const setting of first.settings) {
        // A host or pool is one: what the page saves is taken back by nothing but its own commands.
        const { object, settings } = await shown(kind, await other());
        const changes = changesOf(object, settings, draftOf(settings.find(({ field }) => field.name === setting.field.name)!));
        expect(changes.length, setting.field.name).toBeGreaterThan(0);
        const twin = await shown(kind, await other());
        let saved = false;
        for (const change of changes) {
          const told = await host.xe(...words(change.text.replace(object.uuid, twin.object.uuid)).slice(1));
          saved ||= told.code === 0;
          if (isOne && told.code === 0) continue;
          const refused = await change.run(xeObject(object, call)).then(
            () => null,
            (error) => sentenceOf(error),
          );
          expect(refused === null ? 0 : 1, `${change.text}: ${told.err} ${refused}`).toBe(told.code);
          if (refused !== null) expect(told.err.replaceAll('\n', ' ')).toContain(refused.split('. ')[0]);
        }
        if (isOne) {
          const now = values((await shown(kind, object.ref)).settings);
          if (saved) expect(now, setting.field.name).not.toEqual(values(settings));
          else expect(now, setting.field.name).toEqual(values(settings));
        } else {
          const [page, xe] = await Promise.all([shown(kind, object.ref), shown(kind, twin.object.ref)]);
          expect(values(page.settings), setting.field.name).toEqual(values(xe.settings));
        }
      }
    },
  );

  it('that depend on each other are saved together or in the order that is allowed', async () => {
    const ref = (await host.ask('VM.create', vmRecord('grows'))) as string;
    for (const [most, start, memory] of [
      ['8', '8', '4GiB'],
      ['2', '1', '1GiB'],
      ['4', '3', '6GiB'],
    ] as const) {
      const { object, settings } = await shown('VM', ref);
      const limits = Object.fromEntries(['static-max', 'dynamic-max', 'dynamic-min'].map((name) => [`memory-${name}`, memory]));
      const changes = changesOf(object, settings, { 'VCPUs-max': most, 'VCPUs-at-startup': start, 'memory-static-min': '0', ...limits });
      for (const change of changes) await change.run(xeObject(object, call));
      const after = await objectOf('VM', ref);
      expect([after.record.VCPUs_max, after.record.VCPUs_at_startup].map(Number)).toEqual([Number(most), Number(start)]);
      expect(Number(after.record.memory_static_max)).toBe(Number(memory[0]) * 2 ** 30);
    }
  });

  it('are none where xe reads the same value in other words', async () => {
    const { object, settings } = await shown('VM', host.refs.db!);
    const now = (name: string): string => String(settings.find(({ field }) => field.name === name)?.now);
    const kib = (name: string): string => `${Number(now(name)) / 1024} KiB`;
    const same = {
      'VCPUs-max': ` 0${now('VCPUs-max')}`.trim(),
      'memory-static-max': kib('memory-static-max'),
      'memory-dynamic-min': kib('memory-dynamic-min'),
    };
    for (const name of Object.keys(same)) expect(settings.map(({ field }) => field.name)).toContain(name);
    expect(changesOf(object, settings, same)).toEqual([]);
    expect(changesOf(object, settings, { ...same, 'memory-static-max': '77GiB', 'name-label': `${now('name-label')} ` })).toHaveLength(2);
  });

  it('that xe could not read are told before anything is called', async () => {
    const { object, settings } = await shown('VM', host.refs.db!);
    const problem = async (draft: Draft) => {
      const [change] = changesOf(object, settings, draft);
      return problemOf(change!, object);
    };
    expect(await problem({ 'VCPUs-max': 'four' })).toBe("Failed to parse parameter 'VCPUs-max': expecting an integer");
    expect(await problem({ 'memory-static-max': '4 GBit' })).toContain('possibly with suffix KiB, MiB, GiB, TiB');
    expect(await problem({ 'VCPUs-params': { cpus: '1' } })).toBe("Failed to add parameter 'cpus': expecting 'weight','cap' or 'mask'");
    expect(await problem({ 'name-label': 'four' })).toBeNull();
  });

  it('of a VM that runs have its vCPUs and its dynamic range, and operations are those that it allows', async () => {
    const { object, settings } = await shown('VM', host.refs.web!);
    expect(settings.find(({ field }) => field.name === 'new-vcpus')?.now).toBe(
      String(await host.ask('VM_metrics.get_VCPUs_number', await host.field('web', 'metrics'))),
    );
    const range = changesOf(object, settings, { 'memory-dynamic-min': '1536MiB' });
    expect(range.map(({ text }) => text)).toEqual([expect.stringMatching(/^xe vm-memory-dynamic-range-set uuid=\S+ min=1536MiB max=\d+$/)]);
    const offered = operationsOf(object, methods).map(({ method }) => method);
    expect(offered).toEqual(expect.arrayContaining(['VM.hard_shutdown', 'VM.pause']));
    expect(offered).not.toContain('VM.start');
    expect(operationsOf(await objectOf('VM', host.refs.db!), methods).map(({ method }) => method)).toEqual(['VM.start']);
  });
});

describe('devices of a VM', () => {
  it('are network cards before drives, and are found by their uuids', async () => {
    const vm = (await host.ask('VM.create', vmRecord('with devices'))) as Wire;
    await vbdOf(vm);
    await vifOf(vm);
    const devices = await devicesOf((await objectOf('VM', vm as string)).record, call);
    expect(devices.map(({ kind, label }) => [kind, label])).toEqual([
      ['VIF', 'Network card 0'],
      ['VBD', 'CD drive 3'],
    ]);
    for (const device of devices) expect(await findDevice(device.uuid, call)).toEqual(device);
    expect(await findDevice(String(await host.ask('VM.get_uuid', vm)), call)).toBeNull();
    // One that is gone since the VM was read is left out; any other refusal is none of that.
    const { record } = await objectOf('VM', vm as string);
    await host.ask('VIF.destroy', devices[0]!.ref);
    expect((await devicesOf(record, call)).map(({ label }) => label)).toEqual(['CD drive 3']);
    const refused = async () => Promise.reject(Object.assign(new Error('no'), { code: 'SESSION_INVALID' }));
    await expect(devicesOf(record, refused)).rejects.toThrow('no');
    await expect(findDevice('x', refused)).rejects.toThrow('no');
  });
});

describe('a draft in an address', () => {
  it('is read as it was written', () => {
    const draft = { 'name-label': '', tags: { a: '', b: null }, 'other-config': { __proto__x: '"' } };
    expect(parseDraft(formatDraft(draft))).toEqual(draft);
  });

  it.each(['[]', 'null', 'no JSON', '{"a":7,"b":[],"c":{},"d":{"e":7}}', `{"a":"${'x'.repeat(100_000)}"}`])(
    'that is none is nothing: %#',
    (text) => {
      expect(parseDraft(text)).toEqual({});
    },
  );

  it('holds nothing that is as it is already', () => {
    const draft = withText({}, 'name-label', 'b', 'a');
    expect(formatDraft(withText(draft, 'name-label', 'a', 'a'))).toBe('');
    const part = withPart({}, 'tags', 'a', null);
    expect(formatDraft(withPart(part, 'tags', 'a', undefined))).toBe('');
  });
});
