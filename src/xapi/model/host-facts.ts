// A host's software, firmware and CPUs, under xapi's keys (ocaml/xapi/create_misc.ml, xapi_globs.ml
// and dbsync_slave.ml of xen-api).
import { readFileSync } from 'node:fs';
import { hostname, release, uptime } from 'node:os';
import type { ProfileName } from '../../xenopsd/api/profiles.js';
import type { Toolstack } from '../../xenopsd/api/toolstack.js';
import { newStruct, type Wire, type WireStruct } from '../wire/values.js';

/** API 2.21 is that of XenServer 8 (ocaml/idl/datamodel_common.ml). */
export const API_VERSION = { major: 2, minor: 21 } as const;

/**
 * A version of xapi that a profile acts as, for clients that go by it;
 * src/xenopsd/api/releases.ts takes each back to its profile. `xl` has none.
 */
export const XAPI_BUILDS: Readonly<Record<Exclude<ProfileName, 'xl'>, string>> = {
  'xapi-25.6': '25.6.0',
  'xapi-25.21': '25.21.0',
  'xapi-25.33': '25.33.1',
  'xapi-25.39': '25.39.0',
  'xapi-26.1': '26.1.4',
  'xapi-26.2': '26.2.0',
  'xapi-26.3': '26.3.0',
};

/**
 * Host.software_version. No key may hold a colon: clients read "originator:name" as a supplemental
 * pack (create_misc.ml, make_packs_info).
 */
export function softwareVersion(toolstack: Toolstack, version: string): WireStruct {
  const { profile, doors } = toolstack;
  const build = profile === 'xl' ? null : XAPI_BUILDS[profile];
  const api = `${API_VERSION.major}.${API_VERSION.minor}`;
  return struct({
    product_brand: 'xennuma',
    product_version: version,
    product_version_text: version,
    product_version_text_short: version,
    platform_name: 'XCP',
    // Of XCP-ng 8.3 and XenServer 8, whose API this is.
    platform_version: '3.4.0',
    build_number: version,
    hostname: hostname(),
    ...(build === null ? {} : { xapi: build.split('.', 2).join('.'), xapi_build: build }),
    xen: doors.xc.version.xen,
    linux: release(),
    xencenter_min: api,
    xencenter_max: api,
    network_backend: 'openvswitch',
    xennuma_host: doors.kind,
    xennuma_profile: profile,
  });
}

/** Host.edition, the only one. */
export const EDITION = 'xennuma';

/** Features of the daemon, under the names of xapi's licenses (ocaml/xapi-types/features.ml). */
const FEATURES = [
  ...['vlan', 'pooling', 'pool_size', 'historical_performance', 'rbac', 'dmc', 'checkpoint', 'connection', 'vif_locking', 'xen_motion'],
  ...[
    'guest_ip_setting',
    'nested_virt',
    'set_vcpus_number_live',
    'igmp_snooping',
    'vtpm',
    'vm_groups',
    'vm_start',
    'vm_appliance_start',
    'cbt',
    'storage_xen_motion',
  ],
];
/** What it has not: clients do not offer it. */
const NO_FEATURES = [
  ...['qos', 'wlb', 'dr', 'gpu', 'vgpu', 'integrated_gpu_passthrough', 'vss', 'ad', 'live_patching', 'pvs_proxy', 'rpu', 'vmss'],
  ...['usb_passthrough', 'network_sriov', 'corosync', 'zstd_export', 'updates', 'cpu_masking', 'intellicache'],
  ...['pool_secret_rotation', 'certificate_verification', 'guest_agent_auto_update', 'pci_device_for_auto_update'],
];

/** Pool.restrictions: "restrict_wlb" -> "true". */
export const RESTRICTIONS: WireStruct = struct(
  Object.fromEntries([
    ...FEATURES.map((name) => [`restrict_${name}`, 'false'] as const),
    ...NO_FEATURES.map((name) => [`restrict_${name}`, 'true'] as const),
  ]),
);

/** Host.license_params. Clients read the date when the license ends, which this one does not. */
export const LICENSE: WireStruct = struct({ ...RESTRICTIONS, sku_type: EDITION, license_type: EDITION, expiry: '20991231T00:00:00Z' });

/**
 * Seconds since 1970 as OCaml prints floats, "1764375000.". An embedded host has just booted.
 */
export function hostTimes({ doors }: Toolstack, nowMs: number): { readonly boot_time: string; readonly agent_start_time: string } {
  const seconds = Math.floor(nowMs / 1000);
  const up = doors.kind === 'xen' ? Math.floor(uptime()) : 0;
  return { boot_time: `${seconds - up}.`, agent_start_time: `${seconds}.` };
}

/** Keys of Host.bios_strings, with the file of /sys/class/dmi/id that has each. */
const BIOS_FILES: Readonly<Record<string, string>> = {
  'bios-vendor': 'bios_vendor',
  'bios-version': 'bios_version',
  'system-manufacturer': 'sys_vendor',
  'system-product-name': 'product_name',
  'system-version': 'product_version',
  'system-serial-number': 'product_serial',
  'baseboard-manufacturer': 'board_vendor',
  'baseboard-product-name': 'board_name',
  'baseboard-version': 'board_version',
  'baseboard-serial-number': 'board_serial',
};
const EMBEDDED_BIOS: Readonly<Record<string, string>> = {
  'bios-vendor': 'xennuma',
  'system-manufacturer': 'xennuma',
  'system-product-name': 'embedded host',
};

export function biosStrings({ doors }: Toolstack): WireStruct {
  const real = doors.kind === 'xen';
  const entries = Object.entries(BIOS_FILES).map(([key, file]) => [
    key,
    real ? printable(read(`/sys/class/dmi/id/${file}`)) : (EMBEDDED_BIOS[key] ?? ''),
  ]);
  return struct(Object.fromEntries(entries) as Record<string, string>);
}

/** As host_cpu and Host.cpu_info have them: all text, the speed in MHz. */
export interface CpuModel {
  readonly vendor: string;
  readonly modelname: string;
  readonly family: string;
  readonly model: string;
  readonly stepping: string;
  readonly speed: string;
  readonly flags: string;
}

/** Descriptions of hosts do not say which CPU they have: this is a plain x86-64 one. */
const EMBEDDED_CPU: CpuModel = {
  vendor: 'AuthenticAMD',
  modelname: 'xennuma embedded CPU',
  family: '25',
  model: '1',
  stepping: '1',
  speed: '2000.000',
  flags: 'fpu de tsc msr pae cx8 apic sep cmov pat clflush mmx fxsr sse sse2 ht syscall nx lm',
};

export function cpuModel({ doors }: Toolstack): CpuModel {
  return doors.kind === 'xen' ? parseCpuinfo(read('/proc/cpuinfo')) : EMBEDDED_CPU;
}

/** The first processor of /proc/cpuinfo. */
export function parseCpuinfo(text: string): CpuModel {
  const first = text.split(/\n\s*\n/, 1)[0]!;
  const value = (name: string): string => new RegExp(`^${name}\\s*: *(.*)$`, 'm').exec(first)?.[1] ?? '';
  return {
    vendor: value('vendor_id'),
    modelname: value('model name'),
    family: value('cpu family'),
    model: value('model'),
    stepping: value('stepping'),
    speed: value('cpu MHz'),
    flags: value('flags'),
  };
}

/** '' if this host has no value. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** As bios_strings.ml keeps them. */
function printable(text: string): string {
  return text.replace(/[^ -~]/g, '').trim();
}

function struct(fields: Readonly<Record<string, Wire>>): WireStruct {
  return Object.freeze(Object.assign(newStruct(), fields));
}
