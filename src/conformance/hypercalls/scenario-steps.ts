// One step of a recorded scenario performed over a hypercall door, its answer in the recorder's
// form.

import { CPUPOOL_OP, DOMCTL, SCHEDOP, SYSCTL } from '../../abi/commands.js';
import type { InterfaceVersion } from '../../abi/interface-version.js';
import { ERRNO, errnoName, InputError } from '../../base/errors.js';
import { DOMID_SELF } from '../../base/ids.js';
import type { HypercallDoor } from '../../xenctrl/doors/door.js';
import type { JsonObject, JsonValue } from '../player.js';
import { bitmap, integer, type Scenario, type Step } from './scenario.js';
import { type Afterwards, ScenarioCalls } from './scenario-calls.js';
import { compressSeq } from './seq.js';

/**
 * An id that no domain of a scenario has: Xen gives ids from 1 upwards, and a scenario makes few.
 */
const ABSENT_DOMID = 31_000;
const MOST_REPEATS = 100_000;
const TRIES = 5;
const POPULATE_ON_DEMAND = 1 << 16;
const NO_DOMCTL_POOL = -1;

type Answer = { [key: string]: JsonValue | undefined };

/** Performs the steps of one scenario in order, and keeps the domain of each letter. */
export class ScenarioSteps {
  readonly calls: ScenarioCalls;
  readonly #wait: () => void;
  readonly #version: InterfaceVersion;
  readonly #nodeRanges: readonly (readonly [number, number])[];
  readonly #domains = new Map<string, { readonly domid: number; readonly pv: boolean }>();

  /** `wait`: between two tries of a call that Xen was too busy for; a real Xen needs it. */
  constructor(door: HypercallDoor, version: InterfaceVersion, machine: Scenario['machine'], wait: () => void = () => {}) {
    this.#wait = wait;
    this.calls = new ScenarioCalls(door, version);
    this.#version = version;
    this.#nodeRanges = machine.nodes.map((node) => node.pages ?? [0, 0]);
  }

  close(): void {
    this.calls.close();
  }

