// The messages of classes network, VIF and PIF (ocaml/xapi/xapi_network.ml, xapi_vif.ml and
// xapi_pif.ml of xen-api e2ee48d6).
import { assertVifAllows, vifAllows } from '../../devices/allowed.js';
import { dropVif } from '../../devices/disks.js';
import { updateLinked } from '../../devices/links.js';
import { createVif } from '../../devices/vm-devices.js';
import type { Database } from '../../model/database.js';
import { deviceErrors } from '../../wire/device-errors.js';
import { xapiErrors } from '../../wire/errors.js';
import type { Wire, WireStruct } from '../../wire/values.js';
import type { Method } from '../method.js';
import { creation, type DeviceParts, destruction, deviceMessage } from './message.js';

/** Names that a host's own bridges have (bridge_blacklist). */
const RESERVED = ['xen', 'xapi', 'vif', 'tap', 'eth'];
const MOST_BRIDGE_CHARS = 15;

type Call = (ref: string, args: readonly Wire[]) => void;

function messagesOf(database: Database, type: string): (name: string, call: Call) => Method {
  return (name, call) =>
    deviceMessage(database, type, name, (args) => {
      database.get(type, args[0] as string);
      call(args[0] as string, args);
      return undefined;
    });
}

export function networkMethods(parts: DeviceParts): Method[] {
  const { database, modelled } = parts;
  const message = messagesOf(database, 'network');
  const members = (ref: string, field: string) => database.get('network', ref)[field] as readonly string[];
  return [
    creation(database, 'network', (fields) => {
      if (!modelled) throw xapiErrors.notImplemented('network.create');
      const mtu = (fields.MTU as number) > 0 ? (fields.MTU as number) : 1500;
      return database.create('network', { ...fields, MTU: mtu, bridge: bridgeFor(database, fields.bridge as string) });
    }),
    destruction(database, 'network', (ref) => {
      const vifs = members(ref, 'VIFs');
      const attached = vifs.filter((vif) => database.get('VIF', vif).currently_attached === true);
      if (attached.length > 0) throw deviceErrors.networkContainsVif(attached);
      const pifs = members(ref, 'PIFs');
      if (pifs.length > 0) throw deviceErrors.networkContainsPif(pifs);
      const config = database.get('network', ref).other_config as WireStruct;
      if (config.is_host_internal_management_network === 'true') throw deviceErrors.systemNetwork(ref);
      for (const vif of vifs) dropVif(database, vif);
      database.destroy('network', ref);
    }),
    message('set_default_locking_mode', (ref, [, value]) => database.update('network', ref, { default_locking_mode: value! })),
    message('add_purpose', (ref, [, value]) => database.update('network', ref, { purpose: [...members(ref, 'purpose'), value!] })),
    message('remove_purpose', (ref, [, value]) =>
      database.update('network', ref, { purpose: members(ref, 'purpose').filter((one) => one !== value) }),
    ),
    ...vifMethods(parts),
    ...pifMethods(parts),
  ];
}

/** @throws XapiError INVALID_VALUE, BRIDGE_NAME_EXISTS */
function bridgeFor(database: Database, requested: string): string {
  const known = new Set([...database.records('network')].map(([, { bridge }]) => bridge as string));
  if (requested === '') {
    let number = 0;
    while (known.has(`xapi${number}`)) number++;
    return `xapi${number}`;
  }
  if (requested.length > MOST_BRIDGE_CHARS || RESERVED.some((prefix) => requested.startsWith(prefix))) {
    throw xapiErrors.invalidValue('bridge', requested);
  }
  if (known.has(requested)) throw deviceErrors.bridgeExists(requested);
  return requested;
}

