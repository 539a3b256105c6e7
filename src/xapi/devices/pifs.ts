// PIFs: what kind each is, when it may be plugged, and what plugging changes (xapi_pif.ml,
// xapi_pif_helpers.ml and nm.ml of xen-api e2ee48d6).
import type { ChangeKind, Database } from '../model/database.js';
import { NULL } from '../model/schema-types.js';
import { deviceErrors } from '../wire/device-errors.js';
import { networkErrors } from '../wire/network-errors.js';
import type { WireStruct } from '../wire/values.js';

export type PifKind = 'tunnel' | 'vlan' | 'bond' | 'physical';

export const refsOf = (record: WireStruct, field: string): readonly string[] => record[field] as readonly string[];

/** get_pif_type: a PIF is of one kind only. */
export function kindOfPif(pif: WireStruct): PifKind {
  if (refsOf(pif, 'tunnel_access_PIF_of').length > 0) return 'tunnel';
  if (pif.VLAN_master_of !== NULL) return 'vlan';
  return refsOf(pif, 'bond_master_of').length > 0 ? 'bond' : 'physical';
}

export function isBondMember(pif: WireStruct): boolean {
  return pif.bond_slave_of !== NULL;
}

/** The PIFs of a network on one host: one at most. */
export function pifsOn(database: Database, network: string, host: string): string[] {
  return refsOf(database.get('network', network), 'PIFs').filter((pif) => database.get('PIF', pif).host === host);
}

/** @throws XapiError PIF_UNMANAGED */
export function assertPifManaged(database: Database, ref: string): void {
  if (database.get('PIF', ref).managed !== true) throw networkErrors.pifUnmanaged(ref);
}

/** @throws XapiError NETWORK_UNMANAGED */
export function assertNetworkManaged(database: Database, ref: string): void {
  if (database.get('network', ref).managed !== true) throw networkErrors.networkUnmanaged(ref);
}

/** @throws XapiError NETWORK_ALREADY_CONNECTED */
export function assertNoOtherPif(database: Database, network: string, host: string): void {
  const [other] = pifsOn(database, network, host);
  if (other !== undefined) throw networkErrors.alreadyConnected(host, other);
}

/** Neither a member nor the master of a bond. @throws XapiError PIF_ALREADY_BONDED */
export function assertNotInBond(database: Database, ref: string): void {
  const pif = database.get('PIF', ref);
  if (isBondMember(pif) || kindOfPif(pif) === 'bond') throw networkErrors.alreadyBonded(ref);
}

/** @throws XapiError PIF_IS_MANAGEMENT_INTERFACE */
export function assertNotManagement(database: Database, ref: string): void {
  if (database.get('PIF', ref).management === true) throw deviceErrors.pifIsManagement(ref);
}

/**
 * The PIF is up (bring_pif_up of nm.ml). The members of a bond are down then, their networks have
 * the bond's MTU, and the bond has the address of its primary member unless another was given.
 */
export function bringUp(database: Database, ref: string, kind?: ChangeKind): void {
  const pif = database.get('PIF', ref);
  const { MTU: mtu } = database.get('network', String(pif.network));
  let mac = pif.MAC!;
  for (const one of refsOf(pif, 'bond_master_of')) {
    const bond = database.get('Bond', one);
    for (const member of refsOf(bond, 'slaves')) {
      database.update('PIF', member, { currently_attached: false }, kind);
      database.update('network', String(database.get('PIF', member).network), { MTU: mtu! }, kind);
    }
    const primary = String(bond.primary_slave);
    if (bond.auto_update_mac === true && database.has('PIF', primary)) mac = database.get('PIF', primary).MAC!;
  }
  database.update('PIF', ref, { currently_attached: true, MTU: mtu!, MAC: mac }, kind);
}

export function bringDown(database: Database, ref: string): void {
  database.update('PIF', ref, { currently_attached: false });
}

/**
 * PIF.plug.
 * @throws XapiError PIF_UNMANAGED, TRANSPORT_PIF_NOT_CONFIGURED, CANNOT_PLUG_BOND_SLAVE
 */
export function plugPif(database: Database, ref: string): void {
  assertPifManaged(database, ref);
  const pif = database.get('PIF', ref);
  const kind = kindOfPif(pif);
  if (kind === 'tunnel') {
    const transport = String(database.get('tunnel', refsOf(pif, 'tunnel_access_PIF_of')[0]!).transport_PIF);
    if (database.get('PIF', transport).ip_configuration_mode === 'None') throw networkErrors.transportNotConfigured(transport);
    plugPif(database, transport);
  }
  if (kind === 'physical' && isBondMember(pif)) throw networkErrors.cannotPlugMember(ref);
  bringUp(database, ref);
}

