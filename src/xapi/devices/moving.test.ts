// VDI.pool_migrate and VM.migrate_send with a map of disks, as Xen Orchestra calls them
// (xapi_vm_migrate.ml and message_forwarding.ml of xen-api e2ee48d6).
import { afterEach, expect, it } from 'vitest';
import { failure, type TestDaemon, vmRecord } from '../../../test/support/daemon.js';
import { twoHosts } from '../../../test/support/two-hosts.js';
import { GIB } from '../../base/units.js';
import type { Wire, WireStruct } from '../wire/values.js';

const open: TestDaemon[] = [];
afterEach(async () => {
  for (const daemon of open.splice(0)) await daemon.close();
});

/** Two hosts with local storage each, and a VM on the first with a disk in its storage. */
async function two() {
  const daemon = await twoHosts();
  open.push(daemon);
  const { call } = daemon;
  const ref = async (method: string, ...params: readonly Wire[]) => (await call(method, ...params)) as string;
  const record = async (type: string, one: string) => (await call(`${type}.get_record`, one)) as WireStruct;
  const [a, b] = daemon.hosts.all.map((host) => host.ref) as [string, string];
  const config = { device: '/dev/sdb' };
  const [from, onA, onB] = [
    await ref('SR.create', a, config, 0, 'one', '', 'lvm', 'user', false, {}),
    await ref('SR.create', a, config, 0, 'two', '', 'ext', 'user', false, {}),
    await ref('SR.create', b, config, 0, 'three', '', 'ext', 'user', false, {}),
  ];
  const vdi = await ref('VDI.create', {
    name_label: 'd',
    SR: from,
    virtual_size: GIB,
    type: 'user',
    sharable: false,
    read_only: false,
    other_config: { k: 'v' },
  });
  const vm = await ref('VM.create', vmRecord('v'));
  const device = { VM: vm, VDI: vdi, userdevice: '0', mode: 'RW', type: 'Disk', bootable: true, empty: false };
  const vbd = await ref('VBD.create', { ...device, other_config: {}, qos_algorithm_type: '', qos_algorithm_params: {} });
  return {
    daemon,
    call,
    ref,
    record,
    a,
    b,
    from,
    onA,
    onB,
    vdi,
    vm,
    vbd,
    refused: (method: string, ...params: Wire[]) => failure(call(method, ...params)),
  };
}

it('a disk of a running VM moves to other storage of its host, with its snapshots', async () => {
  const { call, ref, record, a, from, onA, vdi, vm, vbd } = await two();
  await call('VM.start_on', vm, a, false, false);
  const snapshot = await ref('VM.snapshot', vm, 's');
  const used = (await record('SR', from)).physical_utilisation as number;
  expect(used).toBe(2 * GIB);
  const moved = await ref('VDI.pool_migrate', vdi, onA, {});
  expect(await record('VBD', vbd)).toMatchObject({ VDI: moved, currently_attached: true });
  const disk = await record('VDI', moved);
  expect(disk).toMatchObject({ SR: onA, name_label: 'd', other_config: { k: 'v' }, virtual_size: GIB, VBDs: [vbd] });
  const [kept] = disk.snapshots as readonly string[];
  expect(await record('VDI', kept!)).toMatchObject({ SR: onA, is_a_snapshot: true, snapshot_of: moved });
  const [itsVbd] = (await call('VM.get_VBDs', snapshot)) as string[];
  expect(await call('VBD.get_VDI', itsVbd!)).toBe(kept);
  expect(await record('SR', from)).toMatchObject({ physical_utilisation: 0, VDIs: [] });
  expect(await ref('VDI.pool_migrate', moved, onA, {}), 'it is there already').toBe(moved);
});

it('a VM takes its disks to the storage of another host, or only them where it is off', async () => {
  const { daemon, call, ref, record, a, b, onA, onB, vdi, vm, vbd } = await two();
  const [pif] = (await call('PIF.get_all_where', 'field "management" = "true"')) as string[];
  const network = await ref('PIF.get_network', pif!);
  const to = async (host: string) => (await call('host.migrate_receive', host, network, {})) as WireStruct;
  await call('VM.migrate_send', vm, await to(a), true, { [vdi]: onA }, {}, {});
  const first = await ref('VBD.get_VDI', vbd);
  expect(await record('VDI', first)).toMatchObject({ SR: onA });
  await call('VM.start_on', vm, a, false, false);
  expect(await failure(call('VM.migrate_send', vm, await to(b), true, { [first]: onA }, {}, {}))).toEqual(['VM_REQUIRES_SR', vm, onA]);
  await call('VM.migrate_send', vm, await to(b), true, { [first]: onB }, {}, {});
  expect(await call('VM.get_resident_on', vm)).toBe(b);
  expect(await record('VDI', await ref('VBD.get_VDI', vbd))).toMatchObject({ SR: onB });
  expect(daemon.database.has('VDI', first)).toBe(false);
});

it('refuses what xapi refuses', async () => {
  const { call, ref, refused, a, onA, onB, from, vdi, vm, vbd } = await two();
  const alone = await ref('VDI.create', {
    name_label: 'e',
    SR: from,
    virtual_size: GIB,
    type: 'user',
    sharable: false,
    read_only: false,
    other_config: {},
  });
  expect(await refused('VDI.pool_migrate', alone, onA, {})).toEqual(['VDI_NEEDS_VM_FOR_MIGRATE', alone]);
  await call('VDI.enable_cbt', vdi);
  expect(await refused('VDI.pool_migrate', vdi, onA, {})).toEqual(['VDI_CBT_ENABLED', vdi]);
  await call('VDI.disable_cbt', vdi);
  const iso = await ref('SR.create', a, { location: '/iso' }, 0, 'i', '', 'iso', 'iso', false, {});
  expect(await refused('VDI.pool_migrate', vdi, iso, {})).toEqual(['SR_DOES_NOT_SUPPORT_MIGRATION', iso, 'VDI_SNAPSHOT;VDI_MIRROR']);
  await call('VM.start_on', vm, a, false, false);
  expect(await refused('VDI.pool_migrate', vdi, onB, {})).toEqual(['NO_HOSTS_AVAILABLE']);
  const [pbd] = (await call('SR.get_PBDs', onA)) as string[];
  await call('PBD.unplug', pbd!);
  expect(await refused('VDI.pool_migrate', vdi, onA, {})).toEqual(['SR_HAS_NO_PBDS', onA]);
  expect(await call('VBD.get_VDI', vbd), 'nothing changed').toBe(vdi);
});
