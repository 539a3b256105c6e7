// Calls in the order in which the SDKs' own samples send them (go/ and java/ of
// xenserver-samples). Both SDKs send whole records: every field of the class, and empty ones for
// what they do not set.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLASSES } from '../../src/xapi/model/schema.js';
import type { FieldType } from '../../src/xapi/wire/types.js';
import type { Wire, WireStruct } from '../../src/xapi/wire/values.js';
import { failure, type TestDaemon, testDaemon, vmRecord } from '../support/daemon.js';

let daemon: TestDaemon;
let call: TestDaemon['call'];
beforeAll(async () => {
  daemon = await testDaemon();
  call = daemon.call;
});
afterAll(() => daemon.close());

/** The zero value of a type, as a Go struct has it: references are empty strings. */
function zero(type: FieldType): Wire {
  if (type === 'bool') return false;
  if (type === 'int') return '0';
  if (type === 'float') return 0;
  if (type === 'datetime') return '19700101T00:00:00Z';
  if (typeof type === 'object' && 'set' in type) return [];
  if (typeof type === 'object' && 'map' in type) return {};
  return '';
}

function whole(type: string, fields: WireStruct): WireStruct {
  const all = Object.entries(CLASSES.get(type)!.fields).filter(([, { type: kind }]) => !(typeof kind === 'object' && 'enum' in kind));
  return { ...Object.fromEntries(all.map(([name, { type: kind }]) => [name, zero(kind)])), ...fields };
}

async function ended(task: Wire): Promise<Wire> {
  await daemon.dispatcher.idle();
  const status = await call('task.get_status', task);
  await call('task.destroy', task);
  return status;
}

describe('whole records of the SDKs', () => {
  it('make a network with a VLAN, a card, a drive and a disk', async () => {
    const network = (await call('network.create', whole('network', { name_label: 'n', managed: true, MTU: '1500' }))) as string;
    const [pif] = (await call('PIF.get_all_where', 'field "device" = "eth1"')) as string[];
    const [vlan] = (await call('pool.create_VLAN_from_PIF', pif!, network, '100')) as string[];
    expect(await call('VLAN.get_tag', (await call('PIF.get_VLAN_master_of', vlan!)) as string)).toBe(100);
    const vm = (await call('VM.create', vmRecord('go'))) as string;
    const vif = (await call(
      'VIF.create',
      whole('VIF', { VM: vm, network, device: '0', MTU: '1500', locking_mode: 'network_default' }),
    )) as string;
    expect(await call('VIF.get_network', vif)).toBe(network);
    const drive = { VM: vm, userdevice: '3', mode: 'RO', type: 'CD', empty: true };
    const vbd = (await call('VBD.create', whole('VBD', drive))) as string;
    expect(await call('VBD.get_empty', vbd)).toBe(true);
    const sr = (await call('pool.get_default_SR', daemon.objects.pool)) as string;
    const vdi = (await call(
      'VDI.create',
      whole('VDI', { SR: sr, name_label: 'v', virtual_size: String(2 ** 24), type: 'user' }),
    )) as string;
    expect(await ended(await call('Async.VDI.snapshot', vdi, {}))).toBe('success');
  });
});

describe('the life of an SR', () => {
  it('is created, introduced, unplugged and forgotten, at once and as tasks', async () => {
    const { host } = daemon.objects;
    const made: readonly Wire[] = [host, { device: '/dev/sdb' }, '100000', 'TestSR', 'd', 'ext', 'content', true, {}];
    await call('SR.create', ...made);
    expect(await ended(await call('Async.SR.create', ...made))).toBe('success');
    const known = (uuid: string): readonly Wire[] => [uuid, 'TestSR', 'd', 'ext', 'content', true, {}];
    await call('SR.introduce', ...known('5a1c3c6e-8c3c-4f0e-8f2e-0d6f3a6b9d10'));
    expect(await ended(await call('Async.SR.introduce', ...known('5a1c3c6e-8c3c-4f0e-8f2e-0d6f3a6b9d11')))).toBe('success');
    const srs = (await call('SR.get_by_name_label', 'TestSR')) as string[];
    expect(srs).toHaveLength(4);
    for (const sr of srs) {
      for (const pbd of (await call('SR.get_PBDs', sr)) as string[]) {
        if ((await call('PBD.get_currently_attached', pbd)) === true) await call('PBD.unplug', pbd);
        await call('PBD.destroy', pbd);
      }
      expect(await ended(await call('Async.SR.forget', sr))).toBe('success');
    }
    expect(await call('SR.get_by_name_label', 'TestSR')).toEqual([]);
    expect(await failure(call('SR.create', host, {}, '0', 'bad', '', 'made_up', '', true, {}))).toEqual(['SR_UNKNOWN_DRIVER', 'made_up']);
  });
});

describe('snapshots', () => {
  it('are made with and without a list of disks, and reverted, as tasks', async () => {
    const vm = (await call('VM.create', vmRecord('snap'))) as string;
    const first = (await call('VM.snapshot', vm, 'Snapshot1', [])) as string;
    expect(await call('VM.get_snapshot_of', first)).toBe(vm);
    await call('VM.snapshot', vm, 'Snapshot2');
    expect(await ended(await call('Async.VM.assert_can_boot_here', vm, daemon.objects.host))).toBe('success');
    await call('VM.start', vm, false, false);
    expect(await ended(await call('Async.VM.revert', first))).toBe('success');
    expect(await call('VM.get_power_state', vm)).toBe('Halted');
    for (const one of (await call('VM.get_snapshots', vm)) as string[]) await call('VM.destroy', one);
    expect(await call('VM.get_snapshots', vm)).toEqual([]);
  });
});
