// Bonds: several cards of a host as one PIF, which takes over their VLANs, tunnels, VIFs, address
// and the management of the host (xapi_bond.ml of xen-api e2ee48d6).
import { ocamlIntOfString } from '../../base/ocaml-int.js';
import type { Database } from '../model/database.js';
import { NULL } from '../model/schema-types.js';
import { deviceErrors } from '../wire/device-errors.js';
import { xapiErrors } from '../wire/errors.js';
import { networkErrors } from '../wire/network-errors.js';
import { structOf, type WireStruct } from '../wire/values.js';
import { createLinked, destroyLinked, updateLinked } from './links.js';
import {
  assertNetworkManaged,
  assertNoOtherPif,
  assertPifManaged,
  bringUp,
  derivedPif,
  isBondMember,
  kindOfPif,
  moveAddress,
  moveManagement,
  refsOf,
} from './pifs.js';
import { dropTunnel, dropVlan, enterTunnel, enterVlan, findVlan, freeDevice, untaggedOf } from './vlans.js';

const MAC = /^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$/;

interface Property {
  readonly initial: string | null;
  readonly fits: (value: string) => boolean;
}

const words = (initial: string, ...known: readonly string[]): Property => ({ initial, fits: (value) => known.includes(value) });

/** Properties that a bond may have, by its mode; other modes have none (requirements_of_mode). */
const PROPERTIES: Readonly<Record<string, Readonly<Record<string, Property>>>> = {
  lacp: {
    hashing_algorithm: words('tcpudp_ports', 'src_mac', 'tcpudp_ports'),
    'lacp-time': words('slow', 'fast', 'slow'),
    'lacp-aggregation-key': { initial: null, fits: (value) => ocamlIntOfString(value).ok },
    'lacp-fallback-ab': words('true', 'true', 'false'),
  },
};

type Properties = Readonly<Record<string, string>>;

function fitsMode(mode: string, key: string, value: string): boolean {
  const known = PROPERTIES[mode] ?? {};
  return Object.hasOwn(known, key) && known[key]!.fits(value);
}

/** @throws XapiError INVALID_VALUE */
function checkProperty(mode: string, key: string, value: string): void {
  if (!fitsMode(mode, key, value)) throw xapiErrors.invalidValue('properties', `${key} = ${value}`);
}

function withDefaults(mode: string, given: Properties): WireStruct {
  const defaults = Object.entries(PROPERTIES[mode] ?? {}).filter(([, { initial }]) => initial !== null);
  return structOf({ ...Object.fromEntries(defaults.map(([key, { initial }]) => [key, initial!])), ...given });
}

/** The hosts on which a VM could start now (VM.get_possible_hosts). */
export type PossibleHosts = (vm: string) => readonly string[];

/** VIFs of VMs that run on the host, or that could start there or nowhere (get_local_vifs). */
function localVifs(database: Database, host: string, networks: readonly string[], possible: PossibleHosts): string[] {
  const homes = new Map<string, boolean>();
  const isLocal = (vm: string): boolean => {
    const known = homes.get(vm);
    if (known !== undefined) return known;
    const { resident_on: home } = database.get('VM', vm);
    const local = (home === NULL ? possible(vm) : [home]).every((one) => one === host);
    homes.set(vm, local);
    return local;
  };
  const vifs = networks.flatMap((network) => refsOf(database.get('network', network), 'VIFs'));
  return vifs.filter((vif) => isLocal(String(database.get('VIF', vif).VM)));
}

function moveVifs(database: Database, vifs: readonly string[], network: string): void {
  for (const vif of vifs) updateLinked(database, 'VIF', vif, { network });
}

function hasAddress(pif: WireStruct): boolean {
  return (pif.primary_address_type === 'IPv6' ? pif.ipv6_configuration_mode : pif.ip_configuration_mode) !== 'None';
}

