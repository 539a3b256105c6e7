// VLANs and tunnels: each is an object between the PIF that carries it and a PIF of its own
// (xapi_vlan.ml and xapi_tunnel.ml of xen-api e2ee48d6).
import { randomUUID } from 'node:crypto';
import type { Database } from '../model/database.js';
import { xapiErrors } from '../wire/errors.js';
import { networkErrors } from '../wire/network-errors.js';
import { structOf, type WireStruct } from '../wire/values.js';
import { createLinked, destroyLinked } from './links.js';
import {
  assertNetworkManaged,
  assertNoOtherPif,
  assertNotInBond,
  assertPifManaged,
  derivedPif,
  isBondMember,
  kindOfPif,
  plugPif,
  refsOf,
  unplugPif,
} from './pifs.js';
import { macOf } from './vm-devices.js';

/** Address of each PIF of a VLAN. */
const VLAN_MAC = 'fe:ff:ff:ff:ff:ff';
const LAST_TAG = 4094;

/** @throws XapiError with the reason why no VLAN can be on this PIF */
function assertTakesVlan(ref: string, pif: WireStruct): void {
  const kind = kindOfPif(pif);
  if (kind === 'physical' && isBondMember(pif)) throw networkErrors.vlanOnMember(ref);
  if (kind === 'vlan') throw networkErrors.pifIsVlan(ref);
  if (kind === 'tunnel') throw networkErrors.pifIsTunnel(ref);
}

/**
 * VLAN.create: the VLAN's own PIF is plugged.
 * @throws XapiError NETWORK_UNMANAGED, NETWORK_ALREADY_CONNECTED, PIF_UNMANAGED,
 *   CANNOT_ADD_VLAN_TO_BOND_SLAVE, PIF_IS_VLAN, IS_TUNNEL_ACCESS_PIF, VLAN_TAG_INVALID,
 *   PIF_VLAN_EXISTS, in this order
 */
export function createVlan(database: Database, tagged: string, tag: number, network: string): string {
  const pif = database.get('PIF', tagged);
  assertNetworkManaged(database, network);
  assertNoOtherPif(database, network, String(pif.host));
  assertPifManaged(database, tagged);
  assertTakesVlan(tagged, pif);
  if (tag < 0 || tag > LAST_TAG) throw networkErrors.vlanTagInvalid(tag);
  if (findVlan(database, tagged, tag) !== undefined) throw networkErrors.vlanExists(String(pif.device));
  const vlan = enterVlan(database, tagged, tag, network);
  plugPif(database, untaggedOf(database, vlan));
  return vlan;
}

export function findVlan(database: Database, tagged: string, tag: number): string | undefined {
  return refsOf(database.get('PIF', tagged), 'VLAN_slave_of').find((vlan) => database.get('VLAN', vlan).tag === tag);
}

export function untaggedOf(database: Database, vlan: string): string {
  return String(database.get('VLAN', vlan).untagged_PIF);
}

/** The records of a VLAN, whose PIF is not plugged (create_internal). */
export function enterVlan(database: Database, tagged: string, tag: number, network: string): string {
  const { device, host, MTU, metrics, primary_address_type } = database.get('PIF', tagged);
  const shared = { device: device!, host: host!, MTU: MTU!, metrics: metrics!, primary_address_type: primary_address_type! };
  const untagged = createLinked(database, 'PIF', derivedPif({ ...shared, network, MAC: VLAN_MAC, VLAN: tag }));
  const vlan = createLinked(database, 'VLAN', { tagged_PIF: tagged, untagged_PIF: untagged, tag });
  database.update('PIF', untagged, { VLAN_master_of: vlan });
  return vlan;
}

/** @throws XapiError PIF_ALREADY_BONDED, PIF_IS_MANAGEMENT_INTERFACE and those of unplugPif */
export function destroyVlan(database: Database, vlan: string): void {
  const untagged = untaggedOf(database, vlan);
  assertNotInBond(database, untagged);
  unplugPif(database, untagged);
  dropVlan(database, vlan);
}

