// Messages that xapi hides from its documentation (hide_from_docs and pool_internal in ocaml/idl of
// xen-api e2ee48d6). Hosts of a pool, storage drivers and a few scripts send them.
import { isAttached } from '../../devices/allowed-storage.js';
import { attachNetwork, refsOf } from '../../devices/pifs.js';
import type { Database } from '../../model/database.js';
import { deviceErrors } from '../../wire/device-errors.js';
import { XapiError, xapiErrors } from '../../wire/errors.js';
import type { FieldType } from '../../wire/types.js';
import type { Wire } from '../../wire/values.js';
import { type Method, type Param, VOID } from '../method.js';
import { identityOf } from '../roles.js';

/** From host to host only, with the number of their parameters: session_check.ml refuses others. */
const BETWEEN_HOSTS: Readonly<Record<number, readonly string[]>> = {
  0: ['host.local_assert_healthy', 'host.signal_networking_change', 'pool.ha_schedule_plan_recomputation'],
  1: [
    ...['abort_new_master', 'certificate_list', 'certificate_sync', 'commit_new_master', 'copy_primary_host_certs', 'crl_list'],
    ...['disable_binary_storage', 'enable_binary_storage', 'get_uncooperative_domains', 'ha_disable_failover_decisions'],
    ...['ha_disarm_fencing', 'ha_join_liveset', 'ha_release_resources', 'ha_stop_daemon', 'ha_wait_for_shutdown_via_statefile'],
    ...['mxgpu_vf_setup', 'sync_tunnels', 'sync_vlans', 'write_uefi_certificates_to_disk'],
  ].map((name) => `host.${name}`),
  2: [
    ...['attach_static_vdis', 'cert_distrib_atom', 'crl_uninstall', 'detach_static_vdis', 'notify', 'propose_new_master'],
    ...['request_config_file_sync', 'set_license_params', 'sync_pif_currently_attached', 'tickle_heartbeat', 'update_master'],
  ].map((name) => `host.${name}`),
  3: ['crl_install', 'install_ca_certificate', 'nvidia_vf_setup', 'request_backup', 'set_localdb_key'].map((name) => `host.${name}`),
  4: ['host.preconfigure_ha'],
};
const BETWEEN_HOSTS_TOO: Readonly<Record<string, number>> = {
  'pool.audit_log_append': 1,
  'VM.hard_reboot_internal': 1,
  'VM.atomic_set_resident_on': 2,
  'VGPU.atomic_set_resident_on': 2,
  'Cluster.cstack_sync': 1,
  'Repository.apply': 1,
};

/** Setters of what drivers find out, which have sessions of their own (Sm, internal_sr_access). */
const OF_DRIVERS: readonly (readonly [type: string, field: string, value: FieldType])[] = [
  ...(['cbt_enabled', 'is_a_snapshot', 'managed', 'missing'] as const).map((field) => ['VDI', field, 'bool'] as const),
  ...(['physical_utilisation', 'virtual_size'] as const).map((field) => ['VDI', field, 'int'] as const),
  ['VDI', 'metadata_of_pool', { ref: 'pool' }],
  ['VDI', 'snapshot_of', { ref: 'VDI' }],
  ['VDI', 'snapshot_time', 'datetime'],
  ...(['physical_utilisation', 'virtual_allocation'] as const).map((field) => ['SR', field, 'int'] as const),
];

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

const object = (type: string): Param => ({ name: type.toLowerCase(), type: { ref: type } });

export function hiddenMethods(database: Database): Method[] {
  return [...betweenHosts(), ...ofDrivers(database), ...contentsMethods(database), ...others(database)];
}

function betweenHosts(): Method[] {
  const counted = Object.entries(BETWEEN_HOSTS).flatMap(([count, names]) => names.map((name) => [name, Number(count)] as const));
  return [...counted, ...Object.entries(BETWEEN_HOSTS_TOO)].map(([name, count]) => ({
    name,
    params: Array.from({ length: count }, (_, index): Param => ({ name: `p${index}`, type: 'string' })),
    role: 'admin',
    async: false,
    betweenHosts: true,
    call: () => VOID,
  }));
}