/** @throws XapiError with the reason why the PIF cannot be in a bond (bond_is_allowed_on_pif) */
function assertBondable(database: Database, ref: string): void {
  assertPifManaged(database, ref);
  const pif = database.get('PIF', ref);
  const kind = kindOfPif(pif);
  // xapi lets a bond pass, which no vSwitch takes into another one.
  if (isBondMember(pif) || kind === 'bond') throw networkErrors.alreadyBonded(ref);
  if (kind === 'vlan') throw networkErrors.vlanExists(String(pif.device));
  if (kind === 'tunnel') throw networkErrors.pifIsTunnel(ref);
}

/** @returns the properties that all members have. @throws XapiError with what does not fit */
function checkMembers(database: Database, members: readonly string[], primary: WireStruct): WireStruct {
  const records = members.map((one) => database.get('PIF', one));
  const type = primary.primary_address_type;
  const other = members.find((_, index) => records[index]!.primary_address_type !== type);
  if (other !== undefined) throw networkErrors.addressTypeDiffers(other);
  for (const member of members) assertBondable(database, member);
  if (new Set(records.map(({ host }) => host)).size !== 1) throw networkErrors.bondCrossHost();
  const properties = new Set(records.map((one) => JSON.stringify(Object.entries(one.properties as Properties).sort())));
  if (properties.size > 1) throw networkErrors.propertiesDiffer();
  if (records.filter(hasAddress).length > 1) throw networkErrors.bondMoreThanOneIp();
  return records[0]!.properties as WireStruct;
}

export interface BondRequest {
  readonly network: string;
  readonly members: readonly string[];
  /** '' = the address of the primary member. */
  readonly mac: string;
  readonly mode: string;
  readonly properties: Properties;
}

/** @throws XapiError with the reason why xapi would not make it */
export function createBond(database: Database, request: BondRequest, possible: PossibleHosts): string {
  const { network, mac, mode } = request;
  const members = [...new Set(request.members)];
  if (members.length === 0) throw networkErrors.bondNeedsMembers();
  const host = String(database.get('PIF', members[0]!).host);
  assertNetworkManaged(database, network);
  assertNoOtherPif(database, network, host);
  if (mac !== '' && !MAC.test(mac)) throw deviceErrors.macInvalid(mac);
  for (const [key, value] of Object.entries(request.properties)) checkProperty(mode, key, value);
  const record = (ref: string) => database.get('PIF', ref);
  const management = members.find((one) => record(one).management === true);
  // The management interface, or the first with an address, or the first.
  const primary = management ?? members.find((one) => hasAddress(record(one))) ?? members[0]!;
  const pifProperties = checkMembers(database, members, record(primary));
  const vifs = localVifs(
    database,
    host,
    members.map((one) => String(record(one).network)),
    possible,
  );
  const [vlans, tunnels] = ['VLAN_slave_of', 'tunnel_transport_PIF_of'].map((field) =>
    members.flatMap((one) => refsOf(record(one), field)),
  );
  const keepsPlug = members.some((one) => record(one).disallow_unplug === true);
  const master = createLinked(
    database,
    'PIF',
    derivedPif({
      ...{ device: freeDevice(database, host, 'bond'), network, host, MAC: mac === '' ? record(primary).MAC! : mac, MTU: -1, VLAN: -1 },
      ...{ metrics: bondMetrics(database), primary_address_type: record(primary).primary_address_type!, properties: pifProperties },
    }),
  );
  const own = { mode, properties: withDefaults(mode, request.properties), auto_update_mac: mac === '' };
  const bond = createLinked(database, 'Bond', { ...own, master, primary_slave: primary, links_up: members.length });
  for (const member of members) updateLinked(database, 'PIF', member, { bond_slave_of: bond });
  moveAddress(database, primary, master);
  if (management === undefined) bringUp(database, master);
  else moveManagement(database, master);
  for (const vlan of vlans!) moveVlan(database, host, master, vlan, possible);
  for (const tunnel of tunnels!) moveTunnel(database, master, tunnel);
  moveVifs(database, vifs, network);
  if (keepsPlug) {
    database.update('PIF', master, { disallow_unplug: true });
    for (const member of members) database.update('PIF', member, { disallow_unplug: false });
  }
  return bond;
}