/** Its PIF has no metrics of its own. */
export function dropVlan(database: Database, vlan: string): void {
  const untagged = untaggedOf(database, vlan);
  destroyLinked(database, 'VLAN', vlan);
  destroyLinked(database, 'PIF', untagged);
}

/** PIF.destroy, which is for the PIFs of VLANs. @throws XapiError PIF_IS_PHYSICAL and others */
export function destroyVlanPif(database: Database, ref: string): void {
  const { VLAN: tag, VLAN_master_of: vlan } = database.get('PIF', ref);
  if ((tag as number) < 0) throw networkErrors.pifIsPhysical();
  destroyVlan(database, String(vlan));
}

/** PIF.create_VLAN, by a device's name. @throws XapiError INVALID_VALUE and those of createVlan */
export function createVlanOn(database: Database, device: string, network: string, host: string, tag: number): string {
  const cards = refsOf(database.get('host', host), 'PIFs').filter((pif) => {
    const record = database.get('PIF', pif);
    return record.device === device && record.VLAN === -1;
  });
  if (cards[0] === undefined) throw xapiErrors.invalidValue('device', device);
  return untaggedOf(database, createVlan(database, cards[0], tag, network));
}

/**
 * tunnel.create. The hosts of this pool have Open vSwitch, without which xapi refuses it.
 * @throws XapiError NETWORK_UNMANAGED, NETWORK_ALREADY_CONNECTED, PIF_UNMANAGED,
 *   CANNOT_ADD_TUNNEL_TO_BOND_SLAVE, IS_TUNNEL_ACCESS_PIF, TRANSPORT_PIF_NOT_CONFIGURED
 */
export function createTunnel(database: Database, transport: string, network: string, protocol: string): string {
  const pif = database.get('PIF', transport);
  assertNetworkManaged(database, network);
  assertNoOtherPif(database, network, String(pif.host));
  assertPifManaged(database, transport);
  const kind = kindOfPif(pif);
  if (kind === 'physical' && isBondMember(pif)) throw networkErrors.tunnelOnMember(transport);
  if (kind === 'tunnel') throw networkErrors.pifIsTunnel(transport);
  const tunnel = enterTunnel(database, transport, network, protocol);
  plugPif(database, String(database.get('tunnel', tunnel).access_PIF));
  return tunnel;
}

export function enterTunnel(database: Database, transport: string, network: string, protocol: string): string {
  const { host, metrics, primary_address_type } = database.get('PIF', transport);
  const device = freeDevice(database, String(host), 'tunnel');
  const fields = { device, network, host: host!, metrics: metrics!, primary_address_type: primary_address_type! };
  const access = createLinked(database, 'PIF', derivedPif({ ...fields, MAC: macOf(0, randomUUID()), MTU: -1, VLAN: -1 }));
  const status = structOf({ active: 'false' });
  return createLinked(database, 'tunnel', { access_PIF: access, transport_PIF: transport, status, protocol });
}

/** @throws XapiError those of unplugPif */
export function destroyTunnel(database: Database, tunnel: string): void {
  unplugPif(database, String(database.get('tunnel', tunnel).access_PIF));
  dropTunnel(database, tunnel);
}

export function dropTunnel(database: Database, tunnel: string): void {
  const access = String(database.get('tunnel', tunnel).access_PIF);
  destroyLinked(database, 'tunnel', tunnel);
  destroyLinked(database, 'PIF', access);
}

/** The first name with a number that no PIF of the host has: tunnel0, bond1. */
export function freeDevice(database: Database, host: string, stem: 'tunnel' | 'bond'): string {
  const taken = new Set(refsOf(database.get('host', host), 'PIFs').map((pif) => database.get('PIF', pif).device));
  let number = 0;
  while (taken.has(`${stem}${number}`)) number++;
  return `${stem}${number}`;
}
