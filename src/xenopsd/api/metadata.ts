// The metadata of a toolstack's VMs. In memory here; on disk for a real host, where a new process
// must find the VMs again.

import { InputError } from '../../base/errors.js';
import { withErrnoName } from '../../base/files/errno-names.js';
import type { FlowEntry } from '../../flow/record.js';
import type { VmSpec } from '../../machine/vm.js';
import type { OutcomeFailure, OutcomeOperation } from './outcome.js';

/**
 * Where a VM is in its life (life/states.ts has the diagram). 'starting', 'stopping', 'suspending'
 * and 'resuming' are written before the first step and replaced after the last: a process that
 * finds them at its beginning knows that another one died between, and completes or undoes the
 * operation.
 */
export type Phase = 'halted' | 'starting' | 'running' | 'paused' | 'stopping' | 'suspending' | 'suspended' | 'resuming';

export interface VmMetadata {
  readonly spec: VmSpec;
  readonly uuid: string;
  readonly phase: Phase;
  /** The VM's domain; null = none that is known to run. */
  readonly domid: number | null;
  /** Domains to be destroyed: any process that finds them here removes their remains. */
  readonly pending: readonly number[];
  /** Process id of the device model of its domain, where it has one. */
  readonly deviceModelPid?: number;
}

/** The last time that a VM was built, or should have been: what explains where it lies. */
export interface LastBuild {
  readonly operation: OutcomeOperation;
  /** The domain that came of it; null = none did. */
  readonly domid: number | null;
  readonly failure: OutcomeFailure | null;
  readonly title: string;
  readonly entries: readonly FlowEntry[];
}

export interface MetadataStore {
  /** In the order in which the VMs were added. */
  load(): Promise<readonly VmMetadata[]>;
  /**
   * Must be durable when it resolves, where the store is; when it rejects, the VM's earlier state
   * must be what `load` finds.
   * @param build replaces what was kept of the VM's last build; stores that end with the process
   *   need not keep it
   */
  save(vm: VmMetadata, build?: LastBuild): Promise<void>;
  /** Removes the VM with the record of its last build. */
  remove(name: string): Promise<void>;
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

/** A metadata store that could not keep a change, as on a full disk. The change is undone. */
export class StateNotKeptError extends InputError {
  constructor(vm: string, cause: unknown) {
    super(
      `the state of VM '${vm}' could not be kept: ${cause instanceof Error ? withErrnoName(cause).message : String(cause)}`,
      {},
      'make the state folder writable, with room on its disk, and try again',
    );
    this.name = 'StateNotKeptError';
    this.cause = cause;
  }
}
