// A toolstack on one host: VMs known by name, started, stopped and changed as xenopsd (or, in profile `xl`, libxl) does it, each run
// recorded. Boxes of the chart: VM.create and VM.build.
import type { Errno } from '../../base/errors.js';
import type { FlowRecord, FlowValue } from '../../flow/record.js';
import type { SurpriseCode } from '../../flow/surprises.js';
import type { VmKind, VmSpec } from '../../machine/vm.js';
import type { HostMap } from '../../map/host-map.js';
import type { Xenctrl } from '../../xenctrl/xenctrl.js';
import type { Xenguest } from '../../xenguest/xenguest.js';
import type { XenstoreConnection } from '../../xenstore/connection.js';
import type { MetadataStore } from './metadata.js';

/** A behaviour that is deployed in the field; `xl` is plain Xen's own toolstack. */
export const PROFILES = ['xapi-25.6', 'xapi-25.21', 'xapi-25.39', 'xapi-26.3', 'xl'] as const;
export type ProfileName = (typeof PROFILES)[number];

/** Host.numa_affinity_policy of the API, and the two that xenopsd derives from its configuration. */
export const POLICIES = ['default_policy', 'any', 'best_effort', 'best_effort_hard', 'prio_mem_only'] as const;
export type PolicyName = (typeof POLICIES)[number];

/** What a toolstack knows of a domain and Xen does not. */
export interface KnownDomain {
  readonly name: string;
  /** Absent = not known. */
  readonly kind?: VmKind;
}

/** The two doors and the builder behind which the host stands. */
export interface HostDoors {
  readonly kind: 'embedded' | 'xen';
  readonly name: string;
  readonly xc: Xenctrl;
  readonly xs: XenstoreConnection;
  readonly xenguest: Xenguest;
  /** Event channels of a new domain, for the XenStore and the console ring. */
  readonly channels: (domid: number) => { readonly storePort: number; readonly consolePort: number };
  /** Pages of one domain by node, where there is a shorter way than debug key 'u'; null = no such domain. */
  readonly pagesByNode?: (domid: number) => readonly number[] | null;
  /** Domains of other toolstacks, by domid, as far as their names are known. */
  readonly others?: ReadonlyMap<number, KnownDomain>;
}

export interface ToolstackOptions {
  readonly profile: ProfileName;
  readonly policy: PolicyName;
  /** Host.guest_VCPUs_params["mask"]. */
  readonly hostMask?: string;
  /** Whose turn it is when VMs start side by side. */
  readonly seed: number;
  /** What is kept of VMs; in memory by default. */
  readonly metadata?: MetadataStore;
  /** Waits for Xen's scrubber; real time by default. */
  readonly sleep?: (ms: number) => Promise<void>;
}

/** How one operation on one VM ended. */
export interface Outcome {
  readonly vm: string;
  /** ended: the guest shut itself down, or somebody else took its domain away. */
  readonly operation: 'start' | 'stop' | 'reboot' | 'migrate' | 'change' | 'ended';
  /** null when the domain never came to be, or is gone. */
  readonly domid: number | null;
  readonly failure: OutcomeFailure | null;
  readonly record: FlowRecord;
}

export interface OutcomeFailure {
  /** "VM.create", "VM.build", "xenguest". */
  readonly step: string;
  /** As the real system words it: "xenguest: xc_vcpu_setaffinity: [22] Invalid argument". */
  readonly message: string;
  readonly errno: Errno | null;
}

/**
 * Operations on a VM never throw for what the host answers: that is an Outcome with a failure, and nothing is left behind. They throw
 * InputError for what the caller got wrong (no such VM, already running).
 */
export interface Toolstack {
  readonly doors: HostDoors;
  readonly profile: ProfileName;
  readonly policy: PolicyName;

  /** Makes VMs known, halted. */
  add(vm: VmSpec): void;
  remove(name: string): void;
  vms(): readonly VmState[];

  start(name: string): Promise<Outcome>;
  /** Side by side, as xenopsd's workers do it: steps interleave as the seed says. */
  startTogether(names: readonly string[]): Promise<Outcome[]>;
  stop(name: string): Promise<Outcome>;
  reboot(name: string): Promise<Outcome>;
  /** To the same host: a new domain is built beside the old one, which then goes. */
  migrateLocal(name: string): Promise<Outcome>;
  /**
   * Takes apart the domains of VMs whose guests have shut themselves down, and knows as halted those whose domains are gone; a new toolstack
   * begins with it. What a guest asked for ("ending" of the record's note 'ended') is told and not done: a reboot is the caller's to start.
   */
  noticeEnded(): Promise<Outcome[]>;
  pause(name: string): Promise<Outcome>;
  unpause(name: string): Promise<Outcome>;

  setMask(name: string, mask: string | null): void;
  setHostMask(mask: string | null): void;
  setPolicy(policy: PolicyName): void;
  setProfile(profile: ProfileName): void;
  /** xc_domain_node_setaffinity by hand. */
  setNodeAffinity(name: string, nodes: readonly number[] | 'all'): Promise<Outcome>;
  /** `xl vcpu-pin`: all vCPUs, or one. */
  pin(name: string, vcpu: number | 'all', masks: { hard?: readonly number[]; soft?: readonly number[] }): Promise<Outcome>;
  moveToPool(name: string, pool: number): Promise<Outcome>;

  /**
   * What the host will make of a VM's settings that its owner may not expect, before any start: entries of flow/surprises.ts (a mask that
   * xapi ignores, CPUs past the host, a host mask that stops placement).
   */
  warnings(name: string): readonly Warning[];
  /** What the running xenopsd believes of the nodes; null before the first placement and where there is none. */
  placement(): PlacementBelief | null;

  snapshot(): HostMap;
  /** Resolves when all that was asked so far is done and kept. */
  settled(): Promise<void>;
}

/** An entry of flow/surprises.ts with the numbers that it is about. */
export interface Warning {
  readonly code: SurpriseCode;
  readonly values: Readonly<Record<string, FlowValue>>;
}

export interface PlacementBelief {
  /** VMs by node as xenopsd counts them: never fewer. */
  readonly nodeUsage: readonly number[];
  /** Free memory by node as the last plan saw it. */
  readonly availableBytes: readonly number[];
}

export interface VmState {
  readonly spec: VmSpec;
  readonly power: 'halted' | 'running' | 'paused';
  readonly domid: number | null;
  /** Of every operation on the VM, oldest first. */
  readonly outcomes: readonly Outcome[];
}
