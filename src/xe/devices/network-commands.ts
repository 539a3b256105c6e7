// The commands of xe on networks, network cards, VLANs, bonds and tunnels (cli_operations.ml of
// xen-api e2ee48d6).
import { XapiError } from '../../xapi-client/errors.js';
import { asList, asText } from '../../xapi-client/values.js';
import { paramOf } from '../command-line.js';
import { XeFailure } from '../failures.js';
import { parseBool } from '../field.js';
import { flag, required } from '../objects.js';
import type { Run } from '../operations.js';
import { command, mapParam, type Named, printUuid, refOf, simple } from './shared.js';

async function makeNetwork(run: Run): Promise<void> {
  const { params } = run;
  const mtu = paramOf(params, 'MTU') ?? '1500';
  if (!/^\d{1,6}$/.test(mtu)) throw new XeFailure(`Failed to parse parameter 'MTU': expecting an integer`);
  const managed = paramOf(params, 'managed');
  const record = {
    name_label: required(params, 'name-label'),
    name_description: paramOf(params, 'name-description') ?? '',
    MTU: Number(mtu),
    other_config: {},
    bridge: paramOf(params, 'bridge') ?? '',
    managed: managed === undefined || parseBool('managed', managed),
    tags: [],
  };
  await printUuid(run, 'network', await run.context.session.call('network.create', [record]));
}

async function makeVif(run: Run): Promise<void> {
  const { params, context } = run;
  const network = await refOf(run, 'network', 'network-uuid');
  const mac = paramOf(params, 'mac') ?? '';
  const record = {
    device: required(params, 'device'),
    network,
    VM: await refOf(run, 'VM', 'vm-uuid'),
    MAC: mac === 'random' ? '' : mac,
    MTU: await context.session.call('network.get_MTU', [network]),
    other_config: {},
    qos_algorithm_type: '',
    qos_algorithm_params: {},
  };
  await printUuid(run, 'VIF', await context.session.call('VIF.create', [record]));
}

