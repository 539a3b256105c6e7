// Class VM of XAPI's data model and its metrics: fields, types, enums and defaults as
// ocaml/idl/datamodel_vm.ml of xen-api has them.

import { WireFloat } from '../wire/values.js';
import { type ClassDef, map, once, oneOf, ref, ro, rw, set } from './schema-types.js';

export const POWER_STATES = ['Halted', 'Paused', 'Running', 'Suspended'] as const;
export type PowerState = (typeof POWER_STATES)[number];

/** The operations that this server has, of VM.vm_operations and in its order. */
export const VM_OPERATIONS = [
  'clone',
  'provision',
  'start',
  'start_on',
  'pause',
  'unpause',
  'clean_shutdown',
  'clean_reboot',
  'hard_shutdown',
  'hard_reboot',
  'suspend',
  'resume',
  'resume_on',
  'pool_migrate',
  'changing_dynamic_range',
  'changing_static_range',
  'changing_memory_limits',
  'changing_VCPUs',
  'changing_VCPUs_live',
  'destroy',
] as const;
export type VmOperation = (typeof VM_OPERATIONS)[number];

const operation = oneOf(...VM_OPERATIONS);
const onNormalExit = oneOf('destroy', 'restart');
const onSoftReboot = oneOf('soft_reboot', 'destroy', 'restart', 'preserve');
const onCrash = oneOf('destroy', 'coredump_and_destroy', 'restart', 'coredump_and_restart', 'preserve', 'rename_restart');

export const VM_CLASS: ClassDef = {
  name: 'VM',
  kept: true,
  listed: true,
  fields: {
    uuid: ro('string'),
    allowed_operations: ro(set(operation)),
    current_operations: ro(map(operation)),
    name_label: rw('string'),
    name_description: rw('string'),
    power_state: ro(oneOf(...POWER_STATES)),
    user_version: rw('int'),
    is_a_template: rw('bool'),
    is_default_template: ro('bool'),
    suspend_VDI: ro(ref('VDI')),
    resident_on: ro(ref('host')),
    scheduled_to_be_resident_on: ro(ref('host')),
    affinity: rw(ref('host')),
    memory_overhead: ro('int'),
    memory_target: ro('int'),
    memory_static_max: once('int'),
    memory_dynamic_max: once('int'),
    memory_dynamic_min: once('int'),
    memory_static_min: once('int'),
    VCPUs_params: rw(map()),
    VCPUs_max: once('int', 1),
    VCPUs_at_startup: once('int', 1),
    actions_after_softreboot: rw(onSoftReboot),
    actions_after_shutdown: rw(onNormalExit),
    actions_after_reboot: rw(onNormalExit, 'restart'),
    actions_after_crash: rw(onCrash, 'restart'),
    consoles: ro(set(ref('console'))),
    VIFs: ro(set(ref('VIF'))),
    VBDs: ro(set(ref('VBD'))),
    VUSBs: ro(set(ref('VUSB'))),
    crash_dumps: ro(set(ref('crashdump'))),
    VTPMs: ro(set(ref('VTPM'))),
    PV_bootloader: rw('string'),
    PV_kernel: rw('string'),
    PV_ramdisk: rw('string'),
    PV_args: rw('string'),
    PV_bootloader_args: rw('string'),
    PV_legacy_args: rw('string'),
    HVM_boot_policy: rw('string'),
    HVM_boot_params: rw(map()),
    HVM_shadow_multiplier: once('float', new WireFloat(1)),
    platform: rw(map()),
    PCI_bus: rw('string'),
    other_config: rw(map()),
    domid: ro('int', -1),
    domarch: ro('string'),
    last_boot_CPU_flags: ro(map()),
    is_control_domain: ro('bool'),
    metrics: ro(ref('VM_metrics')),
    guest_metrics: ro(ref('VM_guest_metrics')),
    last_booted_record: ro('string'),
    recommendations: rw('string'),
    xenstore_data: rw(map()),
    ha_always_run: ro('bool'),
    ha_restart_priority: ro('string'),
    is_a_snapshot: ro('bool'),
    snapshot_of: ro(ref('VM')),
    snapshots: ro(set(ref('VM'))),
    snapshot_time: ro('datetime'),
    transportable_snapshot_id: ro('string'),
    blobs: ro(map(ref('blob'))),
    tags: rw(set('string')),
    blocked_operations: rw(map('string')),
    snapshot_info: ro(map()),
    snapshot_metadata: ro('string'),
    parent: ro(ref('VM')),
    children: ro(set(ref('VM'))),
    bios_strings: ro(map()),
    protection_policy: ro(ref('VMPP')),
    is_snapshot_from_vmpp: ro('bool'),
    snapshot_schedule: ro(ref('VMSS')),
    is_vmss_snapshot: ro('bool'),
    appliance: ro(ref('VM_appliance')),
    start_delay: ro('int'),
    shutdown_delay: ro('int'),
    order: ro('int'),
    VGPUs: ro(set(ref('VGPU'))),
    attached_PCIs: ro(set(ref('PCI'))),
    suspend_SR: ro(ref('SR')),
    version: ro('int'),
    generation_id: ro('string'),
    hardware_platform_version: ro('int'),
    has_vendor_device: ro('bool'),
    requires_reboot: ro('bool'),
    reference_label: ro('string'),
    domain_type: once(oneOf('unspecified', 'hvm', 'pv', 'pv_in_pvh', 'pvh')),
    NVRAM: rw(map()),
    pending_guidances: ro(set('string')),
    pending_guidances_recommended: ro(set('string')),
    pending_guidances_full: ro(set('string')),
    groups: ro(set(ref('VM_group'))),
  },
};

