// Storage, networks and templates of the embedded host: the operations that xapi allows, and the
// code and parameters of each refusal.
import { afterEach, describe, expect, it } from 'vitest';
import { type TestDaemon, testDaemon, vmRecord } from '../../../test/support/daemon.js';
import { GIB, MIB } from '../../base/units.js';
import type { XapiError } from '../wire/errors.js';
import type { Wire, WireStruct } from '../wire/values.js';

const NULL = 'OpaqueRef:NULL';
const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

interface Bench extends TestDaemon {
  readonly sr: string;
  readonly vm: string;
  record(type: string, ref: Wire): Promise<WireStruct>;
  ref(method: string, ...params: readonly Wire[]): Promise<string>;
  disk(more?: WireStruct): Promise<string>;
  vbd(vdi: string, more?: WireStruct): Promise<string>;
}

async function bench(vmMore: WireStruct = {}): Promise<Bench> {
  const daemon = await testDaemon();
  ends.push(() => daemon.close());
  const { call } = daemon;
  const ref = async (method: string, ...params: readonly Wire[]) => (await call(method, ...params)) as string;
  const sr = await ref('pool.get_default_SR', daemon.objects.pool);
  const vm = await ref('VM.create', vmRecord('a', vmMore));
  return {
    ...daemon,
    ref,
    sr,
    vm,
    record: async (type, one) => (await call(`${type}.get_record`, one)) as WireStruct,
    disk: (more = {}) => ref('VDI.create', { name_label: 'd', SR: sr, virtual_size: GIB, type: 'user', ...more }),
    vbd: (vdi, more = {}) =>
      ref('VBD.create', { VM: vm, VDI: vdi, userdevice: 'autodetect', mode: 'RW', type: 'Disk', unpluggable: true, empty: false, ...more }),
  };
}

async function failure(call: Promise<unknown>): Promise<readonly string[]> {
  const error = (await call.then(
    () => ({ code: 'success', params: [] }),
    (reason: unknown) => reason,
  )) as XapiError;
  return error instanceof Error && !('params' in error) ? [String(error)] : [error.code, ...error.params];
}

describe('a host as it is installed', () => {
  it('has local storage with the pool behind it, the tools SR, eth0 with its network, and shipped templates', async () => {
    const { call, record, sr, objects } = await bench();
    expect(await record('SR', sr)).toMatchObject({
      name_label: 'Local storage',
      type: 'ext',
      content_type: 'user',
      VDIs: [],
      shared: false,
    });
    const [pbd] = (await record('SR', sr)).PBDs as string[];
    expect(await record('PBD', pbd!)).toMatchObject({ SR: sr, host: objects.host, currently_attached: true });
    const host = await record('host', objects.host);
    expect(host.PBDs).toContain(pbd);
    const [pif] = host.PIFs as string[];
    const eth0 = await record('PIF', pif!);
    expect(eth0).toMatchObject({ device: 'eth0', management: true, currently_attached: true, IP: '127.0.0.1', VLAN: -1 });
    expect(await record('network', eth0.network!)).toMatchObject({ bridge: 'xenbr0', PIFs: [pif], VIFs: [] });
    const templates = (await call('VM.get_all_records_where', 'field "is_default_template" = "true"')) as Record<string, WireStruct>;
    const debian = Object.values(templates).find(({ name_label: name }) => name === 'Debian Bookworm 12');
    expect(debian).toMatchObject({ is_a_template: true, other_config: { default_template: 'true', 'install-distro': 'debianlike' } });
    expect((debian!.other_config as WireStruct).disks).toMatch(/^<provision><disk /);
  });

  it('is the same host after a restart of the daemon, with what was changed', async () => {
    const { mkdtempSync, rmSync } = await import('node:fs');
    const folder = mkdtempSync('/tmp/xennuma-devices-');
    ends.push(async () => rmSync(folder, { recursive: true }));
    const first = await testDaemon({ state: folder });
    const all = async (daemon: TestDaemon) => {
      const classes = ['SR', 'PBD', 'VDI', 'VBD', 'VIF', 'network', 'PIF', 'SM', 'console'];
      return Promise.all(classes.map((name) => daemon.call(`${name}.get_all_records`)));
    };
    const sr = await first.call('pool.get_default_SR', first.objects.pool);
    const vm = await first.call('VM.create', vmRecord('kept'));
    const vdi = await first.call('VDI.create', { name_label: 'd', SR: sr, virtual_size: GIB, type: 'user' });
    await first.call('VBD.create', { VM: vm, VDI: vdi, userdevice: '0', mode: 'RW', type: 'Disk', empty: false });
    await first.call('VM.start', vm, false, false);
    const before = await all(first);
    await first.close();
    const second = await testDaemon({ state: folder });
    ends.push(() => second.close());
    expect(await all(second)).toEqual(before);
    expect(await second.call('VM.get_power_state', vm)).toBe('Running');
  });
});

