// The class vm of xe: its fields in xe's order (vm_record in xapi-cli-server/records.ml of xen-api
// e2ee48d6).
import { asList, asMap, asText, type Json } from '../xapi-client/values.js';
import { NOT_IN_DATABASE } from './context.js';
import { XeFailure } from './failures.js';
import {
  asSentence,
  bool,
  bytes,
  call,
  choice,
  date,
  type Entries,
  type Field,
  float,
  formatDate,
  int,
  joinMap,
  map,
  ownWords,
  ref,
  refs,
  related,
  text,
  uncapitalised,
  words,
  type XeClass,
  type XeObject,
} from './field.js';

const NORMAL_EXIT = ['destroy', 'restart'];
const CRASH = ['destroy', 'coredump_and_destroy', 'restart', 'coredump_and_restart', 'preserve', 'rename_restart'];
const SOFT_REBOOT = ['soft_reboot', 'destroy', 'restart', 'preserve'];
const DOMAIN_TYPES = ['hvm', 'pv', 'pv_in_pvh', 'pvh', 'unspecified'];
/** domain-type is the one enum that xe writes with dashes. */
const dashed = (word: string): string => word.replaceAll('_', '-');

function metric(name: string, key: string, none: string, show: (value: unknown) => string = asText, more: Partial<Field> = {}): Field {
  return related(name, 'metrics', 'VM_metrics', none, (record) => show(record[key]), more);
}

function guestMetric(name: string, key: string, show: (value: unknown) => string = asText, more: Partial<Field> = {}): Field {
  return related(name, 'guest_metrics', 'VM_guest_metrics', NOT_IN_DATABASE, (record) => show(record[key]), more);
}

const mapOf = (apiClass: string, owner: string, key: string) => ({
  getMap: async ({ context, record }: XeObject): Promise<Entries> => {
    const found = await context.related(apiClass, asText(record[owner]));
    return found === null ? [] : asMap(found[key]);
  },
});

function guestMap(name: string, key: string): Field {
  return guestMetric(name, key, (value) => joinMap(asMap(value)), mapOf('VM_guest_metrics', 'guest_metrics', key));
}

const tristate = (value: unknown): string => ({ yes: 'true', no: 'false' })[asText(value)] ?? asText(value);

function checkVcpusParam(key: string): void {
  if (key !== 'weight' && key !== 'cap' && key !== 'mask') {
    throw new XeFailure(`Failed to add parameter '${key}': expecting 'weight','cap' or 'mask'`);
  }
}

/** Another call for each, so that lists leave it out. */
function separateCall(name: string, get: (object: XeObject) => Promise<string>, more: Partial<Field> = {}): Field {
  return { name, key: 'uuid', get, expensive: true, ...more };
}

const names: readonly Field[] = [
  text('uuid', 'uuid'),
  text('name-label', 'name_label', 'rw'),
  text('name-description', 'name_description', 'rw'),
  int('user-version', 'user_version', 'rw'),
  bool('is-a-template', 'is_a_template', 'rw'),
  bool('is-default-template', 'is_default_template', 'rw'),
  bool('is-a-snapshot', 'is_a_snapshot'),
  ref('snapshot-of', 'snapshot_of', 'VM'),
  refs('snapshots', 'snapshots', 'VM'),
  date('snapshot-time', 'snapshot_time'),
  { ...text('transportable-snapshot-id', 'transportable_snapshot_id'), hidden: true },
  map('snapshot-info', 'snapshot_info', 'text'),
  ref('parent', 'parent', 'VM'),
  refs('children', 'children', 'VM'),
  bool('is-control-domain', 'is_control_domain'),
  { name: 'power-state', key: 'power_state', get: ({ record }) => uncapitalised(asText(record.power_state)) },
];

const memory: readonly Field[] = [
  metric('memory-actual', 'memory_actual', NOT_IN_DATABASE),
  separateCall('memory-target', async (object) => {
    const target = await call(object, 'query_data_source', 'memory_target').catch(() => null);
    return target === null ? '<unknown>' : String(Math.trunc(Number(target)));
  }),
  int('memory-overhead', 'memory_overhead'),
  bytes('memory-static-max', 'memory_static_max', 'rw'),
  bytes('memory-dynamic-max', 'memory_dynamic_max', 'rw'),
  bytes('memory-dynamic-min', 'memory_dynamic_min', 'rw'),
  bytes('memory-static-min', 'memory_static_min', 'rw'),
  ref('suspend-VDI-uuid', 'suspend_VDI', 'VDI', 'rw'),
  ref('suspend-SR-uuid', 'suspend_SR', 'SR', 'rw'),
];

