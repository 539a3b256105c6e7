// The network cards of an embedded host, and their PIFs: three of 1 Gbit/s, of which the first is
// the management interface (xapi_pif.ml of xen-api e2ee48d6: scan, introduce, forget).
import type { Database } from '../model/database.js';
import { deviceErrors } from '../wire/device-errors.js';
import { networkErrors } from '../wire/network-errors.js';
import { structOf, type WireStruct } from '../wire/values.js';
import { dropBond } from './bonds.js';
import { createLinked, destroyLinked } from './links.js';
import { assertNotInBond, assertNotManagement, kindOfPif, refsOf } from './pifs.js';
import { dropTunnel, dropVlan } from './vlans.js';
import { macOf } from './vm-devices.js';

/** Devices of the host; the number of each is that of its bridge. */
const CARDS: readonly string[] = ['eth0', 'eth1', 'eth2'];
const MAC = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/;
const PROPERTIES = structOf({ gro: 'on' });

function addressOf(database: Database, host: string, device: string): string {
  return macOf(CARDS.indexOf(device), String(database.get('host', host).uuid));
}

/** The network of all cards of this name, on all hosts (find_or_create_network). */
function networkOf(database: Database, device: string): string {
  const bridge = `xenbr${CARDS.indexOf(device)}`;
  const [known] = [...database.records('network')].find(([, one]) => one.bridge === bridge) ?? [];
  const fields = { name_label: `Pool-wide network associated with ${device}`, bridge, MTU: 1500, managed: true };
  return known ?? database.create('network', fields);
}

function enterCard(database: Database, host: string, device: string, more: WireStruct): string {
  const speed = { carrier: true, speed: 1000, duplex: true };
  const metrics = database.create('PIF_metrics', { ...speed, vendor_name: 'xennuma', device_name: 'embedded' });
  const fields = { device, host, network: networkOf(database, device), MAC: addressOf(database, host, device), metrics };
  const own = { MTU: 1500, VLAN: -1, physical: true, managed: true, primary_address_type: 'IPv4', properties: PROPERTIES };
  return createLinked(database, 'PIF', { ...fields, ...own, ...more });
}

/** All cards of a new host, plugged. */
export function installCards(database: Database, host: string): void {
  for (const device of CARDS) {
    const management = device === CARDS[0];
    const address = management ? { ip_configuration_mode: 'Static', netmask: '255.255.255.0' } : {};
    enterCard(database, host, device, structOf({ management, currently_attached: true, ...address }));
  }
}

function knownDevices(database: Database, host: string): Set<unknown> {
  const pifs = refsOf(database.get('host', host), 'PIFs').map((pif) => database.get('PIF', pif));
  return new Set(pifs.filter(({ physical }) => physical === true).map(({ device }) => device));
}

/** PIF.scan: PIFs for the cards that have none, not plugged. */
export function scanCards(database: Database, host: string): void {
  const known = knownDevices(database, host);
  for (const device of CARDS) if (!known.has(device)) enterCard(database, host, device, structOf({}));
}

/**
 * PIF.introduce.
 * @param mac '' = that of the device
 * @throws XapiError MAC_INVALID, DUPLICATE_PIF_DEVICE_NAME, COULD_NOT_FIND_NETWORK_INTERFACE_...
 */
export function introduceCard(database: Database, host: string, mac: string, device: string, managed: boolean): string {
  const known = knownDevices(database, host);
  const own = CARDS.includes(device) ? addressOf(database, host, device) : '';
  const given = mac === '' ? own : mac.toLowerCase();
  if (!MAC.test(given)) throw deviceErrors.macInvalid(given);
  if (known.has(device)) throw networkErrors.deviceTaken(device);
  if (given !== own) throw networkErrors.cardNotFound(device, given);
  return enterCard(database, host, device, structOf({ managed }));
}

/**
 * PIF.forget: also for a card that is still there, which the next scan finds again.
 * @throws XapiError PIF_IS_MANAGEMENT_INTERFACE, PIF_ALREADY_BONDED, PIF_VLAN_STILL_EXISTS,
 *   PIF_TUNNEL_STILL_EXISTS
 */
export function forgetCard(database: Database, ref: string): void {
  assertNotManagement(database, ref);
  assertNotInBond(database, ref);
  const pif = database.get('PIF', ref);
  if (refsOf(pif, 'VLAN_slave_of').length > 0 || kindOfPif(pif) === 'vlan') throw networkErrors.vlanStillExists(ref);
  if (refsOf(pif, 'tunnel_transport_PIF_of').length > 0 || kindOfPif(pif) === 'tunnel') throw networkErrors.tunnelStillExists(ref);
  dropPif(database, ref);
}

function dropPif(database: Database, ref: string): void {
  const { metrics } = database.get('PIF', ref);
  destroyLinked(database, 'PIF', ref);
  if (database.has('PIF_metrics', String(metrics))) database.destroy('PIF_metrics', String(metrics));
}

/** The host leaves the pool with its cards and all that is on them. */
export function dropCards(database: Database, host: string): void {
  const ofHost = () => refsOf(database.get('host', host), 'PIFs');
  const all = (field: string) => ofHost().flatMap((pif) => refsOf(database.get('PIF', pif), field));
  for (const tunnel of all('tunnel_transport_PIF_of')) dropTunnel(database, tunnel);
  for (const vlan of all('VLAN_slave_of')) dropVlan(database, vlan);
  for (const bond of all('bond_master_of')) dropBond(database, bond);
  for (const pif of ofHost()) dropPif(database, pif);
}
