// What a toolstack keeps of its VMs. In memory here; on disk or in XenStore for a real host, where a new process must find them again.
import type { FlowEntry } from '../../flow/record.js';
import type { VmSpec } from '../../machine/vm.js';
import type { Outcome, OutcomeFailure } from './outcome.js';

/**
 * Where a VM is in its life. 'starting' and 'stopping' are written before the first step and replaced after the last: found at the
 * beginning, they say that a process died between, and what it left is to be removed.
 */
export type Phase = 'halted' | 'starting' | 'running' | 'paused' | 'stopping';

export interface VmMetadata {
  readonly spec: VmSpec;
  readonly uuid: string;
  readonly phase: Phase;
  /** The VM's domain; null = none that is known to run. */
  readonly domid: number | null;
  /** Domains made and not handed over yet, or not gone yet. */
  readonly pending: readonly number[];
}

/** The last time that a VM was built, or was to be: what explains where it lies. */
export interface LastBuild {
  readonly operation: Outcome['operation'];
  /** The domain that came of it; null = none did. */
  readonly domid: number | null;
  readonly failure: OutcomeFailure | null;
  readonly title: string;
  readonly entries: readonly FlowEntry[];
}

export interface MetadataStore {
  /** In the order in which the VMs were added. */
  load(): Promise<readonly VmMetadata[]>;
  /** Must be durable when it returns, where the store is. */
  save(vm: VmMetadata): Promise<void>;
  remove(name: string): Promise<void>;
  /** Stores that outlive the process keep it, for those who ask later; it is told once the VM runs, or could not be started. */
  keepBuild?(name: string, build: LastBuild): Promise<void>;
}

export class MemoryMetadata implements MetadataStore {
  readonly #vms = new Map<string, VmMetadata>();

  async load(): Promise<readonly VmMetadata[]> {
    return [...this.#vms.values()];
  }

  async save(vm: VmMetadata): Promise<void> {
    this.#vms.set(vm.spec.name, vm);
  }

  async remove(name: string): Promise<void> {
    this.#vms.delete(name);
  }
}