const vcpus: readonly Field[] = [
  map('VCPUs-params', 'VCPUs_params', 'rw', checkVcpusParam),
  int('VCPUs-max', 'VCPUs_max', 'rw'),
  int('VCPUs-at-startup', 'VCPUs_at_startup', 'rw'),
  choice('actions-after-shutdown', 'actions_after_shutdown', NORMAL_EXIT, 'rw', asSentence),
  choice('actions-after-softreboot', 'actions_after_softreboot', SOFT_REBOOT, 'rw', asSentence),
  choice('actions-after-reboot', 'actions_after_reboot', NORMAL_EXIT, 'rw', asSentence),
  choice('actions-after-crash', 'actions_after_crash', CRASH, 'rw', asSentence),
  refs('console-uuids', 'consoles', 'console', true),
  metric('hvm', 'hvm', 'false'),
  metric('nomigrate', 'nomigrate', 'false', asText, { hidden: true }),
  metric('nested-virt', 'nested_virt', 'false', asText, { hidden: true }),
  map('platform', 'platform', 'rw'),
  metric('numa-optimised', 'numa_optimised', 'false'),
  metric('numa-nodes', 'numa_nodes', '0'),
  metric(
    'numa-node-memory',
    'numa_node_memory',
    '[]',
    (value) => joinMap(asMap(value)),
    mapOf('VM_metrics', 'metrics', 'numa_node_memory'),
  ),
];

const operations: readonly Field[] = [
  words('allowed-operations', 'allowed_operations'),
  words('current-operations', 'current_operations'),
  map('blocked-operations', 'blocked_operations', 'rw'),
  ...(['VBD', 'VIF'] as const).map((device): Field => {
    const devices = async (object: XeObject) => asList(await call(object, `get_allowed_${device}_devices`).catch(() => []));
    return separateCall(`allowed-${device}-devices`, async (object) => (await devices(object)).join('; '), { getSet: devices });
  }),
  separateCall('possible-hosts', async (object) => {
    const hosts = asList(await call(object, 'get_possible_hosts'));
    return (await Promise.all(hosts.map((host) => object.context.uuidOf('host', host)))).join('; ');
  }),
];

const boot: readonly Field[] = [
  {
    ...choice('domain-type', 'domain_type', DOMAIN_TYPES, 'rw', dashed),
    form: { kind: 'choice', words: DOMAIN_TYPES.filter((one) => one !== 'unspecified').map(dashed) },
    set: (object, value) => {
      const found = DOMAIN_TYPES.find((one) => one !== 'unspecified' && dashed(one) === value.toLowerCase());
      if (found === undefined) throw new XeFailure(`Invalid domain type. Got ${value.toLowerCase()}`);
      return call(object, 'set_domain_type', found);
    },
  },
  metric('current-domain-type', 'current_domain_type', NOT_IN_DATABASE, (value) => dashed(asText(value))),
  text('HVM-boot-policy', 'HVM_boot_policy', 'rw'),
  map('HVM-boot-params', 'HVM_boot_params', 'rw'),
  float('HVM-shadow-multiplier', 'HVM_shadow_multiplier', 'rw'),
  { ...map('NVRAM', 'NVRAM', 'rw'), hidden: true },
  text('PV-kernel', 'PV_kernel', 'rw'),
  text('PV-ramdisk', 'PV_ramdisk', 'rw'),
  text('PV-args', 'PV_args', 'rw'),
  text('PV-legacy-args', 'PV_legacy_args', 'rw'),
  text('PV-bootloader', 'PV_bootloader', 'rw'),
  text('PV-bootloader-args', 'PV_bootloader_args', 'rw'),
  map('last-boot-CPU-flags', 'last_boot_CPU_flags', 'text'),
  {
    name: 'last-boot-record',
    key: 'last_booted_record',
    expensive: true,
    get: ({ record }) => `'${asText(record.last_booted_record)}'`,
  },
];

const place: readonly Field[] = [
  ref('resident-on', 'resident_on', 'host'),
  ref('affinity', 'affinity', 'host', 'rw', true),
  map('other-config', 'other_config', 'rw'),
  int('dom-id', 'domid'),
  text('recommendations', 'recommendations'),
  { ...map('xenstore-data', 'xenstore_data', 'rw'), clearMap: (object) => call(object, 'set_xenstore_data', {}) },
  { ...bool('ha-always-run', 'ha_always_run', 'rw'), deprecated: true },
  text('ha-restart-priority', 'ha_restart_priority', 'rw'),
  {
    name: 'blobs',
    key: 'blobs',
    get: async ({ context, record }) =>
      joinMap(await Promise.all(asMap(record.blobs).map(async ([key, blob]) => [key, await context.uuidOf('blob', blob)] as const))),
  },
];

