// Cards of hosts, VLANs, bonds and tunnels: the records that xapi makes of them, in both
// directions, and the code and parameters of each refusal.
import { afterEach, describe, expect, it } from 'vitest';
import { failure, smallHost, type TestDaemon, testDaemon, vmRecord } from '../../../test/support/daemon.js';
import { embeddedHost } from '../../xenopsd/hosts/embedded-host.js';
import type { Wire, WireStruct } from '../wire/values.js';

const NULL = 'OpaqueRef:NULL';
const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

interface Bench extends TestDaemon {
  readonly cards: readonly [eth0: string, eth1: string, eth2: string];
  /** A network without PIFs. */
  readonly network: string;
  record(type: string, ref: Wire): Promise<WireStruct>;
  ref(method: string, ...params: readonly Wire[]): Promise<string>;
  refused(method: string, ...params: readonly Wire[]): Promise<readonly string[]>;
  /** A VM on a network, and its VIF. */
  vmOn(network: Wire, name?: string): Promise<readonly [vm: string, vif: string]>;
}

async function bench(hosts = 1): Promise<Bench> {
  const others = Array.from({ length: hosts - 1 }, () => embeddedHost({ ...smallHost(), name: 'another' }, { profile: 'xapi-25.6' }));
  const daemon = await testDaemon({ others: await Promise.all(others) });
  ends.push(() => daemon.close());
  const { call } = daemon;
  const ref = async (method: string, ...params: readonly Wire[]) => (await call(method, ...params)) as string;
  const pifs = (await call('host.get_PIFs', daemon.objects.host)) as string[];
  return {
    ...daemon,
    ref,
    cards: [pifs[0]!, pifs[1]!, pifs[2]!],
    network: await ref('network.create', { name_label: 'n' }),
    record: async (type, one) => (await call(`${type}.get_record`, one)) as WireStruct,
    refused: (method, ...params) => failure(call(method, ...params)),
    vmOn: async (network, name = 'a') => {
      const vm = await ref('VM.create', vmRecord(name));
      return [vm, await ref('VIF.create', { VM: vm, network, device: '0', MAC: '', MTU: 1500 })];
    },
  };
}