/**
 * PIF.unplug, with the tunnels that go over the PIF.
 * @throws XapiError PIF_UNMANAGED, PIF_IS_MANAGEMENT_INTERFACE, VIF_IN_USE,
 *   PIF_DOES_NOT_ALLOW_UNPLUG
 */
export function unplugPif(database: Database, ref: string): void {
  assertPifManaged(database, ref);
  assertNotManagement(database, ref);
  const pif = database.get('PIF', ref);
  assertNoVifInUse(database, String(pif.network), String(pif.host));
  if (pif.disallow_unplug === true) throw networkErrors.unplugDisallowed(ref);
  for (const tunnel of refsOf(pif, 'tunnel_transport_PIF_of')) unplugPif(database, String(database.get('tunnel', tunnel).access_PIF));
  // A member of a bond is up and down with the bond.
  if (!isBondMember(pif)) bringDown(database, ref);
}

function assertNoVifInUse(database: Database, network: string, host: string): void {
  for (const vif of refsOf(database.get('network', network), 'VIFs')) {
    const { currently_attached: attached, VM: vm } = database.get('VIF', vif);
    const { resident_on: home, power_state: power } = database.get('VM', String(vm));
    if (attached === true && home === host && (power === 'Running' || power === 'Paused')) throw networkErrors.vifInUse(network, vif);
  }
}

/** @throws XapiError CANNOT_PLUG_BOND_SLAVE: the network's PIF on this host belongs to a bond */
export function assertAttachable(database: Database, network: string, host: string): void {
  for (const pif of pifsOn(database, network, host)) {
    if (isBondMember(database.get('PIF', pif))) throw networkErrors.cannotPlugMember(pif);
  }
}

/**
 * For a migration over a network (assert_valid_ip_configuration_on_network_for_host).
 * @throws XapiError PIF_NOT_PRESENT, REQUIRED_PIF_IS_UNPLUGGED, INTERFACE_HAS_NO_IP
 */
export function assertAddressOn(database: Database, network: string, host: string): void {
  const [ref] = pifsOn(database, network, host);
  if (ref === undefined) throw networkErrors.pifNotPresent(host, network);
  const pif = database.get('PIF', ref);
  if (pif.currently_attached !== true) throw networkErrors.pifIsUnplugged(ref);
  const address = pif.primary_address_type === 'IPv6' ? refsOf(pif, 'IPv6').find((one) => one !== '') : pif.IP;
  if (address === undefined || address === '') throw networkErrors.hasNoIp(ref);
}

/** A VM uses the network on this host, so its PIF is up (attach_internal of xapi_network.ml). */
export function attachNetwork(database: Database, network: string, host: string, kind?: ChangeKind): void {
  if (!database.has('network', network) || database.get('network', network).managed !== true) return;
  for (const ref of pifsOn(database, network, host)) {
    const pif = database.get('PIF', ref);
    if (pif.managed === true && pif.currently_attached !== true && !isBondMember(pif)) bringUp(database, ref, kind);
  }
}

const IP_FIELDS = { ip_configuration_mode: 'None', IP: '', netmask: '', gateway: '', DNS: '' } as const;

/** Bonds and VLANs take over a PIF's IPv4 configuration (move_configuration of xapi_bond.ml). */
export function moveAddress(database: Database, from: string, to: string): void {
  const source = database.get('PIF', from);
  database.update('PIF', to, Object.fromEntries(Object.keys(IP_FIELDS).map((field) => [field, source[field]!])));
  database.update('PIF', from, IP_FIELDS);
}

/** The host is managed through this PIF from now on. */
export function moveManagement(database: Database, to: string): void {
  bringUp(database, to);
  const { host } = database.get('PIF', to);
  for (const [ref, pif] of [...database.records('PIF')]) {
    if (pif.host === host && (pif.management === true || ref === to)) database.update('PIF', ref, { management: ref === to });
  }
}

/** Fields of a PIF that is no card of its own. */
export function derivedPif(more: WireStruct): WireStruct {
  return { currently_attached: false, physical: false, managed: true, ip_configuration_mode: 'None', IPv6: [''], ...more };
}
