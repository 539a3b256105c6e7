// Changed block tracking as backup programs use it. Codes and parameters are those of xapi_vdi.ml
// (xen-api e2ee48d6), and of libs/sm/VDI.py of sm.
import { afterEach, describe, expect, it } from 'vitest';
import { failure, type TestDaemon, testDaemon, vmRecord } from '../../../test/support/daemon.js';
import { GIB, MIB } from '../../base/units.js';
import { type Wire, WireDate, type WireStruct } from '../wire/values.js';

const NULL = 'OpaqueRef:NULL';
const open: TestDaemon[] = [];
afterEach(async () => {
  for (const daemon of open.splice(0)) await daemon.close();
});

async function bench() {
  const daemon = await testDaemon();
  open.push(daemon);
  const { call } = daemon;
  const ref = async (method: string, ...params: readonly Wire[]) => (await call(method, ...params)) as string;
  const sr = await ref('pool.get_default_SR', daemon.objects.pool);
  const disk = (more: WireStruct = {}) =>
    ref('VDI.create', {
      name_label: 'd',
      SR: sr,
      virtual_size: GIB,
      type: 'user',
      sharable: false,
      read_only: false,
      other_config: {},
      ...more,
    });
  const refused = (method: string, ...params: Wire[]) => failure(call(method, ...params));
  const isTracked = async (vdi: string) => call('VDI.get_cbt_enabled', vdi);
  return { ...daemon, ref, sr, disk, refused, isTracked };
}

const UNRELATED = ['SR_BACKEND_FAILURE_460', '', expect.stringContaining('unrelated') as unknown, ''];

describe('a tracked disk', () => {
  it('has tracked snapshots, between which no block changed: a bit for each 64 KiB', async () => {
    const { call, ref, disk, isTracked } = await bench();
    const vdi = await disk({ virtual_size: 6 * MIB });
    expect(await isTracked(vdi)).toBe(false);
    await call('VDI.enable_cbt', vdi);
    const first = await ref('VDI.snapshot', vdi, {});
    const second = await ref('VDI.snapshot', vdi, {});
    expect([await isTracked(vdi), await isTracked(first), await isTracked(second)]).toEqual([true, true, true]);
    for (const [from, to] of [
      [first, second],
      [second, vdi],
      [first, vdi],
    ] as const) {
      const bits = Buffer.from((await call('VDI.list_changed_blocks', from, to)) as string, 'base64');
      expect([bits.length, bits.every((byte) => byte === 0)]).toEqual([(6 * 16) / 8, true]);
    }
  });

  it('a snapshot without its data stays to be compared, and gives its space back', async () => {
    const { call, ref, sr, disk, refused } = await bench();
    const vdi = await disk();
    await call('VDI.enable_cbt', vdi);
    const first = await ref('VDI.snapshot', vdi, {});
    await call('VDI.data_destroy', first);
    expect((await call('VDI.get_record', first)) as WireStruct).toMatchObject({ type: 'cbt_metadata', cbt_enabled: true, SR: sr });
    expect(await call('VDI.data_destroy', first), 'once more is no error').toBe('');
    const second = await ref('VDI.snapshot', vdi, {});
    expect(await call('VDI.list_changed_blocks', first, second)).toMatch(/^A+=*$/);
    for (const method of ['VDI.clone', 'VDI.snapshot'])
      expect(await refused(method, first, {})).toEqual(['VDI_INCOMPATIBLE_TYPE', first, 'cbt_metadata']);
    expect(await refused('VDI.resize', first, 2 * GIB)).toEqual(['VDI_INCOMPATIBLE_TYPE', first, 'cbt_metadata']);
    await call('VDI.destroy', first);
  });

  it('that is attached to a running VM can be tracked, and its snapshots listed', async () => {
    const { call, ref, disk } = await bench();
    const vm = await ref('VM.create', vmRecord('a'));
    const vdi = await disk();
    const device = { VM: vm, VDI: vdi, userdevice: '0', mode: 'RW', type: 'Disk', bootable: true, empty: false };
    await ref('VBD.create', { ...device, other_config: {}, qos_algorithm_type: '', qos_algorithm_params: {} });
    await call('VM.start', vm, false, false);
    await call('VDI.enable_cbt', vdi);
    const [one, two] = [await ref('VM.snapshot', vm, 's'), await ref('VM.snapshot', vm, 't')];
    const diskOf = async (snapshot: string) => {
      const [vbd] = (await call('VM.get_VBDs', snapshot)) as string[];
      return ref('VBD.get_VDI', vbd!);
    };
    expect(await call('VDI.list_changed_blocks', await diskOf(one), await diskOf(two))).toMatch(/^A+=*$/);
    // The disk of a VM's snapshot is in use by it.
    expect(await failure(call('VDI.data_destroy', await diskOf(one)))).toEqual(['VDI_IN_USE', await diskOf(one), 'data_destroy']);
    expect(await failure(call('VDI.list_changed_blocks', await diskOf(one), vdi))).toEqual(['VDI_IN_USE', vdi, 'list_changed_blocks']);
  });
});