describe('the cards of an embedded host', () => {
  it('are three PIFs, each on a network of its own, of which the first manages the host', async () => {
    const { cards, record, objects } = await bench();
    const records = await Promise.all(cards.map((card) => record('PIF', card)));
    expect(records.map(({ device }) => device)).toEqual(['eth0', 'eth1', 'eth2']);
    expect(records.map(({ management }) => management)).toEqual([true, false, false]);
    expect(new Set(records.map(({ MAC: mac }) => mac)).size).toBe(3);
    for (const [index, pif] of records.entries()) {
      expect(pif).toMatchObject({ host: objects.host, physical: true, currently_attached: true, VLAN: -1, bond_slave_of: NULL });
      expect(await record('network', pif.network!)).toMatchObject({ bridge: `xenbr${index}`, PIFs: [cards[index]] });
    }
  });

  it('can be forgotten and found again, by a scan or by name and address', async () => {
    const { cards, call, record, ref, refused, objects } = await bench();
    const { MAC: mac, network } = await record('PIF', cards[1]);
    expect(await refused('PIF.forget', cards[0])).toEqual(['PIF_IS_MANAGEMENT_INTERFACE', cards[0]]);
    await call('PIF.forget', cards[1]);
    expect(await refused('PIF.get_record', cards[1])).toEqual(['HANDLE_INVALID', 'PIF', cards[1]]);
    await call('PIF.scan', objects.host);
    await call('PIF.scan', objects.host);
    const found = ((await call('host.get_PIFs', objects.host)) as string[]).filter((one) => !cards.includes(one));
    expect(found).toHaveLength(1);
    expect(await record('PIF', found[0]!)).toMatchObject({ device: 'eth1', MAC: mac, network, currently_attached: false });
    expect(await refused('PIF.introduce', objects.host, '', 'eth1', true)).toEqual(['DUPLICATE_PIF_DEVICE_NAME', 'eth1']);
    await call('PIF.forget', found[0]!);
    const other = '02:00:00:00:00:01';
    expect(await refused('PIF.introduce', objects.host, other, 'eth1', true)).toEqual([
      'COULD_NOT_FIND_NETWORK_INTERFACE_WITH_SPECIFIED_DEVICE_NAME_AND_MAC_ADDRESS',
      'eth1',
      other,
    ]);
    expect(await refused('PIF.introduce', objects.host, '', 'eth9', true)).toEqual(['MAC_INVALID', '']);
    const again = await ref('PIF.introduce', objects.host, String(mac).toUpperCase(), 'eth1', true);
    expect(await record('PIF', again)).toMatchObject({ device: 'eth1', MAC: mac, network });
  });

  it('have addresses that are valid, and the management interface always has one', async () => {
    const { cards, call, record, refused } = await bench();
    const [eth0, eth1] = cards;
    const ip = (pif: string, ...params: string[]) => refused('PIF.reconfigure_ip', pif, ...params);
    expect(await ip(eth1, 'Static', '10.0.0.300', '255.255.255.0', '', '')).toEqual(['INVALID_IP_ADDRESS_SPECIFIED', 'IP']);
    expect(await ip(eth1, 'Static', '10.0.0.3', '', '', '')).toEqual(['INVALID_IP_ADDRESS_SPECIFIED', 'netmask']);
    expect(await ip(eth1, 'Static', '10.0.0.3', '255.0.0.0', 'gw', '')).toEqual(['INVALID_IP_ADDRESS_SPECIFIED', 'gateway']);
    expect(await ip(eth0, 'None', '', '', '', '')).toEqual(['PIF_IS_MANAGEMENT_INTERFACE', eth0]);
    await call('PIF.reconfigure_ip', eth1, 'Static', '10.0.0.3', '255.0.0.0', '10.0.0.1', '10.0.0.2,fe80::1');
    await call('PIF.reconfigure_ipv6', eth1, 'Static', '2001:db8::3/64', '', '2001:db8::1,10.9.9.9');
    expect(await record('PIF', eth1)).toMatchObject({ IP: '10.0.0.3', IPv6: ['2001:db8::3/64'], DNS: '2001:db8::1,10.0.0.2' });
    expect(await refused('PIF.reconfigure_ipv6', eth1, 'Static', '2001:db8::3', '', '')).toEqual([
      'INVALID_CIDR_ADDRESS_SPECIFIED',
      'IPv6',
    ]);
    expect(await refused('PIF.set_property', eth1, 'gro', 'maybe')).toEqual(['INVALID_VALUE', 'properties', 'gro = maybe']);
    expect(await refused('PIF.set_primary_address_type', eth0, 'IPv6')).toEqual(['PIF_IS_MANAGEMENT_INTERFACE', eth0]);
  });

  it('come up with a VM on their network, and are not unplugged under it', async () => {
    const { cards, call, record, refused, vmOn } = await bench();
    const { network } = await record('PIF', cards[1]);
    await call('PIF.unplug', cards[1]);
    const [vm, vif] = await vmOn(network!);
    expect(await call('PIF.get_currently_attached', cards[1])).toBe(false);
    await call('VM.start', vm, false, false);
    expect(await call('PIF.get_currently_attached', cards[1])).toBe(true);
    expect(await refused('PIF.unplug', cards[1])).toEqual(['VIF_IN_USE', network, vif]);
    expect(await refused('network.set_default_locking_mode', network!, 'disabled')).toEqual(['VIF_IN_USE', network, vif]);
    await call('VM.hard_shutdown', vm);
    await call('PIF.set_disallow_unplug', cards[1], true);
    expect(await refused('PIF.unplug', cards[1])).toEqual(['PIF_DOES_NOT_ALLOW_UNPLUG', cards[1]]);
  });
});