  /** Letters of the existing domains. */
  get letters(): string[] {
    return [...this.#domains.keys()];
  }

  /** @throws InputError when the step is not of the format */
  perform(step: Step): JsonObject {
    const perform = OPERATIONS.get(step.op);
    if (perform === undefined) throw new InputError(`unknown step '${step.op}'`, { path: 'op' }, `known are ${KNOWN}`);
    return perform(this, step);
  }

  domid(step: Step): number {
    const { dom } = step;
    if (dom === 'dom0') return 0;
    if (dom === 'self') return DOMID_SELF;
    if (typeof dom !== 'string') throw new InputError('expected a letter, "absent", "dom0" or "self"', { path: `${step.op}.dom` });
    return this.#domains.get(dom)?.domid ?? ABSENT_DOMID;
  }

  /** A domctl of the step's domain. */
  domctl(step: Step, fill?: (view: DataView, at: number) => void): number {
    const cmd = DOMCTL[step.op as keyof typeof DOMCTL];
    return this.calls.domctl(cmd, step.op === 'createdomain' ? 0 : this.domid(step), fill, versionOf(step));
  }

  createDomain(step: Step): JsonObject {
    const { as, pv } = step;
    if (typeof as !== 'string' || typeof pv !== 'boolean') throw new InputError('expected "as" and "pv"', { path: step.op });
    const pool = integer(step, 'cpupool', 0);
    const result = this.domctl(step, (view, at) => {
      view.setUint32(at + 20, pv ? 0 : 3, true);
      view.setUint32(at + 28, integer(step, 'max_vcpus'), true);
      view.setUint32(at + 32, 1023, true);
      // Xen's own defaults for grant and maptrack frames; grant table version 1.
      view.setInt32(at + 36, -1, true);
      view.setInt32(at + 40, -1, true);
      if (this.#version.grantOptsAt >= 0) view.setUint32(at + this.#version.grantOptsAt, 1, true);
      if (this.#version.cpupoolAt !== NO_DOMCTL_POOL) view.setUint32(at + this.#version.cpupoolAt, pool, true);
      view.setUint32(at + this.#version.emulationFlagsAt, pv ? 0 : 1, true);
    });
    if (result === 0) this.#domains.set(as, { domid: this.calls.op.view.getUint16(8, true), pv });
    return answer(result);
  }

  destroyDomain(step: Step): JsonObject {
    const result = retried([ERRNO.EAGAIN, ERRNO.ERESTART], Number.POSITIVE_INFINITY, () => this.domctl(step), this.#wait);
    if (result === 0) this.#domains.delete(String(step.dom));
    return answer(result);
  }

  vcpuAffinity(step: Step): JsonObject {
    const read: (() => Afterwards)[] = [];
    const result = this.domctl(step, (view, at) => {
      view.setUint32(at, integer(step, 'vcpu'), true);
      view.setUint32(at + 4, integer(step, 'flags'), true);
      read.push(this.calls.bitmap(at + 8, bitmap(step, 'hard')), this.calls.bitmap(at + 24, bitmap(step, 'soft')));
    });
    const [hard, soft] = read.map((buffer) => buffer());
    return answer(result, {}, { hard, soft });
  }

  nodeAffinity(step: Step): JsonObject {
    let read: (() => Afterwards) | undefined;
    const result = this.domctl(step, (_, at) => {
      read = this.calls.bitmap(at, bitmap(step, 'nodemap'));
    });
    const nodemap = read?.();
    return answer(result, {}, step.op === 'getnodeaffinity' ? { nodemap } : {});
  }

  domainInfo(step: Step): JsonObject {
    const result = this.domctl(step);
    const { calls } = this;
    const { view } = calls.op;
    return answer(result, {
      same_domain: view.getUint16(16, true) === this.domid(step),
      flags: view.getUint32(20, true),
      tot_pages: calls.word(8),
      max_pages: calls.word(16),
      outstanding: calls.word(24),
      nr_online_vcpus: view.getUint32(16 + 64, true),
      max_vcpu_id: view.getUint32(16 + 68, true),
      cpupool: view.getUint32(16 + 92, true),
    });
  }

  /**
   * With `repeat`, the step is performed that many times: the answer is the number of successes,
   * and the errno of the last failure.
   */
  repeated(step: Step): JsonObject {
    if (step.repeat === undefined) return answer(this.domctl(step));
    let succeeded = 0;
    let result = 0;
    for (let i = 0; i < Math.min(integer(step, 'repeat'), MOST_REPEATS); i++) {
      const one = this.domctl(step);
      if (one === 0) succeeded++;
      else result = one;
    }
    return { ...answer(result), succeeded };
  }

  /**
   * PV: nodes of the machine frames that Xen wrote back. PVH: how the free pages of each node
   * changed.
   */
  populate(step: Step): JsonObject {
    const extents = integer(step, 'extents');
    if (extents < 0) throw new InputError('expected 0 or more', { path: `${step.op}.extents` });
    const order = integer(step, 'order');
    const memFlags = integer(step, 'mem_flags', 0);
    const pv = this.#domains.get(String(step.dom))?.pv === true;
    const before = pv ? [] : this.calls.freePages();
    const firstFrame = integer(step, 'first_frame', 0);
    const { done, mfns } = this.calls.populate({ domid: this.domid(step), extents, order, memFlags, firstFrame }, step.bad === true);
    if (pv && !(done > 0 && (memFlags & POPULATE_ON_DEMAND) !== 0)) {
      const nodes = mfns.map((mfn) => this.#nodeRanges.findIndex(([start, end]) => mfn >= start && mfn < end));
      const perNode = this.#nodeRanges.map((_, node) => nodes.filter((one) => one === node).length * 2 ** order);
      return { done, per_node: perNode, seq: compressSeq(nodes) };
    }
    const after = pv ? [] : this.calls.freePages();
    if (pv || done <= 0 || !Array.isArray(before) || !Array.isArray(after)) return { done, from: 'free_delta' };
    return { done, per_node: before.map((pages, node) => pages - after[node]!), from: 'free_delta' };
  }

  claim(step: Step): JsonObject {
    const [order, memFlags] = [integer(step, 'order', 0), integer(step, 'mem_flags', 0)];
    const reservation = { domid: this.domid(step), extents: integer(step, 'pages'), order, memFlags };
    const result = this.calls.claim(reservation, step.extent_start === true);
    return answer(result, { ret: result });
  }

  numaInfo(step: Step): JsonObject {
    const pages = this.calls.freePages(versionOf(step));
    return typeof pages === 'number' ? answer(pages) : answer(0, { free_pages: pages });
  }

  hotplug(step: Step): JsonObject {
    return answer(
      retried(
        [ERRNO.EAGAIN, ERRNO.EBUSY],
        TRIES,
        () =>
          this.calls.sysctl(
            SYSCTL.cpu_hotplug,
            (view, at) => {
              view.setUint32(at, integer(step, 'cpu') >>> 0, true);
              view.setUint32(at + 4, step.op === 'cpu_offline' ? 1 : 0, true);
            },
            versionOf(step),
          ),
        this.#wait,
      ),
    );
  }

  cpupool(step: Step): JsonObject {
    const name = step.op.replace('cpupool_', '') as keyof typeof CPUPOOL_OP;
    const op = name === 'info' && step.free === true ? CPUPOOL_OP.freeinfo : CPUPOOL_OP[name];
    const pool = name === 'create' ? integer(step, 'id', 0xffffffff) : integer(step, 'pool', 0);
    let read: (() => Afterwards) | undefined;
    const once = () =>
      this.calls.sysctl(
        SYSCTL.cpupool_op,
        (view, at) => {
          view.setUint32(at, op, true);
          view.setUint32(at + 4, pool >>> 0, true);
          view.setUint32(at + 8, integer(step, 'sched', 0), true);
          view.setUint32(at + 12, step.dom === undefined ? 0 : this.domid(step), true);
          view.setUint32(at + 16, integer(step, 'cpu', 0) >>> 0, true);
          read = this.calls.bitmap(at + 24, bitmap(step, 'cpumap'));
        },
        versionOf(step),
      );
    const result = name === 'rmcpu' ? retried([ERRNO.EAGAIN, ERRNO.EBUSY], TRIES, once, this.#wait) : once();
    const cpumap = read?.();
    const { view } = this.calls.op;
    if (name === 'create') return answer(result, { id: view.getUint32(12, true) });
    if (name !== 'info') return answer(result);
    if (op === CPUPOOL_OP.freeinfo) return answer(result, {}, { cpumap });
    return answer(result, { id: view.getUint32(12, true), sched: view.getUint32(16, true), n_dom: view.getUint32(28, true) }, { cpumap });
  }

  shutdown(step: Step): JsonObject {
    const [domid, reason] = [this.domid(step), integer(step, 'reason')];
    return answer(
      this.calls.schedOp(SCHEDOP.remote_shutdown, (view) => {
        view.setUint16(0, domid, true);
        view.setUint32(4, reason, true);
      }),
    );
  }

  pinOverride(step: Step): JsonObject {
    return answer(this.calls.schedOp(SCHEDOP.pin_override, (view) => view.setInt32(0, integer(step, 'pcpu'), true)));
  }
}

const simple = (steps: ScenarioSteps, step: Step) => answer(steps.domctl(step));
const cpupool = (steps: ScenarioSteps, step: Step) => steps.cpupool(step);

const OPERATIONS: ReadonlyMap<string, (steps: ScenarioSteps, step: Step) => JsonObject> = new Map(
  Object.entries({
    createdomain: (steps: ScenarioSteps, step: Step) => steps.createDomain(step),
    max_vcpus: (steps, step) => answer(steps.domctl(step, (view, at) => view.setUint32(at, integer(step, 'max'), true))),
    max_mem: (steps, step) => answer(steps.domctl(step, (view, at) => view.setBigUint64(at, BigInt(integer(step, 'max_memkb')), true))),
    set_paging_mempool_size: (steps, step) =>
      answer(steps.domctl(step, (view, at) => view.setBigUint64(at, BigInt(integer(step, 'bytes')), true))),
    setvcpuaffinity: (steps, step) => steps.vcpuAffinity(step),
    getvcpuaffinity: (steps, step) => steps.vcpuAffinity(step),
    setnodeaffinity: (steps, step) => steps.nodeAffinity(step),
    getnodeaffinity: (steps, step) => steps.nodeAffinity(step),
    getdomaininfo: (steps, step) => steps.domainInfo(step),
    pausedomain: (steps, step) => steps.repeated(step),
    unpausedomain: (steps, step) => steps.repeated(step),
    destroydomain: (steps, step) => steps.destroyDomain(step),
    resumedomain: simple,
    soft_reset: simple,
    shutdown: (steps, step) => steps.shutdown(step),
    pin_override: (steps, step) => steps.pinOverride(step),
    populate_physmap: (steps, step) => steps.populate(step),
    claim_pages: (steps, step) => steps.claim(step),
    numainfo: (steps, step) => steps.numaInfo(step),
    cpu_offline: (steps, step) => steps.hotplug(step),
    cpu_online: (steps, step) => steps.hotplug(step),
    cpupool_create: cpupool,
    cpupool_destroy: cpupool,
    cpupool_info: cpupool,
    cpupool_addcpu: cpupool,
    cpupool_rmcpu: cpupool,
    cpupool_movedomain: cpupool,
  } satisfies Record<string, (steps: ScenarioSteps, step: Step) => JsonObject>),
);

const KNOWN = [...OPERATIONS.keys()].join(', ');

function versionOf(step: Step): number | undefined {
  return step.version === undefined ? undefined : integer(step, 'version');
}

/** On an errno, the answer has only the caller's buffers that Xen changed. */
function answer(result: number, extra: Answer = {}, buffers: Record<string, Afterwards> = {}): JsonObject {
  const outcome: Answer = result < 0 ? { errno: errnoName(result) ?? result } : { ok: true, ...extra };
  for (const [name, buffer] of Object.entries(buffers)) {
    if (buffer !== undefined && (result >= 0 || buffer.changed)) outcome[name] = buffer.hex;
  }
  return outcome;
}

function retried(errnos: readonly number[], tries: number, call: () => number, wait: () => void): number {
  for (let tried = 1; ; tried++) {
    const result = call();
    if (tried >= tries || !errnos.includes(-result)) return result;
    wait();
  }
}
