// The classes host, host-cpu, pool and task of xe: their fields in xe's order (records.ml of
// xen-api e2ee48d6).
import { asMap, asText } from '../xapi-client/values.js';
import { NOT_IN_DATABASE } from './context.js';
import {
  bool,
  call,
  choice,
  date,
  type Field,
  float,
  int,
  joinMap,
  map,
  ownWords,
  ref,
  refs,
  related,
  text,
  words,
  type XeClass,
} from './field.js';

/** Host.numa_affinity_policy (ocaml/idl/datamodel_host.ml). */
export const NUMA_POLICIES = ['any', 'best_effort', 'default_policy'];

function metric(name: string, key: string): Field {
  return related(name, 'metrics', 'host_metrics', NOT_IN_DATABASE, (record) => asText(record[key]));
}

function blobs(): Field {
  return {
    name: 'blobs',
    key: 'blobs',
    get: async ({ context, record }) =>
      joinMap(await Promise.all(asMap(record.blobs).map(async ([key, blob]) => [key, await context.uuidOf('blob', blob)] as const))),
  };
}

const hostFields: readonly Field[] = [
  text('uuid', 'uuid'),
  text('name-label', 'name_label', 'rw'),
  text('name-description', 'name_description', 'rw'),
  words('allowed-operations', 'allowed_operations'),
  words('current-operations', 'current_operations'),
  bool('enabled', 'enabled'),
  text('display', 'display'),
  int('API-version-major', 'API_version_major'),
  int('API-version-minor', 'API_version_minor'),
  text('API-version-vendor', 'API_version_vendor'),
  map('API-version-vendor-implementation', 'API_version_vendor_implementation', 'ro'),
  map('logging', 'logging', 'rw'),
  ref('suspend-image-sr-uuid', 'suspend_image_sr', 'SR', 'rw', true),
  ref('crash-dump-sr-uuid', 'crash_dump_sr', 'SR', 'rw', true),
  map('software-version', 'software_version', 'ro'),
  words('capabilities', 'capabilities'),
  map('other-config', 'other_config', 'rw'),
  map('cpu_info', 'cpu_info', 'ro'),
  map('chipset-info', 'chipset_info', 'ro'),
  text('hostname', 'hostname'),
  text('address', 'address'),
  bool('https-only', 'https_only', 'rw'),
  words('supported-bootloaders', 'supported_bootloaders'),
  blobs(),
  int('memory-overhead', 'memory_overhead'),
  metric('memory-total', 'memory_total'),
  metric('memory-free', 'memory_free'),
  {
    name: 'memory-free-computed',
    key: 'uuid',
    expensive: true,
    get: async (object) => asText(await call(object, 'compute_free_memory')),
  },
  metric('host-metrics-live', 'live'),
  refs('updates', 'updates', 'pool_update'),
  words('ha-statefiles', 'ha_statefiles', '; ', false),
  words('ha-network-peers', 'ha_network_peers', '; ', false),
  text('external-auth-type', 'external_auth_type'),
  text('external-auth-service-name', 'external_auth_service_name'),
  map('external-auth-configuration', 'external_auth_configuration', 'ro'),
  text('edition', 'edition'),
  map('license-server', 'license_server', 'ro'),
  text('power-on-mode', 'power_on_mode'),
  map('power-on-config', 'power_on_config', 'ro'),
  ref('local-cache-sr', 'local_cache_sr', 'SR'),
  ownWords('tags', 'tags'),
  bool('ssl-legacy', 'ssl_legacy', 'rw'),
  map('guest_VCPUs_params', 'guest_VCPUs_params', 'rw'),
  words('virtual-hardware-platform-versions', 'virtual_hardware_platform_versions'),
  ref('control-domain-uuid', 'control_domain', 'VM'),
  refs('resident-vms', 'resident_VMs', 'VM', true),
  refs('updates-requiring-reboot', 'updates_requiring_reboot', 'pool_update', true),
  refs('features', 'features', 'Feature', true),
  text('iscsi_iqn', 'iscsi_iqn', 'rw'),
  bool('multipathing', 'multipathing', 'rw'),
  { ...text('uefi-certificates', 'uefi_certificates', 'rw'), hidden: true },
  choice('numa-affinity-policy', 'numa_affinity_policy', NUMA_POLICIES, 'rw'),
  words('pending-guidances', 'pending_guidances', '; ', false),
  bool('tls-verification-enabled', 'tls_verification_enabled'),
  date('last-software-update', 'last_software_update'),
  text('latest-synced-updates-applied', 'latest_synced_updates_applied'),
  words('pending-guidances-recommended', 'pending_guidances_recommended', '; ', false),
  words('pending-guidances-full', 'pending_guidances_full', '; ', false),
  text('last-update-hash', 'last_update_hash'),
];