describe('a VLAN', () => {
  it('has a PIF of its own on another network, plugged, and goes with it', async () => {
    const { cards, network, call, ref, record, refused } = await bench();
    const vlan = await ref('VLAN.create', cards[1], 42, network);
    const { untagged_PIF: untagged, ...rest } = await record('VLAN', vlan);
    expect(rest).toMatchObject({ tagged_PIF: cards[1], tag: 42 });
    const card = await record('PIF', cards[1]);
    expect(card.VLAN_slave_of).toEqual([vlan]);
    expect(await record('PIF', untagged!)).toMatchObject({
      ...{ device: 'eth1', VLAN: 42, VLAN_master_of: vlan, network, MAC: 'fe:ff:ff:ff:ff:ff', metrics: card.metrics },
      ...{ physical: false, currently_attached: true, management: false, ip_configuration_mode: 'None' },
    });
    expect((await record('network', network)).PIFs).toEqual([untagged]);
    expect(await refused('network.destroy', network)).toEqual(['NETWORK_CONTAINS_PIF', untagged]);
    expect(await refused('PIF.forget', cards[1])).toEqual(['PIF_VLAN_STILL_EXISTS', cards[1]]);
    expect(await refused('PIF.destroy', cards[1])).toEqual(['PIF_IS_PHYSICAL']);
    await call('VLAN.destroy', vlan);
    expect((await record('PIF', cards[1])).VLAN_slave_of).toEqual([]);
    expect(await refused('PIF.get_record', untagged!)).toEqual(['HANDLE_INVALID', 'PIF', untagged]);
    await call('network.destroy', network);
    expect(await call('PIF_metrics.get_all')).toHaveLength(3);
  });

  it('is refused where xapi refuses it, and nothing of it is left', async () => {
    const { cards, network, call, ref, refused, record } = await bench();
    const before = await call('PIF.get_all');
    const [, eth1, eth2] = cards;
    expect(await refused('VLAN.create', eth1, 4095, network)).toEqual(['VLAN_TAG_INVALID', '4095']);
    expect(await refused('VLAN.create', eth1, -1, network)).toEqual(['VLAN_TAG_INVALID', '-1']);
    const { network: other } = await record('PIF', eth2);
    expect(await refused('VLAN.create', eth1, 4, other!)).toEqual(['NETWORK_ALREADY_CONNECTED', await call('PIF.get_host', eth1), eth2]);
    const unmanaged = await ref('network.create', { name_label: 'u', bridge: 'mine', managed: false });
    expect(await refused('VLAN.create', eth1, 4, unmanaged)).toEqual(['NETWORK_UNMANAGED', unmanaged]);
    expect(await call('PIF.get_all')).toEqual(before);
    const pif = await ref('PIF.create_VLAN', 'eth1', network, await call('PIF.get_host', eth1), 4);
    const second = await ref('network.create', { name_label: 'second' });
    expect(await refused('VLAN.create', eth1, 4, second)).toEqual(['PIF_VLAN_EXISTS', 'eth1']);
    expect(await refused('VLAN.create', pif, 5, second)).toEqual(['PIF_IS_VLAN', pif]);
    expect(await refused('PIF.create_VLAN', 'eth7', second, await call('PIF.get_host', eth1), 4)).toEqual([
      'INVALID_VALUE',
      'device',
      'eth7',
    ]);
    await call('PIF.destroy', pif);
    expect(await call('VLAN.get_all')).toEqual([]);
  });

  it('of a pool is on each host that is up, or on none', async () => {
    const { cards, network, call, ref, refused, objects } = await bench(3);
    const hosts = (await call('host.get_all')) as string[];
    const pifs = (await call('pool.create_VLAN_from_PIF', cards[1], network, 7)) as string[];
    expect(await Promise.all(pifs.map((pif) => call('PIF.get_host', pif)))).toEqual(hosts);
    expect((await call('network.get_PIFs', network)) as string[]).toEqual(pifs);
    const second = await ref('network.create', { name_label: 'second' });
    await call('VLAN.destroy', await call('PIF.get_VLAN_master_of', pifs[0]!));
    // The coordinator has no VLAN 7 now, and another host still does.
    expect(await refused('pool.create_VLAN_from_PIF', cards[1], second, 7)).toEqual(['PIF_VLAN_EXISTS', 'eth1']);
    expect(await call('network.get_PIFs', second)).toEqual([]);
    expect(await call('pool.create_VLAN', 'eth2', second, 8)).toHaveLength(3);
    const away = hosts.find((host) => host !== objects.host)!;
    await call('pool.eject', away);
    const vlans = Object.values((await call('VLAN.get_all_records')) as Record<string, WireStruct>);
    const left = new Set((await call('PIF.get_all')) as string[]);
    expect(vlans).toHaveLength(3);
    expect(vlans.every((vlan) => left.has(String(vlan.tagged_PIF)) && left.has(String(vlan.untagged_PIF)))).toBe(true);
  });
});

