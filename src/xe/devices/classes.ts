// The classes of storage and networks as xe shows them: fields in xe's order
// (xapi-cli-server/records.ml of xen-api e2ee48d6).

import { asText } from '../../xapi-client/values.js';
import { names, operations, otherConfig, uuid } from '../common-fields.js';
import { NOT_IN_DATABASE } from '../context.js';
import { bool, bytes, call, date, type Field, int, map, ownWords, ref, refs, related, text, words, type XeClass } from '../field.js';

const tags = ownWords('tags', 'tags');
const qos: readonly Field[] = [
  text('qos_algorithm_type', 'qos_algorithm_type', 'rw'),
  map('qos_algorithm_params', 'qos_algorithm_params', 'rw'),
  words('qos_supported_algorithms', 'qos_supported_algorithms'),
];

/** The name of the object behind a reference. */
function nameOf(name: string, key: string, target: string): Field {
  return related(name, key, target, NOT_IN_DATABASE, (record) => asText(record.name_label));
}
const ofVm: readonly Field[] = [ref('vm-uuid', 'VM', 'VM'), nameOf('vm-name-label', 'VM', 'VM')];

/** Of a PIF or a bond: xe sets its keys, and does not remove them. */
const properties: Field = {
  ...map('properties', 'properties', 'ro'),
  setInMap: (object, key, value) => call(object, 'set_property', key, value),
};

/** On whose host an SR is: that of its only PBD; xe has words for the others. */
const srHost: Field = {
  name: 'host',
  key: 'PBDs',
  get: async ({ context, record }) => {
    const pbds = record.PBDs as readonly string[];
    if (record.shared === true) return '<shared>';
    if (pbds.length === 0) return NOT_IN_DATABASE;
    const pbd = await context.related('PBD', pbds[0]!);
    const host = pbd === null ? null : await context.related('host', asText(pbd.host));
    return host === null ? NOT_IN_DATABASE : asText(host.name_label);
  },
};

export const SR: XeClass = {
  name: 'sr',
  apiClass: 'SR',
  fields: [
    uuid,
    ...names(),
    srHost,
    ...operations,
    refs('VDIs', 'VDIs', 'VDI', true),
    refs('PBDs', 'PBDs', 'PBD', true),
    int('virtual-allocation', 'virtual_allocation'),
    int('physical-utilisation', 'physical_utilisation'),
    int('physical-size', 'physical_size'),
    text('type', 'type'),
    text('content-type', 'content_type'),
    bool('shared', 'shared', 'rw'),
    ref('introduced-by', 'introduced_by', 'DR_task'),
    bool('is-tools-sr', 'is_tools_sr'),
    otherConfig,
    map('sm-config', 'sm_config', 'ro'),
    map('blobs', 'blobs', 'text'),
    bool('local-cache-enabled', 'local_cache_enabled'),
    tags,
    bool('clustered', 'clustered'),
  ],
  listed: ['uuid', 'name-label', 'name-description', 'host', 'type', 'content-type'],
  filters: [],
};

export const VDI: XeClass = {
  name: 'vdi',
  apiClass: 'VDI',
  fields: [
    uuid,
    ...names(),
    bool('is-a-snapshot', 'is_a_snapshot'),
    ref('snapshot-of', 'snapshot_of', 'VDI'),
    refs('snapshots', 'snapshots', 'VDI'),
    date('snapshot-time', 'snapshot_time'),
    ...operations,
    ref('sr-uuid', 'SR', 'SR'),
    nameOf('sr-name-label', 'SR', 'SR'),
    refs('vbd-uuids', 'VBDs', 'VBD', true),
    refs('crashdump-uuids', 'crash_dumps', 'crashdump', true),
    bytes('virtual-size', 'virtual_size'),
    bytes('physical-utilisation', 'physical_utilisation'),
    text('location', 'location'),
    text('type', 'type'),
    bool('sharable', 'sharable'),
    bool('read-only', 'read_only'),
    bool('storage-lock', 'storage_lock'),
    bool('managed', 'managed'),
    { ...ref('parent', 'parent', 'VDI'), deprecated: true },
    bool('missing', 'missing'),
    bool('is-tools-iso', 'is_tools_iso'),
    otherConfig,
    map('xenstore-data', 'xenstore_data', 'ro'),
    map('sm-config', 'sm_config', 'ro'),
    text('on-boot', 'on_boot', 'rw'),
    bool('allow-caching', 'allow_caching', 'rw'),
    bool('metadata-latest', 'metadata_latest'),
    ref('metadata-of-pool', 'metadata_of_pool', 'pool'),
    tags,
    bool('cbt-enabled', 'cbt_enabled'),
  ],
  listed: ['uuid', 'name-label', 'name-description', 'virtual-size', 'read-only', 'sharable', 'sr-uuid'],
  filters: [],
};