function bondMetrics(database: Database): string {
  return database.create('PIF_metrics', { carrier: true, speed: 1000, duplex: true });
}

/** A VLAN of a member or of the bond, on the other PIF from now on. */
function moveVlan(database: Database, host: string, to: string, vlan: string, possible: PossibleHosts): void {
  const old = untaggedOf(database, vlan);
  const { network, currently_attached: plugged, management } = database.get('PIF', old);
  const tag = database.get('VLAN', vlan).tag as number;
  const same = findVlan(database, to, tag);
  if (same !== undefined) {
    const other = String(database.get('PIF', untaggedOf(database, same)).network);
    moveVifs(database, localVifs(database, host, [String(network)], possible), other);
  }
  const target = untaggedOf(database, same ?? enterVlan(database, to, tag, String(network)));
  moveAddress(database, old, target);
  dropVlan(database, vlan);
  if (plugged !== true) return;
  if (management === true) moveManagement(database, target);
  else bringUp(database, target);
}

function moveTunnel(database: Database, to: string, tunnel: string): void {
  const { access_PIF: access, protocol } = database.get('tunnel', tunnel);
  const { network, currently_attached: plugged } = database.get('PIF', String(access));
  const moved = enterTunnel(database, to, String(network), String(protocol));
  dropTunnel(database, tunnel);
  if (plugged === true) bringUp(database, String(database.get('tunnel', moved).access_PIF));
}

export function destroyBond(database: Database, bond: string, possible: PossibleHosts): void {
  const { master: masterRef, slaves: members, primary_slave: primaryRef } = database.get('Bond', bond);
  const [master, primary] = [String(masterRef), String(primaryRef)];
  const { currently_attached: plugged, network, host, management, disallow_unplug: keepsPlug } = database.get('PIF', master);
  const primaryNetwork = String(database.get('PIF', primary).network);
  const vifs = localVifs(database, String(host), [String(network)], possible);
  const vlans = refsOf(database.get('PIF', master), 'VLAN_slave_of');
  const tunnels = refsOf(database.get('PIF', master), 'tunnel_transport_PIF_of');
  moveAddress(database, master, primary);
  if (management === true) moveManagement(database, primary);
  if (management === true || plugged === true) for (const member of members as readonly string[]) bringUp(database, member);
  for (const vlan of vlans) moveVlan(database, String(host), primary, vlan, possible);
  moveVifs(database, vifs, primaryNetwork);
  for (const tunnel of tunnels) moveTunnel(database, primary, tunnel);
  if (keepsPlug === true) database.update('PIF', primary, { disallow_unplug: true });
  dropBond(database, bond);
}

/** The records of a bond; its members are cards of their own again. */
export function dropBond(database: Database, bond: string): void {
  const { master, slaves: members } = database.get('Bond', bond);
  for (const member of members as readonly string[]) updateLinked(database, 'PIF', member, { bond_slave_of: NULL });
  destroyLinked(database, 'Bond', bond);
  const { metrics } = database.get('PIF', String(master));
  destroyLinked(database, 'PIF', String(master));
  if (database.has('PIF_metrics', String(metrics))) database.destroy('PIF_metrics', String(metrics));
}

/** Properties that the new mode does not have are dropped. */
export function setBondMode(database: Database, bond: string, mode: string): void {
  const { properties, master } = database.get('Bond', bond);
  const kept = Object.entries(properties as Properties).filter(([key, value]) => fitsMode(mode, key, value));
  database.update('Bond', bond, { mode, properties: withDefaults(mode, Object.fromEntries(kept)) });
  bringUp(database, String(master));
}

/** @throws XapiError INVALID_VALUE */
export function setBondProperty(database: Database, bond: string, key: string, value: string): void {
  const { properties, mode, master } = database.get('Bond', bond);
  checkProperty(String(mode), key, value);
  database.update('Bond', bond, { properties: structOf({ ...(properties as Properties), [key]: value }) });
  bringUp(database, String(master));
}
