// The messages of class PIF (ocaml/xapi/xapi_pif.ml of xen-api e2ee48d6).
import { isIPv4, isIPv6 } from 'node:net';
import { forgetCard, introduceCard, scanCards } from '../../devices/cards.js';
import { assertNotManagement, assertPifManaged, isBondMember, kindOfPif, plugPif, refsOf, unplugPif } from '../../devices/pifs.js';
import { createVlanOn, destroyVlanPif } from '../../devices/vlans.js';
import type { Database } from '../../model/database.js';
import { deviceErrors } from '../../wire/device-errors.js';
import { xapiErrors } from '../../wire/errors.js';
import { networkErrors } from '../../wire/network-errors.js';
import { structOf, type Wire, type WireStruct } from '../../wire/values.js';
import type { Method } from '../method.js';
import { type DeviceParts, deviceMessage, messagesOn } from './message.js';

/** Values of each property (property_names_and_values). */
const PROPERTIES: Readonly<Record<string, readonly string[]>> = { gro: ['on', 'off'] };

export function pifMethods({ database, modelled }: DeviceParts): Method[] {
  const message = messagesOn(database, 'PIF');
  const onHost = (name: string, call: (args: readonly Wire[]) => Wire | undefined): Method =>
    deviceMessage(database, 'PIF', name, (args) => {
      // A real host's cards are not looked at.
      if (!modelled) throw xapiErrors.notImplemented(`PIF.${name}`);
      return call(args);
    });
  return [
    message('plug', (ref) => plugPif(database, ref)),
    message('unplug', (ref) => unplugPif(database, ref)),
    message('forget', (ref) => forgetCard(database, ref)),
    message('destroy', (ref) => destroyVlanPif(database, ref)),
    onHost('scan', ([host]) => {
      database.get('host', host as string);
      scanCards(database, host as string);
      return undefined;
    }),
    onHost('introduce', ([host, mac, device, managed]) => {
      database.get('host', host as string);
      return introduceCard(database, host as string, mac as string, device as string, managed as boolean);
    }),
    onHost('create_VLAN', ([device, network, host, tag]) =>
      createVlanOn(database, device as string, network as string, host as string, tag as number),
    ),
    message('reconfigure_ip', (ref, [, mode, ip, netmask, gateway, dns]) =>
      reconfigureIp(database, ref, { mode, IP: ip, netmask, gateway, dns } as Record<string, string>),
    ),
    message('reconfigure_ipv6', (ref, [, mode, address, gateway, dns]) =>
      reconfigureIpv6(database, ref, { mode, address, gateway, dns } as Record<string, string>),
    ),
    message('set_disallow_unplug', (ref, [, value]) => database.update('PIF', ref, { disallow_unplug: value! })),
    message('set_primary_address_type', (ref, [, value]) => {
      assertNotManagement(database, ref);
      database.update('PIF', ref, { primary_address_type: value! });
    }),
    message('set_property', (ref, [, name, value]) => setProperty(database, ref, name as string, value as string)),
  ];
}

/** Name servers of one family; those of the other stay as they are (restrict_to). */
function nameServers(given: string, known: string, fits: (address: string) => boolean): string {
  const split = (text: string) => text.split(',').filter((one) => one !== '');
  return [...split(given).filter(fits), ...split(known).filter((one) => !fits(one))].join(',');
}

/** @throws XapiError PIF_UNMANAGED, INVALID_IP_ADDRESS_SPECIFIED, PIF_IS_MANAGEMENT_INTERFACE */
function reconfigureIp(database: Database, ref: string, given: Readonly<Record<string, string>>): void {
  assertPifManaged(database, ref);
  const { mode, IP, netmask, gateway } = given as Record<'mode' | 'IP' | 'netmask' | 'gateway', string>;
  const needed = mode === 'Static' ? ['IP', 'netmask'] : [];
  const shown = ['IP', 'netmask', 'gateway'].filter((name) => given[name] !== '');
  for (const name of [...needed, ...shown]) if (!isIPv4(given[name]!)) throw networkErrors.invalidAddress(name);
  const { management, primary_address_type: type, DNS: dns } = database.get('PIF', ref);
  if (management === true && mode === 'None' && type === 'IPv4') throw deviceErrors.pifIsManagement(ref);
  const servers = nameServers(given.dns!, String(dns), isIPv4);
  database.update('PIF', ref, { ip_configuration_mode: mode, IP, netmask, gateway, DNS: servers });
}

function isCidr(text: string): boolean {
  const [address = '', length = ''] = text.split('/');
  return isIPv6(address) && /^\d{1,3}$/.test(length) && Number(length) <= 128 && text.split('/').length === 2;
}

/**
 * @throws XapiError PIF_UNMANAGED, INVALID_IP_ADDRESS_SPECIFIED, INVALID_CIDR_ADDRESS_SPECIFIED,
 *   PIF_IS_MANAGEMENT_INTERFACE
 */
function reconfigureIpv6(database: Database, ref: string, given: Readonly<Record<string, string>>): void {
  assertPifManaged(database, ref);
  const { mode, address, gateway } = given as Record<'mode' | 'address' | 'gateway', string>;
  if (gateway !== '' && !isIPv6(gateway)) throw networkErrors.invalidAddress('gateway');
  if (address !== '' && !isCidr(address)) throw networkErrors.invalidCidr('IPv6');
  const { management, primary_address_type: type, DNS: dns } = database.get('PIF', ref);
  if (management === true && mode === 'None' && type === 'IPv6') throw deviceErrors.pifIsManagement(ref);
  const servers = nameServers(given.dns!, String(dns), isIPv6);
  database.update('PIF', ref, { ipv6_configuration_mode: mode, ipv6_gateway: gateway, IPv6: [address], DNS: servers });
}

/** Also on the members of a bond. @throws XapiError INVALID_VALUE, CANNOT_CHANGE_PIF_PROPERTIES */
function setProperty(database: Database, ref: string, name: string, value: string): void {
  const known = Object.hasOwn(PROPERTIES, name) && PROPERTIES[name]!.includes(value);
  if (!known) throw xapiErrors.invalidValue('properties', `${name} = ${value}`);
  const pif = database.get('PIF', ref);
  const kind = kindOfPif(pif);
  if ((kind !== 'physical' && kind !== 'bond') || isBondMember(pif)) throw networkErrors.propertiesFixed(ref);
  const properties = structOf({ ...(pif.properties as WireStruct), [name]: value });
  const members = refsOf(pif, 'bond_master_of').flatMap((bond) => refsOf(database.get('Bond', bond), 'slaves'));
  for (const one of [ref, ...members]) database.update('PIF', one, { properties });
}