describe('a VDI', () => {
  it('is counted in its SR, in whole blocks of 2 MiB, grows, and does not shrink', async () => {
    const { call, record, disk, sr } = await bench();
    const vdi = await disk({ virtual_size: GIB + 1 });
    const size = GIB + 2 * MIB;
    expect(await record('VDI', vdi)).toMatchObject({ virtual_size: size, SR: sr, managed: true, VBDs: [], is_a_snapshot: false });
    expect(await record('SR', sr)).toMatchObject({ VDIs: [vdi], virtual_allocation: size });
    await call('VDI.resize', vdi, 2 * GIB);
    expect(await call('SR.get_virtual_allocation', sr)).toBe(2 * GIB);
    expect(await failure(call('VDI.resize', vdi, GIB))).toEqual([
      'SR_BACKEND_FAILURE_79',
      '',
      'VDI Invalid size [opterr=shrinking not allowed]',
      '',
    ]);
    expect(await failure(call('VDI.resize_online', vdi, 3 * GIB))).toEqual(['MESSAGE_REMOVED']);
    await call('VDI.destroy', vdi);
    expect(await record('SR', sr)).toMatchObject({ VDIs: [], virtual_allocation: 0 });
    expect(await failure(call('VDI.get_record', vdi))).toEqual(['HANDLE_INVALID', 'VDI', vdi]);
  });

  it('of a thick SR takes its space at once, until there is none', async () => {
    const { call, ref, record, disk, objects } = await bench();
    const sr = await ref('SR.create', objects.host, { device: '/dev/sdb' }, 3 * GIB, 'lvm', '', 'lvm', 'user', false, {});
    const vdi = await disk({ SR: sr, virtual_size: 2 * GIB });
    expect(await record('SR', sr)).toMatchObject({ physical_size: 3 * GIB, physical_utilisation: 2 * GIB });
    expect(await record('VDI', vdi)).toMatchObject({ physical_utilisation: 2 * GIB });
    const full = ['SR_BACKEND_FAILURE_44', '', 'There is insufficient space', ''];
    expect(await failure(disk({ SR: sr, virtual_size: 2 * GIB }))).toEqual(full);
    expect(await failure(call('VDI.snapshot', vdi, {}))).toEqual(full);
    expect((await record('SR', sr)).VDIs).toEqual([vdi]);
  });

  it('has snapshots that remember it, clones that do not, and full copies elsewhere', async () => {
    const { call, ref, record, disk, objects } = await bench();
    const vdi = await disk({ other_config: { a: 'b' } });
    const snapshot = await ref('VDI.snapshot', vdi, {});
    const clone = await ref('VDI.clone', vdi, {});
    const nfs = await ref('SR.create', objects.host, { server: 'a', serverpath: '/b' }, 0, 'nfs', '', 'nfs', 'user', true, {});
    const copy = await ref('VDI.copy', vdi, nfs, NULL, NULL);
    expect(await record('VDI', snapshot)).toMatchObject({ is_a_snapshot: true, snapshot_of: vdi, other_config: { a: 'b' } });
    expect(await record('VDI', vdi)).toMatchObject({ snapshots: [snapshot] });
    expect(await record('VDI', clone)).toMatchObject({ is_a_snapshot: false, snapshot_of: NULL, virtual_size: GIB });
    expect(await record('VDI', copy)).toMatchObject({ SR: nfs, virtual_size: GIB });
    await call('VDI.destroy', vdi);
    expect((await record('VDI', snapshot)).snapshot_of).toBe(NULL);
  });

  it('in use is not destroyed or resized, and says so in its allowed operations', async () => {
    const { call, record, disk, vbd, vm } = await bench();
    const vdi = await disk();
    await vbd(vdi);
    expect((await record('VDI', vdi)).allowed_operations).toEqual(expect.arrayContaining(['destroy', 'resize', 'snapshot']));
    await call('VM.start', vm, false, false);
    expect((await record('VDI', vdi)).allowed_operations).toEqual(['clone', 'snapshot']);
    expect(await failure(call('VDI.destroy', vdi))).toEqual(['VDI_IN_USE', vdi, 'destroy']);
    expect(await failure(call('VDI.resize', vdi, 2 * GIB))).toEqual(['VDI_IN_USE', vdi, 'resize']);
    await call('VM.hard_shutdown', vm);
    await call('VDI.destroy', vdi);
    expect((await record('VM', vm)).VBDs).toEqual([]);
  });
});