describe('refusals', () => {
  it('disks of no chain, of another one, or in the wrong order', async () => {
    const { call, ref, disk, refused } = await bench();
    const vdi = await disk();
    const before = await ref('VDI.snapshot', vdi, {});
    await call('VDI.enable_cbt', vdi);
    const first = await ref('VDI.snapshot', vdi, {});
    expect(await refused('VDI.list_changed_blocks', before, vdi)).toEqual(UNRELATED);
    expect(await refused('VDI.list_changed_blocks', vdi, first)).toEqual(UNRELATED);
    expect(await refused('VDI.list_changed_blocks', first, first)).toEqual([
      'SR_BACKEND_FAILURE_460',
      '',
      expect.stringContaining('Source and target VDI are same') as unknown,
      '',
    ]);
    // Tracking that ended and began anew lost what changed between.
    await call('VDI.disable_cbt', vdi);
    await call('VDI.enable_cbt', vdi);
    const later = await ref('VDI.snapshot', vdi, {});
    expect(await refused('VDI.list_changed_blocks', first, later)).toEqual(UNRELATED);
  });

  it('of snapshots, other types, disks that are reset, and storage without the feature', async () => {
    const { call, ref, disk, refused, objects } = await bench();
    const vdi = await disk();
    const snapshot = await ref('VDI.snapshot', vdi, {});
    expect(await refused('VDI.enable_cbt', snapshot)).toEqual(['OPERATION_NOT_ALLOWED', `VDI is a snapshot: ${snapshot}`]);
    expect(await refused('VDI.data_destroy', snapshot)).toEqual(['VDI_NO_CBT_METADATA', snapshot]);
    expect(await refused('VDI.data_destroy', vdi)).toEqual(['OPERATION_NOT_ALLOWED', `VDI is not a snapshot: ${vdi}`]);
    const crash = await disk({ type: 'crashdump' });
    expect(await refused('VDI.enable_cbt', crash)).toEqual(['VDI_INCOMPATIBLE_TYPE', crash, 'crashdump']);
    await call('VDI.set_on_boot', vdi, 'reset');
    expect(await refused('VDI.enable_cbt', vdi)).toEqual(['VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION']);
    await call('VDI.set_on_boot', vdi, 'persist');
    await call('VDI.enable_cbt', vdi);
    expect(await refused('VDI.set_on_boot', vdi, 'reset')).toEqual(['VDI_CBT_ENABLED', vdi]);
    const iso = await ref('SR.create', objects.host, { location: '/iso' }, 0, 'i', '', 'iso', 'iso', false, {});
    const uuid = '11111111-2222-4333-8444-555555555555';
    const cd = await ref(
      'VDI.introduce',
      uuid,
      'cd',
      '',
      iso,
      'user',
      false,
      true,
      {},
      'a.iso',
      {},
      {},
      true,
      0,
      0,
      NULL,
      false,
      new WireDate('20260101T00:00:00Z'),
      NULL,
    );
    expect(await refused('VDI.enable_cbt', cd)).toEqual(['SR_OPERATION_NOT_SUPPORTED', iso]);
  });

  it('clients are told that there is tracking, and the operations that older ones do not know are not listed', async () => {
    const { call, disk, sr, objects } = await bench();
    const { restrictions } = (await call('pool.get_record', objects.pool)) as WireStruct;
    expect(restrictions).toMatchObject({ restrict_cbt: 'false' });
    const { allowed_operations: ofDisk } = (await call('VDI.get_record', await disk())) as WireStruct;
    expect(ofDisk).not.toContain('enable_cbt');
    expect(ofDisk).not.toContain('set_on_boot');
    expect((await call('SR.get_record', sr)) as WireStruct).toMatchObject({
      allowed_operations: expect.arrayContaining(['vdi_enable_cbt', 'vdi_list_changed_blocks', 'vdi_mirror']) as unknown,
    });
  });
});