export const VBD: XeClass = {
  name: 'vbd',
  apiClass: 'VBD',
  fields: [
    uuid,
    ...ofVm,
    ref('vdi-uuid', 'VDI', 'VDI'),
    nameOf('vdi-name-label', 'VDI', 'VDI'),
    ...operations,
    bool('empty', 'empty'),
    text('device', 'device'),
    text('userdevice', 'userdevice', 'rw'),
    bool('bootable', 'bootable', 'rw'),
    text('mode', 'mode', 'rw'),
    text('type', 'type', 'rw'),
    bool('unpluggable', 'unpluggable', 'rw'),
    bool('currently-attached', 'currently_attached'),
    bool('storage-lock', 'storage_lock'),
    int('status-code', 'status_code'),
    text('status-detail', 'status_detail'),
    ...qos,
    otherConfig,
  ],
  listed: ['uuid', 'vm-uuid', 'vm-name-label', 'vdi-uuid', 'empty', 'device'],
  filters: [],
};

const PBD: XeClass = {
  name: 'pbd',
  apiClass: 'PBD',
  fields: [
    uuid,
    { ...ref('host', 'host', 'host'), deprecated: true },
    ref('host-uuid', 'host', 'host'),
    nameOf('host-name-label', 'host', 'host'),
    ref('sr-uuid', 'SR', 'SR'),
    nameOf('sr-name-label', 'SR', 'SR'),
    map('device-config', 'device_config', 'ro'),
    bool('currently-attached', 'currently_attached'),
    otherConfig,
  ],
  listed: ['uuid', 'host-uuid', 'sr-uuid', 'device-config', 'currently-attached'],
  filters: [],
};

export const VIF: XeClass = {
  name: 'vif',
  apiClass: 'VIF',
  fields: [
    uuid,
    ...ofVm,
    ...operations,
    text('device', 'device'),
    text('MAC', 'MAC'),
    bool('MAC-autogenerated', 'MAC_autogenerated'),
    int('MTU', 'MTU'),
    bool('currently-attached', 'currently_attached'),
    ...qos,
    otherConfig,
    ref('network-uuid', 'network', 'network'),
    nameOf('network-name-label', 'network', 'network'),
    text('locking-mode', 'locking_mode', 'rw'),
    ownWords('ipv4-allowed', 'ipv4_allowed'),
    ownWords('ipv6-allowed', 'ipv6_allowed'),
    text('ipv4-configuration-mode', 'ipv4_configuration_mode'),
    words('ipv4-addresses', 'ipv4_addresses', '; ', false),
    text('ipv4-gateway', 'ipv4_gateway'),
    text('ipv6-configuration-mode', 'ipv6_configuration_mode'),
    words('ipv6-addresses', 'ipv6_addresses', '; ', false),
    text('ipv6-gateway', 'ipv6_gateway'),
  ],
  listed: ['uuid', 'vm-uuid', 'device', 'network-uuid'],
  filters: [],
};

const NETWORK: XeClass = {
  name: 'network',
  apiClass: 'network',
  fields: [
    uuid,
    ...names(),
    refs('VIF-uuids', 'VIFs', 'VIF', true),
    refs('PIF-uuids', 'PIFs', 'PIF', true),
    int('MTU', 'MTU', 'rw'),
    text('bridge', 'bridge'),
    bool('managed', 'managed'),
    otherConfig,
    map('blobs', 'blobs', 'text'),
    tags,
    text('default-locking-mode', 'default_locking_mode', 'rw'),
    ownWords('purpose', 'purpose'),
  ],
  listed: ['uuid', 'name-label', 'name-description', 'bridge'],
  filters: [],
};

