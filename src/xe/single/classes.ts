// xe on what hosts seldom have: GPUs, USB and PCI devices, PVS, clusters, updates, repositories,
// and users and their roles. Fields are in xe's order (records.ml of xen-api e2ee48d6).
import { asList, asText } from '../../xapi-client/values.js';
import { names, operations, otherConfig, uuid } from '../common-fields.js';
import { NOT_IN_DATABASE } from '../context.js';
import {
  bool,
  call,
  choice,
  date,
  type Field,
  float,
  int,
  map,
  ownWords,
  ref,
  refs,
  related,
  text,
  words,
  type XeClass,
} from '../field.js';

const ofHost = ref('host-uuid', 'host', 'host');

/** A field of the object behind a reference. */
const behind = (name: string, key: string, target: string, field = 'name_label'): Field =>
  related(name, key, target, NOT_IN_DATABASE, (record) => asText(record[field]));

/** References in a set that clients change by uuid. */
function ownRefs(name: string, key: string, target: string, one: string): Field {
  const change = (verb: 'add' | 'remove') => async (object: Parameters<NonNullable<Field['addToSet']>>[0], value: string) =>
    call(object, `${verb}_${one}`, await object.context.session.call(`${target}.get_by_uuid`, [value]));
  return { ...refs(name, key, target, true), addToSet: change('add'), removeFromSet: change('remove') };
}

function xeClass(name: string, apiClass: string, listed: string, fields: readonly Field[]): XeClass {
  // xe shows all of a class that has no list of its own.
  return { name, apiClass, fields, listed: listed === '' ? fields.map((field) => field.name) : listed.split(' '), filters: [] };
}

const GRAPHICS: readonly XeClass[] = [
  xeClass('pgpu', 'PGPU', 'uuid pci-uuid vendor-name device-name gpu-group-uuid', [
    uuid,
    ref('pci-uuid', 'PCI', 'PCI'),
    behind('vendor-name', 'PCI', 'PCI', 'vendor_name'),
    behind('device-name', 'PCI', 'PCI', 'device_name'),
    text('dom0-access', 'dom0_access'),
    bool('is-system-display-device', 'is_system_display_device'),
    ref('gpu-group-uuid', 'GPU_group', 'GPU_group', 'rw'),
    behind('gpu-group-name-label', 'GPU_group', 'GPU_group'),
    ofHost,
    behind('host-name-label', 'host', 'host'),
    behind('pci-id', 'PCI', 'PCI', 'pci_id'),
    otherConfig,
    refs('supported-VGPU-types', 'supported_VGPU_types', 'VGPU_type'),
    ownRefs('enabled-VGPU-types', 'enabled_VGPU_types', 'VGPU_type', 'enabled_VGPU_types'),
    refs('resident-VGPUs', 'resident_VGPUs', 'VGPU'),
  ]),
  xeClass('gpu-group', 'GPU_group', 'uuid name-label name-description', [
    uuid,
    ...names(),
    refs('VGPU-uuids', 'VGPUs', 'VGPU', true),
    refs('PGPU-uuids', 'PGPUs', 'PGPU', true),
    otherConfig,
    refs('enabled-VGPU-types', 'enabled_VGPU_types', 'VGPU_type'),
    refs('supported-VGPU-types', 'supported_VGPU_types', 'VGPU_type'),
    choice('allocation-algorithm', 'allocation_algorithm', ['breadth_first', 'depth_first'], 'rw', (word) => word.replace('_', '-')),
  ]),
  xeClass('vgpu', 'VGPU', 'uuid vm-uuid device gpu-group-uuid', [
    uuid,
    ref('vm-uuid', 'VM', 'VM'),
    behind('vm-name-label', 'VM', 'VM'),
    text('device', 'device'),
    ref('gpu-group-uuid', 'GPU_group', 'GPU_group'),
    behind('gpu-group-name-label', 'GPU_group', 'GPU_group'),
    bool('currently-attached', 'currently_attached'),
    otherConfig,
    ref('type-uuid', 'type', 'VGPU_type'),
    behind('type-model-name', 'type', 'VGPU_type', 'model_name'),
    ref('resident-on', 'resident_on', 'PGPU'),
    map('compatibility-metadata', 'compatibility_metadata', 'text'),
    text('extra_args', 'extra_args', 'rw'),
    behind('pci', 'PCI', 'PCI', 'pci_id'),
  ]),
  xeClass('vgpu-type', 'VGPU_type', 'uuid vendor-name model-name max-resolution max-heads', [
    uuid,
    text('vendor-name', 'vendor_name'),
    text('model-name', 'model_name'),
    int('framebuffer-size', 'framebuffer_size'),
    int('max-heads', 'max_heads'),
    {
      name: 'max-resolution',
      key: 'max_resolution_x',
      get: ({ record }) => `${asText(record.max_resolution_x)}x${asText(record.max_resolution_y)}`,
    },
    refs('supported-on-PGPUs', 'supported_on_PGPUs', 'PGPU'),
    refs('enabled-on-PGPUs', 'enabled_on_PGPUs', 'PGPU'),
    refs('supported-on-GPU-groups', 'supported_on_GPU_groups', 'GPU_group'),
    refs('enabled-on-GPU-groups', 'enabled_on_GPU_groups', 'GPU_group'),
    refs('VGPU-uuids', 'VGPUs', 'VGPU'),
    bool('experimental', 'experimental'),
    refs('compatible-types-in-vm', 'compatible_types_in_vm', 'VGPU_type'),
  ]),
];