export const HOST: XeClass = {
  name: 'host',
  apiClass: 'host',
  fields: hostFields,
  listed: ['uuid', 'name-label', 'name-description'],
  filters: [],
};

export const HOST_CPU: XeClass = {
  name: 'host-cpu',
  apiClass: 'host_cpu',
  fields: [
    text('uuid', 'uuid'),
    ref('host-uuid', 'host', 'host'),
    int('number', 'number'),
    text('vendor', 'vendor'),
    int('speed', 'speed'),
    text('model', 'model'),
    text('family', 'family'),
    text('stepping', 'stepping'),
    text('flags', 'flags'),
    float('utilisation', 'utilisation'),
    map('other-config', 'other_config', 'rw'),
  ],
  listed: ['uuid', 'number', 'vendor', 'speed', 'utilisation'],
  filters: [],
};

export const POOL: XeClass = {
  name: 'pool',
  apiClass: 'pool',
  fields: [
    text('uuid', 'uuid'),
    text('name-label', 'name_label', 'rw'),
    text('name-description', 'name_description', 'rw'),
    ref('master', 'master', 'host'),
    ref('default-SR', 'default_SR', 'SR', 'rw', true),
    ref('crash-dump-SR', 'crash_dump_SR', 'SR', 'rw', true),
    ref('suspend-image-SR', 'suspend_image_SR', 'SR', 'rw', true),
    map('other-config', 'other_config', 'rw'),
    words('allowed-operations', 'allowed_operations'),
    words('current-operations', 'current_operations'),
    bool('ha-enabled', 'ha_enabled'),
    map('ha-configuration', 'ha_configuration', 'text'),
    words('ha-statefiles', 'ha_statefiles', '; ', false),
    int('ha-host-failures-to-tolerate', 'ha_host_failures_to_tolerate', 'rw'),
    int('ha-plan-exists-for', 'ha_plan_exists_for'),
    bool('ha-allow-overcommit', 'ha_allow_overcommit', 'rw'),
    bool('ha-overcommitted', 'ha_overcommitted'),
    blobs(),
    text('wlb-url', 'wlb_url'),
    text('wlb-username', 'wlb_username'),
    bool('wlb-enabled', 'wlb_enabled', 'rw'),
    bool('wlb-verify-cert', 'wlb_verify_cert', 'rw'),
    bool('igmp-snooping-enabled', 'igmp_snooping_enabled', 'rw'),
    map('gui-config', 'gui_config', 'rw'),
    map('health-check-config', 'health_check_config', 'rw'),
    map('restrictions', 'restrictions', 'text'),
    ownWords('tags', 'tags'),
    text('ha-cluster-stack', 'ha_cluster_stack'),
    map('guest-agent-config', 'guest_agent_config', 'rw'),
    map('cpu_info', 'cpu_info', 'ro'),
    bool('policy-no-vendor-device', 'policy_no_vendor_device', 'rw'),
    bool('live-patching-disabled', 'live_patching_disabled', 'rw'),
    { ...text('uefi-certificates', 'uefi_certificates', 'rw'), hidden: true },
    bool('tls-verification-enabled', 'tls_verification_enabled'),
    bool('client-certificate-auth-enabled', 'client_certificate_auth_enabled'),
    text('client-certificate-auth-name', 'client_certificate_auth_name'),
    bool('migration-compression', 'migration_compression', 'rw'),
    bool('coordinator-bias', 'coordinator_bias', 'rw'),
  ],
  listed: ['uuid', 'name-label', 'name-description', 'master', 'default-SR'],
  filters: [],
};

/** Task operations are the ones that xe writes with a capital. */
const capitalised = (field: Field): Field => ({
  ...field,
  get: async (object) => (await field.get(object)).replace(/\b(cancel|destroy)\b/g, (word) => word.charAt(0).toUpperCase() + word.slice(1)),
});

export const TASK: XeClass = {
  name: 'task',
  apiClass: 'task',
  fields: [
    text('uuid', 'uuid'),
    text('name-label', 'name_label'),
    text('name-description', 'name_description'),
    ref('subtask_of', 'subtask_of', 'task'),
    refs('subtasks', 'subtasks', 'task'),
    ref('resident-on', 'resident_on', 'host'),
    text('status', 'status'),
    float('progress', 'progress'),
    text('type', 'type'),
    text('result', 'result'),
    date('created', 'created'),
    date('finished', 'finished'),
    words('error_info', 'error_info', '; ', false),
    capitalised(words('allowed_operations', 'allowed_operations', '; ', false)),
    capitalised(words('current_operations', 'current_operations', '; ', false)),
    map('other-config', 'other_config', 'rw'),
  ],
  listed: ['uuid', 'name-label', 'name-description', 'status', 'progress'],
  filters: [],
};