const measured: readonly Field[] = [
  metric('start-time', 'start_time', '<unknown time>', formatDate),
  metric('install-time', 'install_time', '<unknown time>', formatDate),
  metric('VCPUs-number', 'VCPUs_number', NOT_IN_DATABASE),
  separateCall('VCPUs-utilisation', async (object) => joinMap(await utilisation(object)), { getMap: utilisation }),
  guestMap('os-version', 'os_version'),
  guestMap('netbios-name', 'netbios_name'),
  guestMap('PV-drivers-version', 'PV_drivers_version'),
  guestMetric('PV-drivers-up-to-date', 'PV_drivers_up_to_date', asText, { deprecated: true }),
  guestMap('memory', 'memory'),
  guestMap('disks', 'disks'),
  refs('VBDs', 'VBDs', 'VBD', true),
  guestMap('networks', 'networks'),
  guestMap('services', 'services'),
  guestMetric('PV-drivers-detected', 'PV_drivers_detected'),
  guestMap('other', 'other'),
  guestMetric('live', 'live'),
  guestMetric('guest-metrics-last-updated', 'last_updated', formatDate),
  guestMetric('can-use-hotplug-vbd', 'can_use_hotplug_vbd', tristate),
  guestMetric('can-use-hotplug-vif', 'can_use_hotplug_vif', tristate),
  separateCall('cooperative', async (object) => asText(await call(object, 'get_cooperative').catch(() => true)), { deprecated: true }),
];

async function utilisation(object: XeObject): Promise<Entries> {
  const metrics: Json | null = await object.context.related('VM_metrics', asText(object.record.metrics));
  const count = Number(metrics?.VCPUs_number ?? 0);
  try {
    return await Promise.all(
      Array.from({ length: count }, async (_, index) => {
        const share = Number(await call(object, 'query_data_source', `cpu${index}`));
        return [String(index), share.toFixed(3)] as const;
      }),
    );
  } catch {
    // xe shows nothing where the host measures nothing.
    return [];
  }
}

/** Uuids with commas between them; none = it leaves its groups. */
async function setGroups(object: XeObject, value: string): Promise<unknown> {
  const uuids = value.split(',').filter((one) => one !== '');
  const groups = await Promise.all(uuids.map((uuid) => object.context.session.call('VM_group.get_by_uuid', [uuid])));
  return call(object, 'set_groups', groups);
}

const rest: readonly Field[] = [
  ownWords('tags', 'tags'),
  ref('appliance', 'appliance', 'VM_appliance', 'rw', true),
  // A VM is in at most one.
  { ...refs('groups', 'groups', 'VM_group'), set: setGroups, form: { kind: 'ref', target: 'VM_group', clearable: true } },
  ref('snapshot-schedule', 'snapshot_schedule', 'VMSS', 'rw', true),
  bool('is-vmss-snapshot', 'is_vmss_snapshot'),
  int('start-delay', 'start_delay', 'rw'),
  int('shutdown-delay', 'shutdown_delay', 'rw'),
  int('order', 'order', 'rw'),
  int('version', 'version'),
  text('generation-id', 'generation_id'),
  int('hardware-platform-version', 'hardware_platform_version'),
  bool('has-vendor-device', 'has_vendor_device', 'rw'),
  bool('requires-reboot', 'requires_reboot'),
  text('reference-label', 'reference_label'),
  map('bios-strings', 'bios_strings', 'ro'),
  words('pending-guidances', 'pending_guidances', '; ', false),
  refs('vtpms', 'VTPMs', 'VTPM'),
  words('pending-guidances-recommended', 'pending_guidances_recommended', '; ', false),
  words('pending-guidances-full', 'pending_guidances_full', '; ', false),
];

export const VM: XeClass = {
  name: 'vm',
  apiClass: 'VM',
  fields: [...names, ...memory, ...vcpus, ...operations, ...boot, ...place, ...measured, ...rest],
  listed: ['name-label', 'uuid', 'power-state'],
  filters: [['is-a-template', 'false']],
};

/** What is no VM yet: its copies are. */
export const TEMPLATE: XeClass = {
  ...VM,
  name: 'template',
  listed: ['name-label', 'name-description', 'uuid'],
  filters: [
    ['is-a-template', 'true'],
    ['is-a-snapshot', 'false'],
  ],
};

export const SNAPSHOT: XeClass = {
  ...VM,
  name: 'snapshot',
  listed: ['name-label', 'name-description', 'uuid', 'snapshot-of', 'snapshot-time'],
  filters: [['is-a-snapshot', 'true']],
};
