// How each message that makes a record is called, found in the table of messages by
// test/faults/records.test.ts.
import { type Wire, WireDate } from '../../src/xapi/wire/values.js';
import { vmRecord } from './daemon.js';

export type Call = (method: string, ...params: readonly Wire[]) => Promise<Wire>;

/** What a maker needs that exists before. */
export interface Place {
  readonly call: Call;
  readonly vm: string;
  readonly sr: string;
  readonly vdi: string;
  readonly network: string;
  readonly host: string;
}

export async function place(call: Call): Promise<Place> {
  const [pool] = (await call('pool.get_all')) as string[];
  const sr = (await call('pool.get_default_SR', pool!)) as string;
  const vm = (await call('VM.create', vmRecord('first'))) as string;
  const vdi = (await call('VDI.create', disk(sr))) as string;
  const [network] = (await call('network.get_all')) as string[];
  return { call, vm, sr, vdi, network: network!, host: (await call('pool.get_master', pool!)) as string };
}

/** A network without PIFs; and a card that is not the management interface. */
const another = ({ call }: Place) => call('network.create', { name_label: 'n', name_description: '', MTU: 1500, other_config: {} });
const card = async ({ call, host }: Place) => ((await call('host.get_PIFs', host)) as string[])[1]!;

const disk = (sr: string) => ({
  name_label: 'd',
  SR: sr,
  virtual_size: 2 ** 21,
  type: 'user',
  sharable: false,
  read_only: false,
  other_config: {},
});
const uuid = (index: number) => `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`;

/** metadata_of_pool, is_a_snapshot, snapshot_time and snapshot_of of VDI.introduce. */
const FROM_POOL = ['OpaqueRef:NULL', false, WireDate.at(0), 'OpaqueRef:NULL'];

/** How each of these messages is called once more; index is its number. */
export const MAKERS: Readonly<Record<string, (place: Place, index: number) => Promise<unknown>>> = {
  'VM.create': ({ call }, index) => call('VM.create', vmRecord(`vm${index}`)),
  'message.create': async ({ call, vm }, index) => call('message.create', `m${index}`, 3, 'VM', (await call('VM.get_uuid', vm))!, ''),
  'VM.clone': ({ call, vm }) => call('VM.clone', vm, 'c'),
  'VM.copy': ({ call, vm }) => call('VM.copy', vm, 'c', 'OpaqueRef:NULL'),
  'VM.snapshot': ({ call, vm }) => call('VM.snapshot', vm, 's'),
  'VM.checkpoint': async ({ call, vm }) => {
    if ((await call('VM.get_power_state', vm)) === 'Halted') await call('VM.start', vm, false, true);
    return call('VM.checkpoint', vm, 's');
  },
  'VM.provision': async ({ call, vm, sr }, index) => {
    const uuid = (await call('SR.get_uuid', sr)) as string;
    const disks = `<provision><disk device="${index}" size="2097152" sr="${uuid}" bootable="false" type="system"/></provision>`;
    await call('VM.remove_from_other_config', vm, 'disks');
    await call('VM.add_to_other_config', vm, 'disks', disks);
    await call('VM.set_is_a_template', vm, true);
    return call('VM.provision', vm);
  },
  'VM_appliance.create': ({ call }) => call('VM_appliance.create', { name_label: 'a', name_description: '' }),
  'VM_group.create': ({ call }) => call('VM_group.create', { name_label: 'g', name_description: '', placement: 'normal' }),
  'network.create': ({ call }) => call('network.create', { name_label: 'n', name_description: '', MTU: 1500, other_config: {} }),
  'SR.create': ({ call, host }) => call('SR.create', host, { server: 'a', serverpath: '/b' }, 2 ** 40, 's', '', 'nfs', '', true, {}),
  'SR.introduce': ({ call }, index) => call('SR.introduce', uuid(index), 's', '', 'nfs', '', true, {}),
  'VDI.create': ({ call, sr }) => call('VDI.create', disk(sr)),
  'VDI.clone': ({ call, vdi }) => call('VDI.clone', vdi, {}),
  'VDI.copy': ({ call, vdi, sr }) => call('VDI.copy', vdi, sr, 'OpaqueRef:NULL', 'OpaqueRef:NULL'),
  'VDI.snapshot': ({ call, vdi }) => call('VDI.snapshot', vdi, {}),
  'VDI.introduce': ({ call, sr }, index) => {
    const image = [uuid(index), 'd', '', sr, 'user', false, false, {}, `at${index}`, {}, {}, true, 0, 0];
    return call('VDI.introduce', ...image, ...FROM_POOL);
  },
  'VBD.create': async ({ call, vm, vdi }, index) => {
    const fields = { userdevice: String(index % 200), bootable: false, mode: 'RO', type: 'CD', empty: false, other_config: {} };
    return call('VBD.create', { ...fields, VM: vm, VDI: vdi, qos_algorithm_type: '', qos_algorithm_params: {}, unpluggable: true });
  },
  'VIF.create': ({ call, vm, network }, index) =>
    call('VIF.create', {
      ...{ device: String(index), VM: vm, network, MAC: '', MTU: 1500, other_config: {} },
      ...{ qos_algorithm_type: '', qos_algorithm_params: {} },
    }),
  'VLAN.create': async (where, index) => {
    const network = await another(where);
    return where.call('VLAN.create', await card(where), index, network);
  },
  'tunnel.create': async (where) => {
    const network = await another(where);
    const [pif] = (await where.call('host.get_PIFs', where.host)) as string[];
    return where.call('tunnel.create', pif!, network, 'gre');
  },
  'PIF.create_VLAN': async (where, index) => where.call('PIF.create_VLAN', 'eth1', await another(where), where.host, index),
  'pool.create_VLAN': async (where, index) => where.call('pool.create_VLAN', 'eth1', await another(where), index),
  'pool.create_VLAN_from_PIF': async (where, index) => {
    const network = await another(where);
    return where.call('pool.create_VLAN_from_PIF', await card(where), network, index);
  },
  'PBD.create': async ({ call, host }, index) => {
    const sr = await call('SR.introduce', uuid(index), 's', '', 'nfs', '', true, {});
    return call('PBD.create', { host, SR: sr, device_config: {}, other_config: {} });
  },
};