/** For the local superuser alone (_R_LOCAL_ROOT_ONLY). */
function ofRoot(database: Database, name: string, type: string, more: readonly Param[], answer: (args: readonly Wire[]) => Wire): Method {
  return {
    name,
    params: [{ name: 'self', type: { ref: type } }, ...more],
    role: 'admin',
    async: false,
    call: (args, { session }) => {
      if (identityOf(session).is_local_superuser !== true) throw xapiErrors.permissionDenied(name);
      database.get(type, args[0] as string);
      return answer(args);
    },
  };
}

/** Backups take along what a TPM has stored, in base64 (xapi_vtpm.ml). TPMs here store nothing. */
function contentsMethods(database: Database): Method[] {
  return [
    ofRoot(database, 'VTPM.get_contents', 'VTPM', [], () => ''),
    ofRoot(database, 'VTPM.set_contents', 'VTPM', [{ name: 'contents', type: 'string' }], ([, contents]) => {
      if (!BASE64.test(contents as string)) throw xapiErrors.internal('the contents are not base64');
      if (contents !== '') throw xapiErrors.notImplemented('VTPM.set_contents');
      return VOID;
    }),
  ];
}

function ofDrivers(database: Database): Method[] {
  const refuse = (name: string, type: string, more: readonly Param[]): Method =>
    ofRoot(database, name, type, more, () => {
      throw new XapiError('PERMISSION_DENIED', '');
    });
  return [
    ...OF_DRIVERS.map(([type, field, value]) => refuse(`${type}.set_${field}`, type, [{ name: 'value', type: value }])),
    refuse('VDI.db_forget', 'VDI', []),
  ];
}

function others(database: Database): Method[] {
  const one = (name: string, params: readonly Param[], answer: (args: readonly string[]) => Wire | undefined): Method => ({
    ...{ name, params, role: 'admin', async: true },
    call: (args) => {
      for (const [index, { type }] of params.entries()) {
        if (typeof type === 'object' && 'ref' in type) database.get(type.ref, args[index] as string);
      }
      return answer(args as readonly string[]) ?? VOID;
    },
  });
  const pause = ([ref]: readonly string[]): never => {
    const vdi = String(database.get('VBD', ref!).VDI);
    throw deviceErrors.srNotSupported(String(database.get('VDI', vdi).SR));
  };
  return [
    // The model's bridges come with their networks.
    one('network.attach', [object('network'), object('host')], ([network, host]) => {
      attachNetwork(database, network!, host!, 'stored');
      return undefined;
    }),
    one('network.attach_for_vm', [object('host'), object('VM')], ([host, vm]) => {
      for (const vif of refsOf(database.get('VM', vm!), 'VIFs')) {
        attachNetwork(database, String(database.get('VIF', vif).network), host!, 'stored');
      }
      return undefined;
    }),
    one('network.detach_for_vm', [object('host'), object('VM')], () => undefined),
    one('SR.get_live_hosts', [object('SR')], ([sr]) => liveHosts(database, sr!)),
    one('VDI.force_unlock', [object('VDI')], () => {
      throw new XapiError('MESSAGE_DEPRECATED');
    }),
    one('VBD.pause', [object('VBD')], pause),
    one('VBD.unpause', [object('VBD'), { name: 'token', type: 'string' }], pause),
    // This process is the coordinator of its pool.
    one('pool.is_slave', [object('host')], () => false),
    one('host.apply_guest_agent_config', [object('host')], () => undefined),
  ];
}

/** Those on which a VM with disks in it could start. */
function liveHosts(database: Database, sr: string): string[] {
  return database.refs('host').filter((host) => {
    const { enabled, metrics } = database.get('host', host);
    const { live } = database.get('host_metrics', String(metrics));
    return enabled === true && live === true && isAttached(database, database.get('SR', sr), host);
  });
}
