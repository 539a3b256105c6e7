// VM.migrate_send between the hosts of a pool, as Xen Orchestra and XenCenter call it.
import { afterEach, expect, it } from 'vitest';
import { failure, type TestDaemon, vmRecord } from '../../../../test/support/daemon.js';
import { twoHosts } from '../../../../test/support/two-hosts.js';
import type { Wire, WireStruct } from '../../wire/values.js';

const open: TestDaemon[] = [];
afterEach(async () => {
  for (const daemon of open.splice(0)) await daemon.close();
});

async function two() {
  const daemon = await twoHosts();
  open.push(daemon);
  const { call } = daemon;
  const [a, b] = daemon.hosts.all.map(({ ref }) => ref) as [string, string];
  const [pif] = (await call('PIF.get_all_where', 'field "management" = "true"')) as string[];
  const network = (await call('PIF.get_network', pif!)) as string;
  const vm = (await call('VM.create', vmRecord('v'))) as string;
  await call('VM.start_on', vm, a, false, false);
  return { daemon, call, a, b, network, vm };
}

it('a running VM moves to the host that migrate_receive describes', async () => {
  const { call, a, b, network, vm } = await two();
  const dest = (await call('host.migrate_receive', b, network, {})) as WireStruct;
  expect(Object.keys(dest).sort()).toEqual(['SM', 'host', 'master', 'session_id', 'xenops']);
  expect(await call('VM.get_resident_on', vm)).toBe(a);
  await call('VM.assert_can_migrate', vm, dest, true, {}, {}, {});
  expect(await call('VM.migrate_send', vm, dest, true, {}, {}, {})).toBe(vm);
  expect(await call('VM.get_resident_on', vm)).toBe(b);
});

it('what cannot move is refused with the codes of xapi', async () => {
  const { daemon, call, b, network, vm } = await two();
  const dest = (await call('host.migrate_receive', b, network, {})) as WireStruct;
  const send = (to: WireStruct, disks: WireStruct, cards: WireStruct, options: WireStruct = {}) =>
    failure(call('VM.migrate_send', vm, to, true, disks, cards, options));
  expect((await send(dest, {}, {}, { copy: 'true' }))[0]).toBe('OPERATION_NOT_ALLOWED');
  expect((await send(dest, {}, { 'OpaqueRef:a': network }))[0]).toBe('OPERATION_NOT_ALLOWED');
  expect(await send({ host: b }, {}, {})).toEqual(['INTERNAL_ERROR', 'Not_found']);
  expect(await send({ ...dest, host: 'OpaqueRef:elsewhere' }, {}, {})).toEqual(['NOT_IMPLEMENTED', 'VM.migrate_send']);
  const sr = (await call('pool.get_default_SR', daemon.objects.pool)) as string;
  const disk = { name_label: 'd', SR: sr, virtual_size: 2 ** 21, type: 'user', sharable: false, read_only: false, other_config: {} };
  const vdi = (await call('VDI.create', disk)) as string;
  const drive: Readonly<Record<string, Wire>> = {
    VM: vm,
    VDI: vdi,
    userdevice: '0',
    bootable: true,
    mode: 'RW',
    type: 'Disk',
    empty: false,
  };
  await call('VBD.create', { ...drive, other_config: {}, qos_algorithm_type: '', qos_algorithm_params: {} });
  expect(await send(dest, {}, {})).toEqual(['VDI_NOT_IN_MAP', vdi]);
  const [other] = ((await call('SR.get_all')) as string[]).filter((one) => one !== sr);
  expect(await send(dest, { [vdi]: other! }, {})).toEqual(['SR_DOES_NOT_SUPPORT_MIGRATION', other, 'VDI_SNAPSHOT;VDI_MIRROR']);
  const [spare] = (await call('PIF.get_all_where', 'field "management" = "false"')) as string[];
  expect((await failure(call('host.migrate_receive', b, (await call('PIF.get_network', spare!))!, {})))[0]).toMatch(
    /^(INTERFACE_HAS_NO_IP|REQUIRED_PIF_IS_UNPLUGGED)$/,
  );
});
