// The messages of classes VLAN, Bond, tunnel and network_sriov, and those of the pool that make a
// VLAN on each host (xapi_vlan.ml, xapi_bond.ml, xapi_tunnel.ml, xapi_network_sriov.ml and
// xapi_pool.ml of xen-api e2ee48d6).
import { createBond, destroyBond, setBondMode, setBondProperty } from '../../devices/bonds.js';
import { assertNetworkManaged, assertPifManaged, kindOfPif, refsOf } from '../../devices/pifs.js';
import { createTunnel, createVlan, createVlanOn, destroyTunnel, destroyVlan, untaggedOf } from '../../devices/vlans.js';
import type { Database } from '../../model/database.js';
import { xapiErrors } from '../../wire/errors.js';
import { networkErrors } from '../../wire/network-errors.js';
import type { Wire } from '../../wire/values.js';
import type { Method } from '../method.js';
import { type DeviceParts, destruction, deviceMessage, messagesOn } from './message.js';

export function linkMethods(parts: DeviceParts): Method[] {
  const { database, modelled, possibleHosts } = parts;
  const creator = (type: string, call: (args: readonly Wire[]) => Wire, name = 'create'): Method =>
    deviceMessage(database, type, name, (args) => {
      if (!modelled) throw xapiErrors.notImplemented(`${type}.${name}`);
      return call(args);
    });
  const onBond = messagesOn(database, 'Bond');
  return [
    creator('VLAN', ([pif, tag, network]) => createVlan(database, pif as string, tag as number, network as string)),
    destruction(database, 'VLAN', (ref) => destroyVlan(database, ref)),
    creator('tunnel', ([pif, network, protocol]) => createTunnel(database, pif as string, network as string, protocol as string)),
    destruction(database, 'tunnel', (ref) => destroyTunnel(database, ref)),
    creator('Bond', ([network, members, mac, mode, properties]) => {
      const request = { network: network as string, members: members as readonly string[], mac: mac as string, mode: mode as string };
      return createBond(database, { ...request, properties: properties as Readonly<Record<string, string>> }, possibleHosts);
    }),
    destruction(database, 'Bond', (ref) => destroyBond(database, ref, possibleHosts)),
    onBond('set_mode', (ref, [, mode]) => setBondMode(database, ref, mode as string)),
    onBond('set_property', (ref, [, name, value]) => setBondProperty(database, ref, name as string, value as string)),
    creator('network_sriov', ([pif, network]) => refuseSriov(database, pif as string, network as string)),
    creator(
      'pool',
      ([device, network, tag]) =>
        database.refs('host').map((host) => createVlanOn(database, device as string, network as string, host, tag as number)),
      'create_VLAN',
    ),
    creator(
      'pool',
      ([pif, network, tag]) =>
        onLiveHosts(database, pif as string).map((one) =>
          untaggedOf(database, createVlan(database, one, tag as number, network as string)),
        ),
      'create_VLAN_from_PIF',
    ),
  ];
}

/** The PIFs of its network, on all hosts that are up. */
function onLiveHosts(database: Database, pif: string): string[] {
  const { network } = database.get('PIF', pif);
  return refsOf(database.get('network', String(network)), 'PIFs').filter((one) => {
    const { metrics } = database.get('host', String(database.get('PIF', one).host));
    return database.get('host_metrics', String(metrics)).live === true;
  });
}

/** No card has SR-IOV. @throws XapiError PIF_IS_NOT_PHYSICAL, PIF_IS_NOT_SRIOV_CAPABLE */
function refuseSriov(database: Database, ref: string, network: string): never {
  assertNetworkManaged(database, network);
  assertPifManaged(database, ref);
  if (kindOfPif(database.get('PIF', ref)) !== 'physical') throw networkErrors.pifIsNotPhysical(ref);
  throw networkErrors.notSriovCapable(ref);
}
