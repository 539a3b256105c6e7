// A toolstack on one host: VMs known by name, started, stopped and changed as xenopsd (or, in profile `xl`, libxl) does it, each run
// recorded. Boxes of the chart: VM.create and VM.build.
import type { SurpriseEntry } from '../../flow/record.js';
import type { VmSpec } from '../../machine/vm.js';
import type { HostMap } from '../../map/host-map.js';
import type { HostDoors } from './host-doors.js';
import type { MetadataStore } from './metadata.js';
import type { Outcome } from './outcome.js';
import type { PolicyName, ProfileName } from './profiles.js';

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
export type Warning = SurpriseEntry extends infer Entry ? (Entry extends SurpriseEntry ? Omit<Entry, 'kind'> : never) : never;

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