const PIF: XeClass = {
  name: 'pif',
  apiClass: 'PIF',
  fields: [
    uuid,
    text('device', 'device'),
    text('MAC', 'MAC'),
    bool('physical', 'physical'),
    bool('managed', 'managed'),
    bool('currently-attached', 'currently_attached'),
    int('MTU', 'MTU'),
    int('VLAN', 'VLAN'),
    refs('bond-master-of', 'bond_master_of', 'Bond'),
    ref('bond-slave-of', 'bond_slave_of', 'Bond'),
    bool('management', 'management'),
    ref('network-uuid', 'network', 'network'),
    nameOf('network-name-label', 'network', 'network'),
    ref('host-uuid', 'host', 'host'),
    nameOf('host-name-label', 'host', 'host'),
    text('IP-configuration-mode', 'ip_configuration_mode'),
    text('IP', 'IP'),
    text('netmask', 'netmask'),
    text('gateway', 'gateway'),
    text('IPv6-configuration-mode', 'ipv6_configuration_mode'),
    words('IPv6', 'IPv6', '; ', false),
    text('IPv6-gateway', 'ipv6_gateway'),
    text('primary-address-type', 'primary_address_type'),
    text('DNS', 'DNS'),
    properties,
    words('capabilities', 'capabilities'),
    bool('disallow-unplug', 'disallow_unplug', 'rw'),
    otherConfig,
    text('igmp-snooping-status', 'igmp_snooping_status'),
  ],
  listed: ['uuid', 'device', 'MAC', 'currently-attached', 'VLAN', 'network-uuid', 'host-uuid'],
  filters: [],
};

const CONSOLE: XeClass = {
  name: 'console',
  apiClass: 'console',
  fields: [uuid, ...ofVm, text('protocol', 'protocol'), text('location', 'location'), otherConfig],
  listed: ['uuid', 'vm-uuid', 'vm-name-label', 'protocol', 'location'],
  filters: [],
};

const SM: XeClass = {
  name: 'sm',
  apiClass: 'SM',
  fields: [
    uuid,
    ...names('ro'),
    text('type', 'type'),
    text('vendor', 'vendor'),
    text('copyright', 'copyright'),
    text('required-api-version', 'required_api_version'),
    { ...words('capabilities', 'capabilities', '; ', false), deprecated: true },
    map('features', 'features', 'ro'),
    map('configuration', 'configuration', 'ro'),
    text('driver-filename', 'driver_filename'),
    words('required-cluster-stack', 'required_cluster_stack', ', ', false),
  ],
  listed: ['uuid', 'type', 'name-label', 'name-description', 'vendor', 'copyright', 'configuration'],
  filters: [],
};

const BOND: XeClass = {
  name: 'bond',
  apiClass: 'Bond',
  fields: [
    uuid,
    ref('master', 'master', 'PIF'),
    refs('slaves', 'slaves', 'PIF'),
    text('mode', 'mode'),
    properties,
    ref('primary-slave', 'primary_slave', 'PIF'),
    int('links-up', 'links_up'),
    bool('auto-update-mac', 'auto_update_mac'),
  ],
  listed: ['uuid', 'master', 'slaves'],
  filters: [],
};

const VLAN: XeClass = {
  name: 'vlan',
  apiClass: 'VLAN',
  fields: [uuid, ref('tagged-PIF', 'tagged_PIF', 'PIF'), ref('untagged-PIF', 'untagged_PIF', 'PIF'), int('tag', 'tag')],
  listed: ['uuid', 'tagged-PIF', 'untagged-PIF', 'tag'],
  filters: [],
};

const TUNNEL: XeClass = {
  name: 'tunnel',
  apiClass: 'tunnel',
  fields: [
    uuid,
    ref('access-PIF', 'access_PIF', 'PIF'),
    ref('transport-PIF', 'transport_PIF', 'PIF'),
    map('status', 'status', 'text'),
    otherConfig,
    text('protocol', 'protocol'),
  ],
  listed: ['uuid', 'transport-PIF', 'access-PIF', 'status'],
  filters: [],
};

export const DEVICE_XE_CLASSES: readonly XeClass[] = [SR, SM, VDI, VBD, PBD, VIF, NETWORK, PIF, BOND, VLAN, TUNNEL, CONSOLE];