const DEVICES: readonly XeClass[] = [
  xeClass('pci', 'PCI', 'uuid vendor-name device-name pci-id', [
    uuid,
    text('vendor-name', 'vendor_name'),
    text('device-name', 'device_name'),
    text('driver-name', 'driver_name'),
    ofHost,
    behind('host-name-label', 'host', 'host'),
    text('pci-id', 'pci_id'),
    refs('dependencies', 'dependencies', 'PCI', true),
    otherConfig,
  ]),
  xeClass('pusb', 'PUSB', 'uuid path product-id product-desc vendor-id vendor-desc serial version description speed', [
    uuid,
    ref('usb-group-uuid', 'USB_group', 'USB_group'),
    ofHost,
    behind('host-name-label', 'host', 'host'),
    ...['path', 'vendor-id', 'vendor-desc', 'product-id', 'product-desc', 'serial', 'version', 'description'].map((name) =>
      text(name, name.replace('-', '_')),
    ),
    float('speed', 'speed'),
    bool('passthrough-enabled', 'passthrough_enabled', 'rw'),
  ]),
  xeClass('usb-group', 'USB_group', 'uuid name-label name-description', [
    uuid,
    ...names(),
    refs('VUSB-uuids', 'VUSBs', 'VUSB', true),
    refs('PUSB-uuids', 'PUSBs', 'PUSB', true),
    otherConfig,
  ]),
  xeClass('vusb', 'VUSB', 'uuid vm-uuid usb-group-uuid', [
    uuid,
    ref('vm-uuid', 'VM', 'VM'),
    behind('vm-name-label', 'VM', 'VM'),
    ref('usb-group-uuid', 'USB_group', 'USB_group'),
    behind('usb-group-name-label', 'USB_group', 'USB_group'),
    otherConfig,
    bool('currently-attached', 'currently_attached'),
    ...operations,
  ]),
  xeClass('network-sriov', 'network_sriov', 'uuid physical-PIF logical-PIF requires-reboot configuration-mode', [
    uuid,
    ref('physical-PIF', 'physical_PIF', 'PIF'),
    ref('logical-PIF', 'logical_PIF', 'PIF'),
    bool('requires-reboot', 'requires_reboot'),
    text('configuration-mode', 'configuration_mode'),
  ]),
];

const ofSite = ref('pvs-site-uuid', 'site', 'PVS_site');
const PVS: readonly XeClass[] = [
  xeClass('pvs-site', 'PVS_site', 'uuid name-label name-description pvs-uuid pvs-server-uuids', [
    uuid,
    ...names(),
    text('pvs-uuid', 'PVS_uuid', 'rw'),
    refs('pvs-cache-storage-uuids', 'cache_storage', 'PVS_cache_storage', true),
    refs('pvs-server-uuids', 'servers', 'PVS_server', true),
    refs('pvs-proxy-uuids', 'proxies', 'PVS_proxy', true),
  ]),
  xeClass('pvs-server', 'PVS_server', 'uuid addresses pvs-site-uuid', [
    uuid,
    words('addresses', 'addresses', ', '),
    int('first-port', 'first_port'),
    int('last-port', 'last_port'),
    ofSite,
  ]),
  xeClass('pvs-proxy', 'PVS_proxy', 'uuid vif-uuid pvs-site-uuid currently-attached', [
    uuid,
    ofSite,
    ref('vif-uuid', 'VIF', 'VIF'),
    bool('currently-attached', 'currently_attached'),
    text('status', 'status'),
  ]),
  xeClass('pvs-cache-storage', 'PVS_cache_storage', 'uuid host-uuid sr-uuid pvs-site-uuid size', [
    uuid,
    ofHost,
    ref('sr-uuid', 'SR', 'SR'),
    ofSite,
    int('size', 'size'),
    ref('vdi-uuid', 'VDI', 'VDI'),
  ]),
];