describe('a VBD', () => {
  it('takes the first free device, and no device twice', async () => {
    const { call, record, disk, vbd, vm } = await bench();
    const first = await vbd(await disk());
    expect((await record('VBD', first)).userdevice).toBe('0');
    await vbd(await disk(), { userdevice: 'xvdc' });
    expect(((await call('VM.get_allowed_VBD_devices', vm)) as string[]).slice(0, 3)).toEqual(['1', '3', '4']);
    expect(await failure(vbd(await disk(), { userdevice: 'hdc' }))).toEqual(['DEVICE_ALREADY_EXISTS', 'hdc']);
    expect(await failure(vbd(await disk(), { userdevice: 'nowhere' }))).toEqual(['INVALID_DEVICE', 'nowhere']);
    expect((await record('VM', vm)).VBDs).toHaveLength(2);
  });

  it('is attached while its VM runs, and hot-plugged', async () => {
    const { call, record, disk, vbd, vm } = await bench();
    const vdi = await disk();
    const one = await vbd(vdi);
    expect(await failure(call('VBD.plug', one))).toEqual(['VM_BAD_POWER_STATE', vm, 'running', 'halted']);
    await call('VM.start', vm, false, false);
    expect(await record('VBD', one)).toMatchObject({ currently_attached: true, device: 'xvda' });
    expect(await failure(call('VBD.plug', one))).toEqual(['DEVICE_ALREADY_ATTACHED', one]);
    expect(await failure(call('VBD.destroy', one))).toEqual([
      'OPERATION_NOT_ALLOWED',
      `VBD '${String(await call('VBD.get_uuid', one))}' still attached to '${String(await call('VM.get_uuid', vm))}'`,
    ]);
    await call('VBD.unplug', one);
    expect((await record('VBD', one)).allowed_operations).toEqual(['attach', 'plug', 'pause', 'unpause']);
    expect(await failure(call('VBD.unplug', one))).toEqual(['DEVICE_ALREADY_DETACHED', one]);
    await call('VBD.plug', one);
    await call('VM.suspend', vm);
    expect((await record('VBD', one)).currently_attached).toBe(true);
    await call('VM.hard_shutdown', vm);
    expect((await record('VBD', one)).currently_attached).toBe(false);
    await call('VBD.destroy', one);
    expect((await record('VDI', vdi)).VBDs).toEqual([]);
  });

  it('of a CD is inserted and ejected, read-only', async () => {
    const { call, record, vbd, disk } = await bench();
    const [iso] = (await call('VDI.get_by_name_label', 'guest-tools.iso')) as string[];
    const drive = { type: 'CD', mode: 'RO', empty: true };
    expect(await failure(vbd(NULL, { ...drive, mode: 'RW' }))).toEqual(['VBD_CDS_MUST_BE_READONLY']);
    const cd = await vbd(NULL, drive);
    expect(await failure(call('VBD.eject', cd))).toEqual(['VBD_IS_EMPTY', cd]);
    await call('VBD.insert', cd, iso!);
    expect(await record('VBD', cd)).toMatchObject({ VDI: iso, empty: false });
    expect(await failure(call('VBD.insert', cd, iso!))).toEqual(['VBD_NOT_EMPTY', cd]);
    await call('VBD.eject', cd);
    expect((await record('VDI', iso!)).VBDs).toEqual([]);
    const plain = await vbd(await disk());
    expect(await failure(call('VBD.eject', plain))).toEqual(['VBD_NOT_REMOVABLE_MEDIA', plain]);
    expect(await failure(vbd(NULL, { empty: true }))).toEqual(['VBD_NOT_REMOVABLE_MEDIA', 'in constructor']);
  });

  it('of a disk that another VM writes to keeps its VM from starting', async () => {
    const { call, ref, disk, vbd, vm } = await bench();
    const vdi = await disk();
    await vbd(vdi);
    const other = await ref('VM.create', vmRecord('b'));
    await vbd(vdi, { VM: other });
    await call('VM.start', vm, false, false);
    expect(await failure(call('VM.start', other, false, false))).toEqual(['VDI_IN_USE', vdi]);
    expect(await call('VM.get_power_state', other)).toBe('Halted');
    await call('VDI.set_sharable', vdi, true);
    await call('VM.start', other, false, false);
  });
});

