// The messages of classes network and VIF (ocaml/xapi/xapi_network.ml and xapi_vif.ml of xen-api
// e2ee48d6).
import { assertVifAllows, vifAllows } from '../../devices/allowed.js';
import { dropVif } from '../../devices/disks.js';
import { updateLinked } from '../../devices/links.js';
import { assertAttachable, assertNetworkManaged, attachNetwork } from '../../devices/pifs.js';
import { assertMovesToNetwork, createVif } from '../../devices/vm-devices.js';
import type { Database } from '../../model/database.js';
import { deviceErrors } from '../../wire/device-errors.js';
import { xapiErrors } from '../../wire/errors.js';
import { networkErrors } from '../../wire/network-errors.js';
import type { WireStruct } from '../../wire/values.js';
import type { Method } from '../method.js';
import { creation, type DeviceParts, destruction, messagesOn } from './message.js';

/** Names that a host's own bridges have (bridge_blacklist). */
const RESERVED = ['xen', 'xapi', 'vif', 'tap', 'eth'];
const MOST_BRIDGE_CHARS = 15;

export function networkMethods(parts: DeviceParts): Method[] {
  const { database, modelled } = parts;
  const message = messagesOn(database, 'network');
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
    message('set_default_locking_mode', (ref, [, value]) => {
      const attached = members(ref, 'VIFs').find((vif) => database.get('VIF', vif).currently_attached === true);
      if (attached !== undefined) throw networkErrors.vifInUse(ref, attached);
      database.update('network', ref, { default_locking_mode: value! });
    }),
    message('add_purpose', (ref, [, value]) => addPurpose(database, ref, value as string)),
    message('remove_purpose', (ref, [, value]) =>
      database.update('network', ref, { purpose: members(ref, 'purpose').filter((one) => one !== value) }),
    ),
    ...vifMethods(parts),
  ];
}

/** Purposes that no two networks of a pool have beside each other (assert_can_add_purpose). */
const CONFLICTS: Readonly<Record<string, string>> = { nbd: 'insecure_nbd', insecure_nbd: 'nbd' };

/** @throws XapiError NETWORK_UNMANAGED, NETWORK_INCOMPATIBLE_PURPOSES */
function addPurpose(database: Database, ref: string, value: string): void {
  assertNetworkManaged(database, ref);
  const known = database.get('network', ref).purpose as readonly string[];
  if (known.includes(value)) return;
  const conflict = CONFLICTS[value];
  const taken = [...database.records('network')].some(([, { purpose }]) => (purpose as readonly string[]).includes(conflict ?? ''));
  if (taken) throw networkErrors.purposesConflict(value, conflict!);
  database.update('network', ref, { purpose: [value, ...known] });
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

/** The network is there on the VM's host. @throws XapiError CANNOT_PLUG_BOND_SLAVE */
function attachTo(database: Database, ref: string): void {
  const { network, VM: vm } = database.get('VIF', ref);
  const host = String(database.get('VM', String(vm)).resident_on);
  assertAttachable(database, String(network), host);
  attachNetwork(database, String(network), host);
}

function vifMethods({ database, modelled }: DeviceParts): Method[] {
  const message = messagesOn(database, 'VIF');
  const plug = (name: 'plug' | 'unplug', attached: boolean): Method =>
    message(name, (ref) => {
      assertVifAllows(database, ref, name);
      if (attached) attachTo(database, ref);
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
      assertMovesToNetwork(database, ref, network as string);
      updateLinked(database, 'VIF', ref, { network: network! });
    }),
    message('set_locking_mode', (ref, [, value]) => database.update('VIF', ref, { locking_mode: value! })),
    ...addresses('ipv4'),
    ...addresses('ipv6'),
  ];
}