const CLUSTERS: readonly XeClass[] = [
  xeClass(
    ...(['cluster', 'Cluster'] as const),
    'uuid cluster-hosts cluster-token cluster-stack allowed-operations current-operations pool-auto-join cluster-config other-config',
    [
      uuid,
      refs('cluster-hosts', 'cluster_hosts', 'Cluster_host', true),
      text('cluster-token', 'cluster_token'),
      text('cluster-stack', 'cluster_stack'),
      float('token-timeout', 'token_timeout'),
      float('token-timeout-coefficient', 'token_timeout_coefficient'),
      ...operations,
      bool('pool-auto-join', 'pool_auto_join'),
      map('cluster-config', 'cluster_config', 'ro'),
      otherConfig,
      bool('is-quorate', 'is_quorate'),
      int('quorum', 'quorum'),
      int('live-hosts', 'live_hosts'),
    ],
  ),
  xeClass('cluster-host', 'Cluster_host', 'uuid cluster PIF host enabled allowed-operations current-operations other-config', [
    uuid,
    ref('cluster', 'cluster', 'Cluster'),
    ref('PIF', 'PIF', 'PIF'),
    ref('host', 'host', 'host'),
    ...[bool('enabled', 'enabled'), bool('joined', 'joined'), bool('live', 'live')],
    date('last-update-live', 'last_update_live'),
    ...operations,
    map('other-config', 'other_config', 'ro'),
  ]),
];

const UPDATES: readonly XeClass[] = [
  xeClass('patch', 'pool_patch', 'uuid name-label name-description size after-apply-guidance', [
    uuid,
    ...names('ro'),
    int('size', 'size'),
    words('after-apply-guidance', 'after_apply_guidance', ', '),
    ref('update', 'pool_update', 'pool_update'),
  ]),
  xeClass('update', 'pool_update', 'uuid name-label name-description version installation-size hosts after-apply-guidance', [
    uuid,
    ...names('ro'),
    text('version', 'version'),
    int('installation-size', 'installation_size'),
    refs('hosts', 'hosts', 'host', true),
    words('after-apply-guidance', 'after_apply_guidance', ', '),
    bool('enforce-homogeneity', 'enforce_homogeneity'),
  ]),
  xeClass('repository', 'Repository', 'uuid name-label name-description binary-url source-url update hash up-to-date gpgkey-path origin', [
    uuid,
    ...names(),
    text('binary-url', 'binary_url'),
    text('source-url', 'source_url'),
    bool('update', 'update'),
    text('hash', 'hash'),
    text('gpgkey-path', 'gpgkey_path', 'rw'),
  ]),
  xeClass('certificate', 'Certificate', 'uuid type name host not-before not-after fingerprint purpose', [
    uuid,
    text('type', 'type'),
    text('name', 'name'),
    ref('host', 'host', 'host'),
    date('not-before', 'not_before'),
    date('not-after', 'not_after'),
    text('fingerprint', 'fingerprint'),
  ]),
  xeClass('feature', 'Feature', 'uuid name-label name-description enabled experimental version host-uuid', [
    uuid,
    ...names('ro'),
    bool('enabled', 'enabled'),
    bool('experimental', 'experimental'),
    text('version', 'version'),
    ofHost,
  ]),
  xeClass('host-crashdump', 'host_crashdump', 'uuid host-uuid timestamp size', [
    uuid,
    ofHost,
    date('timestamp', 'timestamp'),
    int('size', 'size'),
  ]),
  xeClass('drtask', 'DR_task', '', [uuid, refs('introduced-SRs', 'introduced_SRs', 'SR')]),
];