describe('a bond', () => {
  it('takes over the address, the management, VLANs and VIFs of its members, and gives them back', async () => {
    const { cards, network, call, ref, record, refused, vmOn } = await bench();
    const [eth0, eth1] = cards;
    const address = ((await record('PIF', eth0)).IP as string) || '';
    const [vm, vif] = await vmOn(await call('PIF.get_network', eth1));
    const tagged = await ref('network.create', { name_label: 'tagged' });
    const vlan = await ref('VLAN.create', eth1, 9, tagged);
    await call('VM.start', vm, false, false);
    const bond = await ref('Bond.create', network, [eth1, eth0], '', 'balance-slb', {});
    const { master, slaves, ...rest } = await record('Bond', bond);
    expect(rest).toMatchObject({ primary_slave: eth0, mode: 'balance-slb', auto_update_mac: true, properties: {} });
    expect(slaves).toEqual([eth1, eth0]);
    expect(await record('PIF', master!)).toMatchObject({
      ...{ device: 'bond0', bond_master_of: [bond], MAC: (await record('PIF', eth0)).MAC, management: true, currently_attached: true },
      ...{ IP: address, ip_configuration_mode: 'Static', physical: false, network },
    });
    for (const member of [eth0, eth1]) {
      expect(await record('PIF', member)).toMatchObject({
        ...{ bond_slave_of: bond, currently_attached: false, management: false, IP: '', ip_configuration_mode: 'None', VLAN_slave_of: [] },
      });
    }
    expect(await call('VIF.get_network', vif)).toBe(network);
    expect(await refused('VLAN.get_record', vlan)).toEqual(['HANDLE_INVALID', 'VLAN', vlan]);
    const [moved] = (await call('PIF.get_VLAN_slave_of', master!)) as string[];
    expect(await record('VLAN', moved!)).toMatchObject({ tag: 9, tagged_PIF: master });
    expect(await record('PIF', await call('VLAN.get_untagged_PIF', moved!))).toMatchObject({
      ...{ network: tagged, device: 'bond0', currently_attached: true },
    });

    await call('Bond.destroy', bond);
    expect(await refused('PIF.get_record', master!)).toEqual(['HANDLE_INVALID', 'PIF', master]);
    expect(await record('PIF', eth0)).toMatchObject({ management: true, currently_attached: true, IP: address, bond_slave_of: NULL });
    expect(await record('PIF', eth1)).toMatchObject({ management: false, currently_attached: true, bond_slave_of: NULL });
    // What the bond had is on the primary member now.
    expect(await call('VIF.get_network', vif)).toBe(await call('PIF.get_network', eth0));
    expect(await call('PIF.get_VLAN_slave_of', eth0)).toHaveLength(1);
    expect((await call('PIF.get_all')) as string[]).toHaveLength(4);
    expect(await call('PIF_metrics.get_all')).toHaveLength(3);
  });

  it('is refused where xapi refuses it, and nothing of it is left', async () => {
    const { cards, network, call, ref, refused } = await bench(2);
    const [eth0, eth1, eth2] = cards;
    const before = JSON.stringify(await call('PIF.get_all_records'));
    const bond = (members: string[], mac = '', mode = 'active-backup', properties = {}) =>
      refused('Bond.create', network, members, mac, mode, properties);
    expect(await bond([])).toEqual(['PIF_BOND_NEEDS_MORE_MEMBERS']);
    expect(await bond([eth1], 'x')).toEqual(['MAC_INVALID', 'x']);
    expect(await bond([eth1], '', 'active-backup', { hashing_algorithm: 'src_mac' })).toEqual([
      'INVALID_VALUE',
      'properties',
      'hashing_algorithm = src_mac',
    ]);
    expect(await bond([eth1], '', 'lacp', { 'lacp-time': 'soon' })).toEqual(['INVALID_VALUE', 'properties', 'lacp-time = soon']);
    const hosts = (await call('host.get_all')) as string[];
    const [there] = (await call('host.get_PIFs', hosts[1]!)) as string[];
    expect(await bond([eth1, there!])).toEqual(['PIF_CANNOT_BOND_CROSS_HOST']);
    expect(JSON.stringify(await call('PIF.get_all_records'))).toBe(before);
    expect(await call('Bond.get_all')).toEqual([]);

    await call('PIF.set_property', eth2, 'gro', 'off');
    expect(await bond([eth1, eth2])).toEqual(['INCOMPATIBLE_PIF_PROPERTIES']);
    await call('PIF.set_property', eth2, 'gro', 'on');
    await call('PIF.reconfigure_ip', eth1, 'DHCP', '', '', '', '');
    expect(await bond([eth0, eth1])).toEqual(['PIF_BOND_MORE_THAN_ONE_IP']);
    await call('PIF.set_primary_address_type', eth1, 'IPv6');
    expect(await bond([eth0, eth1])).toEqual(['PIF_INCOMPATIBLE_PRIMARY_ADDRESS_TYPE', eth1]);
    const tagged = await ref('network.create', { name_label: 'tagged' });
    const pif = await ref('PIF.create_VLAN', 'eth2', tagged, hosts[0]!, 3);
    expect(await bond([pif])).toEqual(['PIF_VLAN_EXISTS', 'eth2']);
  });

  it('holds its members: they are not plugged, forgotten, in another bond, nor under a VLAN or a VM', async () => {
    const { cards, network, call, ref, refused, vmOn, objects } = await bench();
    const [, eth1, eth2] = cards;
    const own = (await call('PIF.get_network', eth1)) as string;
    const mac = '02:00:00:00:00:07';
    const bond = await ref('Bond.create', network, [eth1, eth2, eth1], mac, 'lacp', {});
    expect(await call('Bond.get_slaves', bond)).toEqual([eth1, eth2]);
    const master = (await call('Bond.get_master', bond)) as string;
    expect([await call('PIF.get_MAC', master), await call('Bond.get_auto_update_mac', bond)]).toEqual([mac, false]);
    expect(await call('Bond.get_properties', bond)).toEqual({
      ...{ hashing_algorithm: 'tcpudp_ports', 'lacp-time': 'slow', 'lacp-fallback-ab': 'true' },
    });
    const other = await ref('network.create', { name_label: 'other' });
    expect(await refused('PIF.plug', eth1)).toEqual(['CANNOT_PLUG_BOND_SLAVE', eth1]);
    expect(await refused('PIF.forget', eth1)).toEqual(['PIF_ALREADY_BONDED', eth1]);
    expect(await refused('PIF.forget', master)).toEqual(['PIF_ALREADY_BONDED', master]);
    expect(await refused('PIF.set_property', eth1, 'gro', 'off')).toEqual(['CANNOT_CHANGE_PIF_PROPERTIES', eth1]);
    expect(await refused('Bond.create', other, [eth1], '', 'lacp', {})).toEqual(['PIF_ALREADY_BONDED', eth1]);
    expect(await refused('Bond.create', other, [master], '', 'lacp', {})).toEqual(['PIF_ALREADY_BONDED', master]);
    expect(await refused('VLAN.create', eth1, 5, other)).toEqual(['CANNOT_ADD_VLAN_TO_BOND_SLAVE', eth1]);
    expect(await refused('tunnel.create', eth1, other, 'gre')).toEqual(['CANNOT_ADD_TUNNEL_TO_BOND_SLAVE', eth1]);
    const [vm] = await vmOn(own);
    expect(await refused('VM.start_on', vm, objects.host, false, false)).toEqual(['HOST_CANNOT_ATTACH_NETWORK', objects.host, own]);
    const [running, vif] = await vmOn(network, 'b');
    await call('VM.start', running, false, false);
    expect(await refused('VIF.move', vif, own)).toEqual(['HOST_CANNOT_ATTACH_NETWORK', objects.host, own]);
    await call('Bond.set_property', bond, 'lacp-aggregation-key', '7');
    expect(await refused('Bond.set_property', bond, 'lacp-aggregation-key', 'x')).toEqual([
      ...['INVALID_VALUE', 'properties', 'lacp-aggregation-key = x'],
    ]);
    await call('PIF.set_property', master, 'gro', 'off');
    expect(await call('PIF.get_properties', eth2)).toEqual({ gro: 'off' });
    await call('Bond.set_mode', bond, 'active-backup');
    expect(await call('Bond.get_properties', bond)).toEqual({});
  });

  it('moves only the VIFs of VMs that are on its host, or that can run nowhere else', async () => {
    const { cards, network, call, refused, ref, vmOn } = await bench(2);
    const hosts = (await call('host.get_all')) as string[];
    const own = await call('PIF.get_network', cards[1]);
    const [here, hereVif] = await vmOn(own, 'here');
    const [there, thereVif] = await vmOn(own, 'there');
    const [, anywhereVif] = await vmOn(own, 'anywhere');
    await call('VM.start_on', here, hosts[0]!, false, false);
    await call('VM.start_on', there, hosts[1]!, false, false);
    const bond = await ref('Bond.create', network, [cards[1]], '', 'balance-slb', {});
    const networks = await Promise.all([hereVif, thereVif, anywhereVif].map((vif) => call('VIF.get_network', vif)));
    expect(networks).toEqual([network, own, own]);
    expect((await refused('VM.pool_migrate', there, hosts[0]!, {}))[0]).toBe('HOST_CANNOT_ATTACH_NETWORK');
    await call('Bond.destroy', bond);
    expect(await refused('VM.pool_migrate', there, hosts[0]!, {})).toEqual(['success']);
  });
});