describe('an SR', () => {
  it('is unplugged, forgotten and destroyed only when nothing is in the way', async () => {
    const { call, ref, record, disk, objects } = await bench();
    expect(await failure(call('SR.create', objects.host, {}, 0, 'x', '', 'zfs', '', false, {}))).toEqual(['SR_UNKNOWN_DRIVER', 'zfs']);
    const sr = await ref('SR.create', objects.host, { device: '/dev/sdb' }, 0, 'x', '', 'ext', 'user', false, {});
    const [pbd] = (await record('SR', sr)).PBDs as string[];
    expect(await failure(call('SR.destroy', sr))).toEqual(['SR_HAS_PBD', sr]);
    expect(await failure(call('PBD.destroy', pbd!))).toEqual(['OPERATION_NOT_ALLOWED', 'PBD is currently attached']);
    const vdi = await disk({ SR: sr });
    await call('PBD.unplug', pbd!);
    expect(await failure(call('SR.destroy', sr))).toEqual(['SR_NOT_EMPTY']);
    expect(await failure(disk({ SR: sr }))).toEqual(['SR_HAS_NO_PBDS', sr]);
    await call('PBD.plug', pbd!);
    await call('VDI.destroy', vdi);
    await call('PBD.unplug', pbd!);
    await call('SR.destroy', sr);
    expect(await failure(call('PBD.get_record', pbd!))).toEqual(['HANDLE_INVALID', 'PBD', pbd]);
  });

  it('that is unplugged keeps VMs with disks on it from starting', async () => {
    const { call, record, disk, vbd, vm, sr, objects } = await bench();
    await vbd(await disk());
    const [pbd] = (await record('SR', sr)).PBDs as string[];
    await call('PBD.unplug', pbd!);
    expect(await failure(call('VM.assert_can_boot_here', vm, objects.host))).toEqual(['VM_REQUIRES_SR', vm, sr]);
    expect(await failure(call('VM.start', vm, false, false))).toEqual(['NO_HOSTS_AVAILABLE']);
    await call('PBD.plug', pbd!);
    await call('VM.start', vm, false, false);
    const vdi = ((await record('SR', sr)).VDIs as string[])[0];
    expect(await failure(call('PBD.unplug', pbd!))).toEqual(['VDI_IN_USE', vdi]);
  });
});

