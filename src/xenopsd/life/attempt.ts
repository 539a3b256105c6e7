// One operation under way on a VM: its record, its landing, and the first failure.
import { FlowRecord } from '../../flow/record.js';
import type { LastBuild } from '../api/metadata.js';
import type { Landing, OutcomeFailure, OutcomeOperation } from '../api/outcome.js';
import { failureOf, noteFailure } from '../start/failure.js';
import type { KnownVm } from './registry.js';

export class Attempt {
  readonly vm: KnownVm;
  readonly operation: OutcomeOperation;
  readonly record: FlowRecord;
  landing: Landing | null = null;
  #noted = false;

  constructor(vm: KnownVm, operation: OutcomeOperation, title: string) {
    this.vm = vm;
    this.operation = operation;
    this.record = new FlowRecord(`${title} ${vm.name}`);
  }

  /** The first one is what failed; those that follow from it are not noted. */
  noteFailure(error: unknown): void {
    if (this.#noted) return;
    this.#noted = true;
    noteFailure(this.record, error);
  }

  /** A step of a cleanup. @returns whether it worked @throws faults of the program */
  async tried(step: () => Promise<void>): Promise<boolean> {
    try {
      await step();
      return true;
    } catch (error) {
      const failure = failureOf(error);
      if (failure === undefined) throw error;
      this.record.note('not cleaned up', { message: failure.message });
      return false;
    }
  }

  build(domid: number | null, failure: OutcomeFailure | null): LastBuild {
    const { operation, record } = this;
    return { operation, domid, failure, title: record.title, entries: record.entries };
  }
}