export const NETWORK_COMMANDS: readonly Named[] = [
  command(
    'network-create',
    ['name-label'],
    ['name-description', 'MTU', 'bridge', 'managed'],
    'Creates a network; prints its uuid.',
    makeNetwork,
  ),
  simple('network-destroy', 'network', 'destroy', 'Destroys a network that nothing is attached to.'),
  command('vif-create', ['device', 'network-uuid', 'vm-uuid'], ['mac'], 'Creates a VIF; prints its uuid.', makeVif),
  simple('vif-destroy', 'VIF', 'destroy', 'Destroys a VIF.'),
  simple('vif-plug', 'VIF', 'plug', 'Attaches a VIF to its running VM.'),
  command('vif-unplug', ['uuid'], ['force'], 'Detaches a VIF from its running VM.', async (run) => {
    await run.context.session.call(flag(run.params, 'force') ? 'VIF.unplug_force' : 'VIF.unplug', [await refOf(run, 'VIF')]);
  }),
  command('vif-move', ['uuid', 'network-uuid'], [], 'Moves a VIF to another network.', async (run) => {
    await run.context.session.call('VIF.move', [await refOf(run, 'VIF'), await refOf(run, 'network', 'network-uuid')]);
  }),
  command('vif-configure-ipv4', ['uuid', 'mode'], ['address', 'gateway'], "Sets the IPv4 address of a VIF's guest.", (run) =>
    configureVif(run, 'ipv4'),
  ),
  command('vif-configure-ipv6', ['uuid', 'mode'], ['address', 'gateway'], "Sets the IPv6 address of a VIF's guest.", (run) =>
    configureVif(run, 'ipv6'),
  ),
  simple('pif-plug', 'PIF', 'plug', 'Brings a network interface up.'),
  simple('pif-unplug', 'PIF', 'unplug', 'Takes a network interface down.'),
  command('pif-scan', ['host-uuid'], [], 'Looks for network interfaces of a host.', async (run) => {
    await run.context.session.call('PIF.scan', [await refOf(run, 'host', 'host-uuid')]);
  }),
  command(
    'pif-introduce',
    ['host-uuid', 'device'],
    ['mac', 'managed'],
    'Makes the PIF of a network card; prints its uuid.',
    async (run) => {
      const managed = paramOf(run.params, 'managed');
      const card = [
        paramOf(run.params, 'mac') ?? '',
        required(run.params, 'device'),
        managed === undefined || parseBool('managed', managed),
      ];
      await printUuid(run, 'PIF', await run.context.session.call('PIF.introduce', [await refOf(run, 'host', 'host-uuid'), ...card]));
    },
  ),
  simple('pif-forget', 'PIF', 'forget', 'Removes the PIF of a network card.'),
  command('pif-reconfigure-ip', ['uuid', 'mode'], ['IP', 'netmask', 'gateway', 'DNS'], 'Sets the IPv4 address of a PIF.', async (run) => {
    const mode = wordOf(run, 'mode', ['None', 'DHCP', 'Static'], "'dhcp','none' or 'static'");
    const address = ['IP', 'netmask', 'gateway', 'DNS'].map((name) => inAnyCase(run, name));
    await run.context.session.call('PIF.reconfigure_ip', [await refOf(run, 'PIF'), mode, ...address]);
  }),
  command('pif-reconfigure-ipv6', ['uuid', 'mode'], ['IPv6', 'gateway', 'DNS'], 'Sets the IPv6 address of a PIF.', async (run) => {
    const mode = wordOf(run, 'mode', ['None', 'DHCP', 'Static', 'Autoconf'], "'dhcp','none' 'autoconf' or 'static'");
    const address = ['IPv6', 'gateway', 'DNS'].map((name) => inAnyCase(run, name));
    await run.context.session.call('PIF.reconfigure_ipv6', [await refOf(run, 'PIF'), mode, ...address]);
  }),
  command('pif-set-primary-address-type', ['uuid', 'primary_address_type'], [], 'Sets the primary kind of addresses.', async (run) => {
    const type = wordOf(run, 'primary_address_type', ['IPv4', 'IPv6'], "'ipv4' or 'ipv6'");
    await run.context.session.call('PIF.set_primary_address_type', [await refOf(run, 'PIF'), type]);
  }),
  command('vlan-create', ['pif-uuid', 'vlan', 'network-uuid'], [], 'Makes a VLAN on a host; prints the uuid of its PIF.', async (run) => {
    const { session } = run.context;
    const [network, pif] = [await refOf(run, 'network', 'network-uuid'), await refOf(run, 'PIF', 'pif-uuid')];
    const vlan = await session.call('VLAN.create', [pif, tagOf(run), network]);
    await printUuid(run, 'PIF', await session.call('VLAN.get_untagged_PIF', [vlan]));
  }),
  command('pool-vlan-create', ['pif-uuid', 'vlan', 'network-uuid'], [], 'Makes a VLAN on each host; prints the PIFs.', async (run) => {
    const { session } = run.context;
    const [network, pif] = [await refOf(run, 'network', 'network-uuid'), await refOf(run, 'PIF', 'pif-uuid')];
    const pifs = asList(await session.call('pool.create_VLAN_from_PIF', [pif, network, tagOf(run)]));
    run.printer.list(await Promise.all(pifs.map(async (one) => asText(await session.call('PIF.get_uuid', [one])))));
  }),
  command('vlan-destroy', ['uuid'], [], 'Destroys a VLAN, which is named by its own uuid or by that of its PIF.', destroyVlan),
  command('tunnel-create', ['pif-uuid', 'network-uuid'], ['protocol'], 'Makes a tunnel; prints the uuid of its PIF.', async (run) => {
    const { session } = run.context;
    const [network, pif] = [await refOf(run, 'network', 'network-uuid'), await refOf(run, 'PIF', 'pif-uuid')];
    const protocol = wordOf(run, 'protocol', ['gre', 'vxlan'], "'gre','vxlan'", 'gre');
    const tunnel = await session.call('tunnel.create', [pif, network, protocol]);
    await printUuid(run, 'PIF', await session.call('tunnel.get_access_PIF', [tunnel]));
  }),
  simple('tunnel-destroy', 'tunnel', 'destroy', 'Destroys a tunnel.'),
  command('bond-create', ['network-uuid', 'pif-uuids'], ['mac', 'mode', 'properties:'], 'Bonds PIFs; prints the uuid.', async (run) => {
    const { session } = run.context;
    const network = await refOf(run, 'network', 'network-uuid');
    const uuids = required(run.params, 'pif-uuids').split(',');
    const pifs = await Promise.all(uuids.map((uuid) => session.call('PIF.get_by_uuid', [uuid])));
    const how = [paramOf(run.params, 'mac') ?? '', bondMode(run), mapParam(run, 'properties')];
    await printUuid(run, 'Bond', await session.call('Bond.create', [network, pifs, ...how]));
  }),
  simple('bond-destroy', 'Bond', 'destroy', 'Takes a bond apart.'),
  command('bond-set-mode', ['uuid', 'mode'], [], 'Changes the mode of a bond.', async (run) => {
    await run.context.session.call('Bond.set_mode', [await refOf(run, 'Bond'), bondMode(run)]);
  }),
  command('network-sriov-create', ['pif-uuid', 'network-uuid'], [], 'Makes a network of SR-IOV; prints its uuid.', async (run) => {
    const [pif, network] = [await refOf(run, 'PIF', 'pif-uuid'), await refOf(run, 'network', 'network-uuid')];
    await printUuid(run, 'network_sriov', await run.context.session.call('network_sriov.create', [pif, network]));
  }),
];

