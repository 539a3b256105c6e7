// The messages that set or ask something of a host or of the pool, and change no VM
// (ocaml/xapi/xapi_host.ml and xapi_pool.ml of xen-api e2ee48d6).
import { assertPifManaged, isBondMember, moveManagement, refsOf } from '../../devices/pifs.js';
import type { Database } from '../../model/database.js';
import type { PoolHosts } from '../../model/pool-hosts.js';
import { XapiError, xapiErrors } from '../../wire/errors.js';
import { networkErrors } from '../../wire/network-errors.js';
import { structOf, type Wire, WireDate, type WireStruct } from '../../wire/values.js';
import { type Method, type Param, selfOf, VOID } from '../method.js';

export interface HostSettingsOptions {
  readonly database: Database;
  readonly hosts: PoolHosts;
  /** A host of this process; a real one's own settings are not changed from here. */
  readonly modelled: boolean;
}

const MOST_HOSTNAME_CHARS = 255;
const host: Param = { name: 'host', type: { ref: 'host' } };
const text = (name: string): Param => ({ name, type: 'string' });

type HostCall = (ref: string, args: readonly Wire[]) => Wire;

export function hostSettingMethods({ database, hosts, modelled }: HostSettingsOptions): Method[] {
  const message = (name: string, params: readonly Param[], role: Method['role'], call: HostCall): Method => ({
    name: `host.${name}`,
    params,
    role,
    async: true,
    call: (args) => {
      database.get('host', args[0] as string);
      return call(args[0] as string, args);
    },
  });
  const asks = (name: string, params: readonly Param[], call: HostCall) => message(name, params, 'read-only', call);
  const sets = (name: string, params: readonly Param[], call: (ref: string, args: readonly Wire[]) => void) =>
    message(name, params, 'admin', (ref, args) => {
      if (!modelled) throw xapiErrors.notImplemented(`host.${name}`);
      call(ref, args);
      return VOID;
    });
  /** The field, and its key in other_config, which clients of earlier versions read. */
  const both = (ref: string, key: string, value: Wire) => {
    const other = structOf({ ...(database.get('host', ref).other_config as WireStruct), [key]: String(value) });
    database.update('host', ref, { [key]: value, other_config: other });
  };
  return [
    asks('get_management_interface', [host], (ref) => managementOf(database, ref)),
    asks('get_server_localtime', [host], () => WireDate.at(Date.now() - new Date().getTimezoneOffset() * 60_000)),
    asks('get_uncooperative_resident_VMs', [host], () => []),
    asks('has_extension', [host, text('name')], () => false),
    message('call_plugin', [host, text('plugin'), text('fn'), { name: 'args', type: { map: 'string' } }], 'admin', (_ref, [, plugin]) => {
      throw new XapiError('XENAPI_MISSING_PLUGIN', plugin as string);
    }),
    sets('set_hostname_live', [host, text('hostname')], (ref, [, name]) => {
      checkHostname(name as string);
      database.update('host', ref, { hostname: name! });
    }),
    sets('set_multipathing', [host, { name: 'value', type: 'bool' }], (ref, [, value]) => both(ref, 'multipathing', value!)),
    sets('set_iscsi_iqn', [host, text('value')], (ref, [, value]) => {
      if (value === '') throw xapiErrors.invalidValue('value', '');
      both(ref, 'iscsi_iqn', value!);
    }),
    // Nothing is logged by the host, nor stored beside the pool's database.
    sets('syslog_reconfigure', [host], () => {}),
    sets('sync_data', [host], () => {}),
    {
      name: 'host.management_reconfigure',
      params: [{ name: 'pif', type: { ref: 'PIF' } }],
      role: 'admin',
      async: true,
      call: ([pif]) => {
        database.atomically(() => reconfigureManagement(database, pif as string));
        return VOID;
      },
    },
    sets('declare_dead', [host], (ref) => {
      assertDead(database, hosts, ref);
      database.update('host', ref, { enabled: false });
    }),
    ...poolMethods(database),
  ];
}

function poolMethods(database: Database): Method[] {
  const pool = selfOf('pool');
  const message = (name: string, params: readonly Param[], role: Method['role'], call: () => Wire): Method => ({
    name: `pool.${name}`,
    params,
    role,
    async: true,
    call: (args) => {
      if (params.length > 0) database.get('pool', args[0] as string);
      return call();
    },
  });
  return [
    // Each change is on disk before its call is answered, and the hosts share one database.
    message('sync_database', [], 'admin', () => VOID),
    message('recover_slaves', [], 'admin', () => []),
    message('has_extension', [pool, text('name')], 'read-only', () => false),
  ];
}

/** @throws XapiError INTERNAL_ERROR: xapi has an exception for it, and no code */
function managementOf(database: Database, host: string): string {
  const found = refsOf(database.get('host', host), 'PIFs').find((pif) => database.get('PIF', pif).management === true);
  if (found === undefined) throw xapiErrors.internal('Not_found');
  return found;
}

/** @throws XapiError HOST_NAME_INVALID */
function checkHostname(name: string): void {
  const invalid = (reason: string) => new XapiError('HOST_NAME_INVALID', reason);
  if (name === '') throw invalid('hostname empty');
  if (name.length > MOST_HOSTNAME_CHARS) throw invalid('hostname is too long');
  if (!/^[A-Za-z0-9.-]+$/.test(name) || /^-|-$/.test(name)) throw invalid('hostname contains invalid characters');
}

/**
 * assert_usable_for_management, then the move.
 * @throws XapiError PIF_UNMANAGED, CANNOT_PLUG_BOND_SLAVE, PIF_HAS_NO_NETWORK_CONFIGURATION,
 *   PIF_INCOMPATIBLE_PRIMARY_ADDRESS_TYPE
 */
export function reconfigureManagement(database: Database, ref: string): void {
  assertPifManaged(database, ref);
  const pif = database.get('PIF', ref);
  if (isBondMember(pif)) throw networkErrors.cannotPlugMember(ref);
  const isIpv6 = pif.primary_address_type === 'IPv6';
  if ((isIpv6 ? pif.ipv6_configuration_mode : pif.ip_configuration_mode) === 'None') {
    throw new XapiError(`PIF_HAS_NO_${isIpv6 ? 'V6_' : ''}NETWORK_CONFIGURATION`, ref);
  }
  if (pif.management !== true) moveManagement(database, ref);
}

/** precheck_destroy_declare_dead. @throws XapiError HOST_IS_LIVE */
export function assertDead(database: Database, hosts: PoolHosts, ref: string): void {
  const host = hosts.get(ref);
  const live = database.get('host_metrics', host.metrics).live === true;
  if (live || host === hosts.coordinator) throw xapiErrors.hostIsLive(ref);
}