/** Whose names xe shows, in place of uuids. */
const roles: Field = {
  name: 'roles',
  key: 'roles',
  get: async (object) => (await roleNames(object)).join('; '),
  getSet: (object) => roleNames(object),
};
const roleNames = ({ context, record }: Parameters<Field['get']>[0]): Promise<string[]> =>
  Promise.all(asList(record.roles).map(async (one) => asText((await context.related('role', one))?.name_label ?? NOT_IN_DATABASE)));

const USERS: readonly XeClass[] = [
  xeClass('subject', 'subject', 'uuid subject-identifier other-config roles', [
    uuid,
    text('subject-identifier', 'subject_identifier'),
    map('other-config', 'other_config', 'ro'),
    roles,
  ]),
  xeClass('role', 'role', 'uuid name description', [uuid, text('name', 'name_label'), text('description', 'name_description')]),
  xeClass('secret', 'secret', '', [uuid, text('value', 'value', 'rw')]),
  xeClass('blob', 'blob', '', [uuid, text('name', 'name_label', 'rw'), int('size', 'size'), text('mime-type', 'mime_type')]),
  xeClass('sdn-controller', 'SDN_controller', '', [uuid, text('protocol', 'protocol'), text('address', 'address'), int('port', 'port')]),
  xeClass('observer', 'Observer', 'uuid name-label name-description host-uuids endpoints enabled', [
    uuid,
    refs('host-uuids', 'hosts', 'host', true),
    ...names('ro'),
    map('attributes', 'attributes', 'rw'),
    ownWords('endpoints', 'endpoints'),
    ownWords('components', 'components'),
    bool('enabled', 'enabled', 'rw'),
  ]),
  xeClass('vmss', 'VMSS', '', [
    uuid,
    ...names(),
    bool('enabled', 'enabled', 'rw'),
    choice('type', 'type', ['snapshot', 'checkpoint', 'snapshot_with_quiesce'], 'rw'),
    int('retained-snapshots', 'retained_snapshots', 'rw'),
    choice('frequency', 'frequency', ['hourly', 'daily', 'weekly'], 'rw'),
    map('schedule', 'schedule', 'rw'),
    date('last-run-time', 'last_run_time'),
    refs('VMs', 'VMs', 'VM', true),
  ]),
];

/** Of later versions of xapi than the data model of the daemon (Host_driver, Caller and others). */
const NEWER: readonly XeClass[] = [
  xeClass('hostdriver', 'Host_driver', 'uuid name host-uuid active-variant selected-variant variants-uuid', [
    uuid,
    text('name', 'name'),
    text('type', 'type'),
    text('description', 'description'),
    text('info', 'info'),
    ofHost,
    behind('active-variant', 'active_variant', 'Driver_variant', 'name'),
    behind('selected-variant', 'selected_variant', 'Driver_variant', 'name'),
    refs('variants-uuid', 'variants', 'Driver_variant'),
  ]),
  xeClass('hostdriver-variant', 'Driver_variant', 'uuid driver-name name version priority driver-uuid status hw-present', [
    uuid,
    text('name', 'name'),
    text('version', 'version'),
    text('status', 'status'),
    float('priority', 'priority'),
    ref('driver-uuid', 'driver', 'Host_driver'),
    behind('driver-name', 'driver', 'Host_driver', 'name'),
    bool('hw-present', 'hardware_present'),
  ]),
  xeClass('caller', 'Caller', '', [
    uuid,
    ...names(),
    text('user-agent', 'user_agent'),
    text('client-ip', 'client_ip'),
    date('last-access', 'last_access'),
    ownWords('groups', 'groups'),
    ref('rate-limit', 'rate_limit', 'Rate_limit'),
  ]),
  xeClass('rate-limit', 'Rate_limit', 'uuid name-label callers burst-size fill-rate', [
    uuid,
    ...names(),
    refs('callers', 'callers', 'Caller', true),
    float('burst-size', 'burst_size', 'rw'),
    float('fill-rate', 'fill_rate', 'rw'),
  ]),
];

export const SINGLE_XE_CLASSES: readonly XeClass[] = [...[GRAPHICS, DEVICES, PVS, CLUSTERS, UPDATES, USERS, NEWER].flat()];
