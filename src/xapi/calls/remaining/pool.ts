// Messages of class pool about what the daemon does not have: high availability, certificates,
// updates, workload balancing and external authentication. They answer as a pool without them does
// (ocaml/xapi/xapi_pool.ml of xen-api e2ee48d6).

import { assertHoldsStatefile, holdsStatefile } from '../../devices/ha-storage.js';
import type { Database } from '../../model/database.js';
import type { PoolHosts } from '../../model/pool-hosts.js';
import { XapiError, xapiErrors } from '../../wire/errors.js';
import { structOf, type Wire, type WireDate, type WireStruct } from '../../wire/values.js';
import { reconfigureManagement } from '../host/settings.js';
import type { Method } from '../method.js';
import { type Action, fails, modelMessage, nothing } from './shape.js';

const UEFI = 'Setting UEFI certificates is deprecated, please use `set_custom_uefi_certificates`';
const CUSTOM_UEFI = 'Setting UEFI certificates is not possible when allow_custom_uefi_certs is false';
const REDO_LOG = 'failed to create a VDI for the redo log on the SR with the given UUID.';
/** Days until the next collection of telemetry, at most. */
const TELEMETRY_DAYS: Readonly<Record<string, number>> = { daily: 2, weekly: 14, monthly: 62 };
const DAY_MS = 24 * 3600 * 1000;
const DAYS_OF_WEEK = 7;
const AGENT_CONFIG: Readonly<Record<string, RegExp>> = { auto_update_enabled: /^(true|false)$/, auto_update_url: /^https?:/ };

export function remainingPoolMethods(database: Database, hosts: PoolHosts): Method[] {
  const one = (name: string, action: Action): Method => modelMessage(database, `pool.${name}`, action);
  const all = (names: readonly string[], action: Action): Method[] => names.map((name) => one(name, action));
  const set = (field: string, value: (given: Wire) => Wire = (given) => given): Action => {
    return ([pool, given]) => database.update('pool', pool as string, { [field]: value(given!) });
  };
  const wlb = ['retrieve_wlb_configuration', 'retrieve_wlb_recommendations', 'send_wlb_configuration', 'deconfigure_wlb'];
  return [
    ...all(wlb, fails('WLB_NOT_INITIALIZED')),
    ...all(['certificate_list', 'crl_list'], () => []),
    ...all(['certificate_uninstall', 'uninstall_ca_certificate'], ([name]) => noCertificate('CERTIFICATE_DOES_NOT_EXIST', name!)),
    one('crl_uninstall', ([name]) => noCertificate('CRL_DOES_NOT_EXIST', name!)),
    ...all(['certificate_sync', 'disable_ssl_legacy', 'detect_nonhomogeneous_external_auth', 'disable_external_auth'], nothing),
    ...all(['disable_local_storage_caching'], nothing),
    one('enable_local_storage_caching', () => {
      throw new XapiError('HOSTS_FAILED_TO_ENABLE_CACHING', ...hosts.all.map(({ ref }) => ref));
    }),
    one('enable_ha', ([srs]) => enableHa(database, srs as readonly string[])),
    one('disable_ha', fails('HA_NOT_ENABLED')),
    one('set_ha_host_failures_to_tolerate', ([pool, value]) => {
      if ((value as number) < 0) throw xapiErrors.invalidValue('ha_host_failures_to_tolerate', String(value));
      database.update('pool', pool as string, { ha_host_failures_to_tolerate: value! });
    }),
    one('designate_new_master', ([host]) => {
      if (host !== hosts.coordinator.ref) throw xapiErrors.notImplemented('pool.designate_new_master');
    }),
    one('disable_redo_log', nothing),
    one('enable_redo_log', fails('CANNOT_ENABLE_REDO_LOG', REDO_LOG)),
    one('set_uefi_certificates', fails('OPERATION_NOT_ALLOWED', UEFI)),
    one('set_custom_uefi_certificates', fails('OPERATION_NOT_ALLOWED', CUSTOM_UEFI)),
    one('test_archive_target', fails('MESSAGE_REMOVED')),
    one('enable_external_auth', ([, , , type]) => {
      if (type !== 'AD') throw new XapiError('AUTH_UNKNOWN_TYPE', type as string);
      throw xapiErrors.notImplemented('pool.enable_external_auth');
    }),
    one('apply_edition', ([pool, edition]) => {
      const { editions } = database.get('host', database.get('pool', pool as string).master as string);
      assertEdition(editions!, edition!);
    }),
    one('get_license_state', ([pool]) => {
      const { edition } = database.get('host', database.get('pool', pool as string).master as string);
      return structOf({ edition: edition!, expiry: 'never' });
    }),
    one('set_igmp_snooping_enabled', set('igmp_snooping_enabled')),
    one('disable_client_certificate_auth', ([pool]) =>
      database.update('pool', pool as string, { client_certificate_auth_enabled: false, client_certificate_auth_name: '' }),
    ),
    one('management_reconfigure', ([network]) => moveAllManagement(database, network as string)),
    ...['set_ext_auth_max_threads', 'set_local_auth_max_threads'].map((name) => one(name, set(name.slice('set_'.length)))),
    ...telemetryMethods(database, one),
    ...updateMethods(database, one, set),
    ...agentMethods(database, one),
  ];
}

function noCertificate(code: string, name: Wire): never {
  throw new XapiError(code, name as string);
}