function vifMethods({ database, modelled }: DeviceParts): Method[] {
  const message = messagesOf(database, 'VIF');
  const plug = (name: 'plug' | 'unplug', attached: boolean): Method =>
    message(name, (ref) => {
      assertVifAllows(database, ref, name);
      database.update('VIF', ref, { currently_attached: attached });
    });
  const addresses = (version: 'ipv4' | 'ipv6'): Method[] => {
    const field = `${version}_allowed`;
    const known = (ref: string) => database.get('VIF', ref)[field] as readonly string[];
    return [
      message(`set_${field}`, (ref, [, value]) => database.update('VIF', ref, { [field]: value! })),
      message(`add_${field}`, (ref, [, value]) => database.update('VIF', ref, { [field]: [...known(ref), value!] })),
      message(`remove_${field}`, (ref, [, value]) => database.update('VIF', ref, { [field]: known(ref).filter((one) => one !== value) })),
      message(`configure_${version}`, (ref, [, mode, address, gateway]) =>
        database.update('VIF', ref, {
          [`${version}_configuration_mode`]: mode!,
          [`${version}_addresses`]: address === '' ? [] : [address!],
          [`${version}_gateway`]: gateway!,
        }),
      ),
    ];
  };
  return [
    creation(database, 'VIF', (fields) => {
      if (!modelled) throw xapiErrors.notImplemented('VIF.create');
      const ref = createVif(database, fields);
      database.update('VIF', ref, { allowed_operations: vifAllows(database, ref) });
      return ref;
    }),
    destruction(database, 'VIF', (ref) => {
      const { VM: vm, currently_attached: attached } = database.get('VIF', ref);
      if (attached === true && database.get('VM', vm as string).power_state === 'Running') {
        throw xapiErrors.operationNotAllowed('VIF currently attached to a running VM');
      }
      dropVif(database, ref);
    }),
    plug('plug', true),
    plug('unplug', false),
    message('unplug_force', (ref) => {
      assertVifAllows(database, ref, 'unplug');
      database.update('VIF', ref, { currently_attached: false });
    }),
    message('move', (ref, [, network]) => {
      database.get('network', network as string);
      updateLinked(database, 'VIF', ref, { network: network! });
    }),
    message('set_locking_mode', (ref, [, value]) => database.update('VIF', ref, { locking_mode: value! })),
    ...addresses('ipv4'),
    ...addresses('ipv6'),
  ];
}

function pifMethods({ database, modelled }: DeviceParts): Method[] {
  const message = messagesOf(database, 'PIF');
  const set = (field: string): Method => message(`set_${field}`, (ref, [, value]) => database.update('PIF', ref, { [field]: value! }));
  return [
    message('plug', (ref) => database.update('PIF', ref, { currently_attached: true })),
    message('unplug', (ref) => {
      if (database.get('PIF', ref).management === true) throw deviceErrors.pifIsManagement(ref);
      database.update('PIF', ref, { currently_attached: false });
    }),
    message('forget', (ref) => {
      if (database.get('PIF', ref).management === true) throw deviceErrors.pifIsManagement(ref);
      throw deviceErrors.pifIsPhysical(ref);
    }),
    message('destroy', (ref) => {
      throw deviceErrors.pifIsPhysical(ref);
    }),
    deviceMessage(database, 'PIF', 'scan', ([host]) => {
      database.get('host', host as string);
      // The modelled host's interfaces are all there; a real one's are not looked at.
      if (!modelled) throw xapiErrors.notImplemented('PIF.scan');
      return undefined;
    }),
    message('reconfigure_ip', (ref, [, mode, ip, netmask, gateway, dns]) =>
      database.update('PIF', ref, { ip_configuration_mode: mode!, IP: ip!, netmask: netmask!, gateway: gateway!, DNS: dns! }),
    ),
    message('reconfigure_ipv6', (ref, [, mode, ip, gateway, dns]) =>
      database.update('PIF', ref, {
        ipv6_configuration_mode: mode!,
        IPv6: ip === '' ? [] : (ip as string).split(','),
        ipv6_gateway: gateway!,
        DNS: dns!,
      }),
    ),
    set('disallow_unplug'),
    set('primary_address_type'),
    message('set_property', (ref, [, name, value]) => {
      const properties = database.get('PIF', ref).properties as WireStruct;
      database.update('PIF', ref, { properties: { ...properties, [name as string]: value! } });
    }),
  ];
}