export const VM_METRICS_CLASS: ClassDef = {
  name: 'VM_metrics',
  kept: true,
  listed: true,
  fields: {
    uuid: ro('string'),
    memory_actual: ro('int'),
    VCPUs_number: ro('int'),
    VCPUs_utilisation: ro(map('float')),
    VCPUs_CPU: ro(map('int')),
    VCPUs_params: ro(map()),
    VCPUs_flags: ro(map(set('string'))),
    state: ro(set('string')),
    start_time: ro('datetime'),
    install_time: ro('datetime'),
    last_updated: ro('datetime'),
    other_config: rw(map()),
    hvm: ro('bool'),
    nested_virt: ro('bool'),
    nomigrate: ro('bool'),
    current_domain_type: ro(oneOf('unspecified', 'hvm', 'pv', 'pv_in_pvh', 'pvh')),
    numa_optimised: ro('bool'),
    numa_nodes: ro('int'),
    numa_node_memory: ro(map('int')),
  },
};

export const VM_GUEST_METRICS_CLASS: ClassDef = {
  name: 'VM_guest_metrics',
  kept: false,
  listed: true,
  fields: {
    uuid: ro('string'),
    os_version: ro(map()),
    PV_drivers_version: ro(map()),
    PV_drivers_up_to_date: ro('bool'),
    memory: ro(map()),
    disks: ro(map()),
    networks: ro(map()),
    other: ro(map()),
    last_updated: ro('datetime'),
    other_config: rw(map()),
    live: ro('bool'),
    can_use_hotplug_vbd: ro(oneOf('unspecified', 'yes', 'no')),
    can_use_hotplug_vif: ro(oneOf('unspecified', 'yes', 'no')),
    PV_drivers_detected: ro('bool'),
  },
};

/**
 * Ours, and told to nobody: where a VM runs, so that an embedded host that is started anew puts it
 * there again. In the database so that it is as durable as the power state is.
 */
export const PLACEMENT_CLASS: ClassDef = {
  name: 'placement',
  kept: true,
  listed: false,
  fields: {
    /** The VM's. */
    uuid: ro('string'),
    /** CPU lists ("0-3,8"), index = vCPU. */
    hard: ro(set('string')),
    soft: ro(set('string')),
  },
};
