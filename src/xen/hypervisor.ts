// The embedded hypervisor as its callers see it: a hypercall in bytes, and nothing else.
import { HYPERCALL } from '../abi/commands.js';
import { ERRNO } from '../base/errors.js';
import { boot } from './boot.js';
import { doDomctl } from './ops/do-domctl.js';
import { doSchedOp } from './ops/do-sched-op.js';
import { doSysctl } from './ops/do-sysctl.js';
import { doXenVersion } from './ops/do-xen-version.js';
import { doMemoryOp } from './ops/memory/do-memory-op.js';
import type { GuestMemory } from './state/guest-memory.js';
import type { XenMachine } from './state/machine.js';
import type { XenState } from './state/xen-state.js';

export class Hypervisor {
  readonly state: XenState;

  /** @throws InputError when the machine's version is not known */
  constructor(machine: XenMachine) {
    this.state = boot(machine);
  }

  /**
   * Result >= 0, or a negative errno. Addresses in `a1`, `a2` and in structures are of `memory`.
   */
  hypercall(memory: GuestMemory, op: number, a1: number, a2 = 0): number {
    const { state } = this;
    switch (op) {
      case HYPERCALL.domctl:
        return doDomctl(state, memory, a1);
      case HYPERCALL.sysctl:
        return doSysctl(state, memory, a1);
      case HYPERCALL.memoryOp:
        return doMemoryOp(state, memory, a1, a2);
      case HYPERCALL.schedOp:
        return doSchedOp(state, memory, a1, a2);
      case HYPERCALL.xenVersion:
        return doXenVersion(state, a1);
      default:
        return -ERRNO.ENOSYS;
    }
  }
}