describe('networks', () => {
  it('have bridges of their own, and are not destroyed while something is attached', async () => {
    const { call, ref, record, vm } = await bench();
    const network = await ref('network.create', { name_label: 'n' });
    expect(await record('network', network)).toMatchObject({ bridge: 'xapi0', MTU: 1500, managed: true });
    expect(await failure(call('network.create', { bridge: 'xapi7' }))).toEqual(['INVALID_VALUE', 'bridge', 'xapi7']);
    await call('network.create', { bridge: 'mine' });
    expect(await failure(call('network.create', { bridge: 'mine' }))).toEqual(['BRIDGE_NAME_EXISTS', 'mine']);
    const vif = await ref('VIF.create', { VM: vm, network, device: '0', MAC: '', MTU: 1500 });
    await call('VM.start', vm, false, false);
    expect(await failure(call('network.destroy', network))).toEqual(['NETWORK_CONTAINS_VIF', vif]);
    await call('VM.hard_shutdown', vm);
    await call('network.destroy', network);
    expect((await record('VM', vm)).VIFs).toEqual([]);
    const [pif] = (await call('PIF.get_all')) as string[];
    const eth0 = (await call('PIF.get_network', pif!)) as string;
    expect(await failure(call('network.destroy', eth0))).toEqual(['NETWORK_CONTAINS_PIF', pif]);
    const [own] = (await call('network.get_by_name_label', 'Host internal management network')) as string[];
    expect(await failure(call('network.destroy', own!))).toEqual(['CANNOT_DESTROY_SYSTEM_NETWORK', own]);
    expect(await failure(call('PIF.unplug', pif!))).toEqual(['PIF_IS_MANAGEMENT_INTERFACE', pif]);
  });

  it("a VIF's address follows from its VM's seed, as in xapi", async () => {
    const { call, ref, record, vm } = await bench({ other_config: { mac_seed: 'a seed' } });
    const [network, other] = (await call('network.get_all')) as [string, string];
    const vif = await ref('VIF.create', { VM: vm, network, device: '0', MAC: '', MTU: 1500 });
    // md5 of the seed, and of that: printf 'a seed' | md5sum; ... | xxd -r -p | md5sum
    const { createHash } = await import('node:crypto');
    const md5 = (data: Buffer | string) => createHash('md5').update(data).digest();
    const [first, second] = [md5('a seed'), md5(md5('a seed'))];
    const bytes = [(first[0]! & 0xfc) | 2 | (first[0]! & 0), first[1], first[2], first[3], second[1], second[2]];
    const { MAC: mac, MAC_autogenerated: generated } = await record('VIF', vif);
    expect(generated).toBe(true);
    expect((mac as string).split(':').slice(1)).toEqual(bytes.slice(1).map((byte) => byte!.toString(16).padStart(2, '0')));
    expect(Number.parseInt(mac as string, 16) & 3).toBe(2);
    expect(await failure(call('VIF.create', { VM: vm, network, device: '0', MAC: '' }))).toEqual(['DEVICE_ALREADY_EXISTS', '0']);
    expect(await failure(call('VIF.create', { VM: vm, network, device: '1', MAC: 'x' }))).toEqual(['MAC_INVALID', 'x']);
    expect(await failure(call('VIF.plug', vif))).toEqual(['VM_BAD_POWER_STATE', vm, 'running', 'halted']);
    await call('VM.start', vm, false, false);
    expect(await failure(call('VIF.destroy', vif))).toEqual(['OPERATION_NOT_ALLOWED', 'VIF currently attached to a running VM']);
    await call('VIF.move', vif, other);
    expect([(await record('network', network)).VIFs, (await record('network', other)).VIFs]).toEqual([[], [vif]]);
    await call('VIF.unplug', vif);
    expect((await record('VIF', vif)).allowed_operations).toEqual(['attach', 'plug']);
    expect(((await call('VM.get_allowed_VIF_devices', vm)) as string[])[0]).toBe('1');
  });

  it('a running VM has a console with a location, which goes with it', async () => {
    const { call, record, vm } = await bench();
    await call('VM.start', vm, false, false);
    const [console] = (await record('VM', vm)).consoles as string[];
    const { uuid, location, protocol } = await record('console', console!);
    expect([protocol, location]).toEqual(['rfb', `https://127.0.0.1/console?uuid=${String(uuid)}`]);
    await call('VM.hard_shutdown', vm);
    expect(await failure(call('console.get_record', console!))).toEqual(['HANDLE_INVALID', 'console', console]);
  });
});

