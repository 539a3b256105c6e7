// A toolstack on one host: VMs known by name, started, stopped and changed as xenopsd (or, in
// profile `xl`, libxl) does it, each run recorded.
import type { SurpriseEntry } from '../../flow/record.js';
import type { VmSpec } from '../../machine/vm.js';
import type { HostMap } from '../../map/host-map.js';
import type { LiveKeys } from '../start/store-keys.js';
import type { GuestImages } from './guest-images.js';
import type { HostDoors } from './host-doors.js';
import type { MetadataStore } from './metadata.js';
import type { Outcome } from './outcome.js';
import type { PolicyName, ProfileName } from './profiles.js';

export interface ToolstackOptions {
  readonly profile: ProfileName;
  readonly policy: PolicyName;
  /** Host.guest_VCPUs_params["mask"]. */
  readonly hostMask?: string;
  /** Seed for the order of steps when VMs start in parallel. */
  readonly seed: number;
  /** Where VMs are kept; in memory by default. */
  readonly metadata?: MetadataStore;
  /** Of the memory of suspended guests; without it, none can be suspended. */
  readonly images?: GuestImages;
  /** Waits for Xen's scrubber; real time by default. */
  readonly sleep?: (ms: number) => Promise<void>;
}

/**
 * Operations on a VM never throw for what the host answers, nor for a metadata store that fails:
 * that is an Outcome with a failure, and what they did is undone. They throw InputError for what
 * the caller got wrong (no such VM, already running). Operations on one VM come one after another,
 * those on different VMs run in parallel. What they acknowledge is kept by then, where the store is
 * durable.
 */
export interface Toolstack {
  readonly doors: HostDoors;
  readonly profile: ProfileName;
  readonly policy: PolicyName;

  /**
   * Makes a VM known, halted.
   * @throws InputError for a name that is taken, or past the limit of VMs
   * @throws StateNotKeptError when the metadata store fails; the VM is then not known
   */
  add(vm: VmSpec): Promise<void>;
  /**
   * @throws InputError when it is not halted
   * @throws StateNotKeptError when the metadata store fails; the VM then stays
   */
  remove(name: string): Promise<void>;
  vms(): readonly VmState[];

  start(name: string): Promise<Outcome>;
  /**
   * Side by side, as xenopsd's workers do it: steps interleave as the seed says.
   * @param ended is called at the end of each start
   */
  startTogether(names: readonly string[], ended?: (outcome: Outcome) => void): Promise<Outcome[]>;
  stop(name: string): Promise<Outcome>;
  /** Where guests run, the guest shuts itself down first; one that does not is left running. */
  shutdown(name: string): Promise<Outcome>;
  /**
   * As `stop`, and done even when the store refuses to keep it: for a start that its caller was not
   * told of. A process that dies meanwhile is followed by one that comes to the same.
   */
  discard(name: string): Promise<Outcome>;
  reboot(name: string): Promise<Outcome>;
  /**
   * To the same host: a new domain beside the old one, which then goes. Where guests run, their
   * memory is copied while they do; elsewhere the new domain is built.
   * @param spec its settings from now on; as they were without one
   */
  migrateLocal(name: string, spec?: VmSpec): Promise<Outcome>;
  /**
   * Destroys the domains of VMs whose guests have shut themselves down, and halts VMs whose domains
   * are gone; a new toolstack begins with it. What an earlier process left and the host refused to
   * destroy is tried again. What a guest requested is the outcome's `ending`, and
   * is not done: a reboot is the caller's to start.
   */
  noticeEnded(): Promise<Outcome[]>;
  /**
   * The guest's memory is kept in a file, and its domain goes.
   * @throws InputError for a guest, or a host, whose memory cannot be kept
   */
  suspend(name: string): Promise<Outcome>;
  /** A new domain, placed anew, with the memory that was kept. */
  resume(name: string): Promise<Outcome>;
  pause(name: string): Promise<Outcome>;
  unpause(name: string): Promise<Outcome>;

  /**
   * For later builds; a domain that runs keeps its masks.
   * @throws StateNotKeptError when the metadata store fails; the mask is then as before
   */
  setMask(name: string, mask: string | null): Promise<void>;
  /**
   * Asks the guest of a running VM to use so many vCPUs or so much memory, now and after a
   * migration.
   * @throws InputError when it has no domain
   * @throws XenError as XenStore answers
   * @throws StateNotKeptError when the metadata store fails
   */
  setLive(name: string, live: LiveKeys): Promise<void>;
  setHostMask(mask: string | null): void;
  setPolicy(policy: PolicyName): void;
  setProfile(profile: ProfileName): void;
  /** Sets the node affinity of a running domain (xc_domain_node_setaffinity). */
  setNodeAffinity(name: string, nodes: readonly number[] | 'all'): Promise<Outcome>;
  /** `xl vcpu-pin`: all vCPUs, or one. */
  pin(name: string, vcpu: number | 'all', masks: { hard?: readonly number[]; soft?: readonly number[] }): Promise<Outcome>;
  moveToPool(name: string, pool: number): Promise<Outcome>;

  /**
   * What the host will make of a VM's settings that its owner may not expect, before any start:
   * entries of flow/surprises.ts (a mask that xapi ignores, CPUs past the host, a host mask that
   * stops placement).
   */
  warnings(name: string): readonly Warning[];
  /**
   * What the running xenopsd believes of the nodes; null before the first placement and where there
   * is none.
   */
  placement(): PlacementBelief | null;

  snapshot(): HostMap;
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
  readonly power: 'halted' | 'running' | 'paused' | 'suspended';
  readonly domid: number | null;
  /** Outcomes of all operations on the VM, oldest first. */
  readonly outcomes: readonly Outcome[];
}