describe('tunnels and SR-IOV', () => {
  it('a tunnel needs a transport with an address, and has an access PIF', async () => {
    const { cards, network, call, ref, refused, record } = await bench();
    const [eth0, eth1] = cards;
    expect(await refused('tunnel.create', eth1, network, 'gre')).toEqual(['TRANSPORT_PIF_NOT_CONFIGURED', eth1]);
    expect(await call('tunnel.get_all')).toEqual([]);
    const tunnel = await ref('tunnel.create', eth0, network, 'vxlan');
    const { access_PIF: access, ...rest } = await record('tunnel', tunnel);
    expect(rest).toMatchObject({ transport_PIF: eth0, protocol: 'vxlan', status: { active: 'false' } });
    expect(await record('PIF', access!)).toMatchObject({ device: 'tunnel0', tunnel_access_PIF_of: [tunnel], currently_attached: true });
    expect(await call('PIF.get_tunnel_transport_PIF_of', eth0)).toEqual([tunnel]);
    const other = await ref('network.create', { name_label: 'other' });
    expect(await refused('VLAN.create', access!, 5, other)).toEqual(['IS_TUNNEL_ACCESS_PIF', access]);
    await call('tunnel.destroy', tunnel);
    expect(await refused('PIF.get_record', access!)).toEqual(['HANDLE_INVALID', 'PIF', access]);
  });

  it('no card has SR-IOV', async () => {
    const { cards, network, refused, ref, objects } = await bench();
    expect(await refused('network_sriov.create', cards[1], network)).toEqual(['PIF_IS_NOT_SRIOV_CAPABLE', cards[1]]);
    const pif = await ref('PIF.create_VLAN', 'eth1', network, objects.host, 3);
    const other = await ref('network.create', { name_label: 'other' });
    expect(await refused('network_sriov.create', pif, other)).toEqual(['PIF_IS_NOT_PHYSICAL', pif]);
  });
});
