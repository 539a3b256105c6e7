// A VM as described by its owner, before any placement.
import type { PolicyName } from './policies.js';

/** Container types of xenopsd: HVM, PVinPVH (pv-in-pvh), PV. */
export type VmKind = 'hvm' | 'pvh' | 'pv';

/** A virtual node of a guest (vNUMA): libxl takes its memory from one physical node only. */
export interface VirtualNode {
  /** Xen's number of the physical node. */
  readonly pnode: number;
  readonly memoryBytes: number;
  /** Ascending. */
  readonly vcpus: readonly number[];
  /** Index = virtual node. */
  readonly distances: readonly number[];
}

/** The kernel of a guest, as paths on its host. */
export interface VmBoot {
  readonly kernel: string;
  readonly ramdisk?: string;
  readonly cmdline?: string;
}

/** A disk of an HVM guest: a file or a block device of its host. */
export interface VmDisk {
  readonly file: string;
  readonly format: 'raw' | 'qcow2';
  readonly readOnly?: boolean;
}

export interface VmSpec {
  /** Its name in the toolstack. */
  readonly name: string;
  /** Its domain's handle; made from the name by default. */
  readonly uuid?: string;
  /** Its domain's name in XenStore, if it differs from `name`. */
  readonly label?: string;
  readonly kind: VmKind;
  /** VCPUs_max; 1 .. 8192. */
  readonly vcpusMax: number;
  /** VCPUs_at_startup; 1 .. vcpusMax. */
  readonly vcpusAtStartup: number;
  /** memory_static_max in bytes. */
  readonly memoryStaticMaxBytes: number;
  /** Target at start in bytes; <= static max. */
  readonly memoryTargetBytes: number;
  /** VCPUs_params as in `xe`: mask, weight, cap, unparsed. */
  readonly vcpusParams: Readonly<Record<string, string>>;
  /**
   * `cpus_soft=` of an xl guest config: one list of CPUs for each vCPU (the last for the rest).
   * Honoured by policy `xl` only.
   */
  readonly xlSoftCpus?: readonly (readonly number[])[];
  /** `cpus=` of an xl guest config: one list of CPUs for each vCPU. */
  readonly xlHardCpus?: readonly (readonly number[])[];
  /**
   * Whether `cpus=` was one string for all vCPUs or a list: xl's automatic placement stops for the
   * list only.
   */
  readonly xlHardCpusForm?: 'string' | 'list';
  /**
   * Virtual nodes, in their order: together all of the VM's memory and vCPUs. Honoured by the
   * profile `xl` only.
   */
  readonly vnuma?: readonly VirtualNode[];
  /**
   * Number of virtual nodes that policy `tight` gives the guest, or `auto`: as many as its plan has
   * nodes, none when one node holds it. Honoured by policy `tight` only.
   */
  readonly virtualNodes?: number | 'auto';
  /** Its own NUMA policy, in place of its host's. */
  readonly policy?: PolicyName;
  /**
   * Name or number of the CPU pool of the VM at start; Pool-0 by default. Honoured by the profile
   * `xl` only.
   */
  readonly pool?: string;
  /** Settings in its source that no start will honour, in clauses for the user. */
  readonly notes?: readonly string[];
  /** Required on a real host for PVH and PV; the embedded host loads no image. */
  readonly boot?: VmBoot;
  /** Firmware of an HVM guest on a real host: seabios (default), ovmf, or the path of a file. */
  readonly firmware?: string;
  /** Disks of an HVM guest on a real host, in the order of its IDE bus. */
  readonly disks?: readonly VmDisk[];
}