/** A word in any case, as the API writes it. */
function wordOf({ params }: Run, name: string, words: readonly string[], expected: string, otherwise?: string): string {
  const given = paramOf(params, name) ?? otherwise ?? required(params, name);
  const found = words.find((word) => word.toLowerCase() === given.toLowerCase());
  if (found === undefined) throw new XeFailure(`Expected ${expected}, got ${given.toLowerCase()}`);
  return found;
}

/** IP and DNS are taken in any case. */
function inAnyCase({ params }: Run, name: string): string {
  return params.find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1] ?? '';
}

function bondMode({ params }: Run): string {
  const given = (paramOf(params, 'mode') ?? '').toLowerCase();
  if (given === '') return 'balance-slb';
  if (!['balance-slb', 'active-backup', 'lacp'].includes(given)) throw new XeFailure(`Invalid bond mode. Got ${given}`);
  return given;
}

function tagOf({ params }: Run): number {
  const text = required(params, 'vlan');
  if (!/^-?\d{1,15}$/.test(text)) throw new XeFailure("Failed to parse parameter 'vlan': expecting an integer");
  return Number(text);
}

async function destroyVlan(run: Run): Promise<void> {
  const { session } = run.context;
  const uuid = required(run.params, 'uuid');
  try {
    await session.call('VLAN.destroy', [await session.call('VLAN.get_by_uuid', [uuid])]);
  } catch (error) {
    if (!(error instanceof XapiError) || error.code === 'HANDLE_INVALID') throw error;
    const pif = await session.call('PIF.get_by_uuid', [uuid]).catch(() => null);
    if (pif === null) throw error;
    await session.call('PIF.destroy', [pif]);
  }
}

async function configureVif(run: Run, version: 'ipv4' | 'ipv6'): Promise<void> {
  const mode = wordOf(run, 'mode', ['None', 'Static'], "'none' or 'static'");
  const [address, gateway] = ['address', 'gateway'].map((name) => paramOf(run.params, name) ?? '');
  if (mode === 'Static' && address === '') throw new XeFailure('Required parameter not found: address');
  await run.context.session.call(`VIF.configure_${version}`, [await refOf(run, 'VIF'), mode, address, gateway]);
}