/** @throws XapiError INVALID_EDITION */
export function assertEdition(editions: Wire, edition: Wire): void {
  if (!(editions as readonly string[]).includes(edition as string)) throw new XapiError('INVALID_EDITION', edition as string);
}

type One = (name: string, action: Action) => Method;

function telemetryMethods(database: Database, one: One): Method[] {
  return [
    one('set_telemetry_next_collection', ([pool, value]) => {
      const { telemetry_frequency: frequency } = database.get('pool', pool as string);
      const { text } = value as WireDate;
      const time = Date.parse(text.replace(/^(\d{4})(\d{2})(\d{2})T/, '$1-$2-$3T'));
      if (time > Date.now() + TELEMETRY_DAYS[String(frequency)]! * DAY_MS) throw new XapiError('TELEMETRY_NEXT_COLLECTION_TOO_LATE', text);
      database.update('pool', pool as string, { telemetry_next_collection: value! });
    }),
  ];
}

/** There is no repository, and none can be made (Repository.introduce). */
function updateMethods(database: Database, one: One, set: (field: string) => Action): Method[] {
  const assertRepositories = (refs: Wire) => {
    for (const ref of refs as readonly string[]) database.get('Repository', ref);
  };
  return [
    one('set_update_sync_enabled', (args) => {
      if (args[1] === true) throw new XapiError('NO_REPOSITORIES_CONFIGURED');
      return set('update_sync_enabled')(args, undefined as never);
    }),
    one('configure_update_sync', ([pool, frequency, day]) => {
      const weekly = frequency === 'weekly';
      if (weekly && ((day as number) < 0 || (day as number) >= DAYS_OF_WEEK)) throw new XapiError('INVALID_UPDATE_SYNC_DAY', String(day));
      database.update('pool', pool as string, { update_sync_frequency: frequency!, update_sync_day: weekly ? day! : 0 });
    }),
    one('sync_updates', fails('NO_REPOSITORY_ENABLED')),
    one('set_repositories', ([, refs]) => assertRepositories(refs!)),
    one('add_repository', nothing),
    one('remove_repository', nothing),
    one('configure_repository_proxy', ([pool, url, username, password]) => {
      if (!/^https?:/.test(url as string)) throw new XapiError('INVALID_REPOSITORY_PROXY_URL', url as string);
      if ((username === '') !== (password === '') || /\n/.test(`${username as string}${password as string}`)) {
        throw new XapiError('INVALID_REPOSITORY_PROXY_CREDENTIAL');
      }
      // The password would have to be kept as a secret.
      if (password !== '') throw xapiErrors.notImplemented('pool.configure_repository_proxy');
      database.update('pool', pool as string, { repository_proxy_url: url!, repository_proxy_username: '' });
    }),
    one('disable_repository_proxy', ([pool]) =>
      database.update('pool', pool as string, { repository_proxy_url: '', repository_proxy_username: '' }),
    ),
  ];
}

/** Settings that guests' agents read from XenStore. */
function agentMethods(database: Database, one: One): Method[] {
  const change = (pool: string, work: (entries: Record<string, Wire>) => void) => {
    const entries = { ...(database.get('pool', pool).guest_agent_config as WireStruct) };
    work(entries);
    database.update('pool', pool, { guest_agent_config: structOf(entries) });
  };
  return [
    one('add_to_guest_agent_config', ([pool, key, value]) =>
      change(pool as string, (entries) => {
        const isKnown = AGENT_CONFIG[key as string]?.test(value as string) === true;
        if (!isKnown) throw xapiErrors.invalidValue('guest_agent_config', `${String(key)} = ${String(value)}`);
        if (Object.hasOwn(entries, key as string)) {
          const { uuid } = database.get('pool', pool as string);
          throw xapiErrors.mapDuplicateKey('pool', 'guest_agent_config', String(uuid), key as string);
        }
        entries[key as string] = value!;
      }),
    ),
    one('remove_from_guest_agent_config', ([pool, key]) => change(pool as string, (entries) => delete entries[key as string])),
  ];
}

/**
 * The checks of xapi_ha.ml, enable. After them hosts would watch each other, which those of one
 * process do not.
 */
function enableHa(database: Database, srs: readonly string[]): never {
  const pifs = database.refs('PIF').filter((ref) => {
    const { disallow_unplug: stays, currently_attached: attached } = database.get('PIF', ref);
    return stays === true && attached !== true;
  });
  if (pifs.length > 0) throw new XapiError('REQUIRED_PIF_IS_UNPLUGGED', ...pifs);
  for (const host of database.refs('host')) {
    if (database.get('host_metrics', String(database.get('host', host).metrics)).live !== true) throw new XapiError('HOST_OFFLINE', host);
  }
  const [sr] = srs.length > 0 ? srs : database.refs('SR').filter((ref) => holdsStatefile(database, ref));
  if (sr === undefined) throw new XapiError('CANNOT_CREATE_STATE_FILE');
  assertHoldsStatefile(database, sr);
  throw xapiErrors.notImplemented('pool.enable_ha');
}

/** @throws XapiError PIF_NOT_PRESENT where a host has no card on the network */
function moveAllManagement(database: Database, network: string): void {
  const pifs = (database.get('network', network).PIFs as readonly string[]).map((ref) => ({ ref, host: database.get('PIF', ref).host }));
  for (const host of database.refs('host')) {
    if (!pifs.some((pif) => pif.host === host)) throw new XapiError('PIF_NOT_PRESENT', host, network);
  }
  database.atomically(() => {
    for (const { ref } of pifs) reconfigureManagement(database, ref);
  });
}