describe('a template', () => {
  const disks = (sr: string) => `<provision><disk device="0" size="${GIB}" sr="${sr}" bootable="true" type="system"/></provision>`;

  it('is cloned, provisioned with the disks that it asks for, and started', async () => {
    const { call, ref, record, sr } = await bench();
    const [template] = (await call('VM.get_by_name_label', 'Debian Bookworm 12')) as string[];
    const vm = await ref('VM.clone', template!, 'new');
    expect(await record('VM', vm)).toMatchObject({
      is_a_template: true,
      is_default_template: false,
      other_config: { base_template_name: 'Debian Bookworm 12' },
    });
    await call('VM.remove_from_other_config', vm, 'disks');
    await call('VM.add_to_other_config', vm, 'disks', disks(String(await call('SR.get_uuid', sr))));
    await call('VM.provision', vm);
    const { VBDs: vbds, other_config: config, is_a_template: isTemplate } = await record('VM', vm);
    expect([isTemplate, (config as WireStruct).disks]).toEqual([false, undefined]);
    const vbd = await record('VBD', (vbds as string[])[0]!);
    expect(vbd).toMatchObject({ userdevice: '0', bootable: true, mode: 'RW', type: 'Disk', other_config: { owner: '' } });
    expect(await record('VDI', vbd.VDI!)).toMatchObject({ virtual_size: GIB, SR: sr, name_label: '0', type: 'system' });
    await call('VM.start', vm, false, false);
    expect(await failure(call('VM.destroy', template!))).toEqual(['VM_IS_TEMPLATE', template, 'destroy']);
    expect(await failure(call('VM.provision', vm))).toEqual(['VM_BAD_POWER_STATE', vm, 'halted', 'running']);
  });

  it('whose disks have no SR, or that cannot be read, is left as it was', async () => {
    const { call, ref, record, sr } = await bench();
    const [template] = (await call('VM.get_by_name_label', 'Debian Bookworm 12')) as string[];
    const vm = await ref('VM.clone', template!, 'new');
    const before = await record('VM', vm);
    expect(await failure(call('VM.provision', vm))).toEqual(['UUID_INVALID', 'sr', '']);
    expect(await record('VM', vm)).toEqual(before);
    await call('VM.set_other_config', vm, { disks: '<provision><disc/></provision>' });
    expect((await failure(call('VM.provision', vm)))[0]).toBe('INTERNAL_ERROR');
    const uuid = String(await call('SR.get_uuid', sr));
    // The second disk is refused: the first is not there either.
    await call('VM.set_other_config', vm, { disks: disks(uuid).replace('</provision>', disks('none').slice('<provision>'.length)) });
    expect(await failure(call('VM.provision', vm))).toEqual(['UUID_INVALID', 'sr', 'none']);
    expect([(await record('SR', sr)).VDIs, (await record('VM', vm)).VBDs]).toEqual([[], []]);
  });
});

describe('copies of a VM', () => {
  it('have disks and cards of their own; a snapshot brings the old ones back', async () => {
    const { call, ref, record, disk, vbd, vm, sr } = await bench();
    const vdi = await disk();
    await vbd(vdi);
    const [network] = (await call('network.get_all')) as string[];
    const vif = await ref('VIF.create', { VM: vm, network: network!, device: '0', MAC: '', MTU: 1500 });
    const { MAC: mac } = await record('VIF', vif);
    const devices = async (one: string) => {
      const { VBDs: vbds, VIFs: vifs } = await record('VM', one);
      const [first, card] = [(vbds as string[])[0]!, (vifs as string[])[0]!];
      return { vdi: (await record('VBD', first)).VDI as string, mac: (await record('VIF', card)).MAC };
    };
    const clone = await devices(await ref('VM.clone', vm, 'clone'));
    expect(clone.vdi).not.toBe(vdi);
    expect(clone.mac).not.toBe(mac);
    const snapshot = await ref('VM.snapshot', vm, 'before', []);
    const snapshotDevices = await devices(snapshot);
    expect(await record('VDI', snapshotDevices.vdi)).toMatchObject({ is_a_snapshot: true, snapshot_of: vdi });
    expect(snapshotDevices.mac).toBe(mac);
    await call('VIF.destroy', vif);
    await call('VM.revert', snapshot);
    const now = await devices(vm);
    expect(now.mac).toBe(mac);
    expect(now.vdi).not.toBe(vdi);
    expect(await failure(call('VDI.get_record', vdi))).toEqual(['HANDLE_INVALID', 'VDI', vdi]);
    expect((await record('VDI', snapshotDevices.vdi)).snapshot_of).toBe(now.vdi);
    expect((await record('SR', sr)).VDIs).toHaveLength(3);
    await call('VM.destroy', vm);
    expect((await record('VDI', now.vdi)).VBDs).toEqual([]);
  });
});
