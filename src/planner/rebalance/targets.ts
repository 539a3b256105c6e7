// Where a VM can migrate to, by the rules of policy `tight`: the nearest nodes with room for all of
// it while its source stays, each vCPU with its share of the memory.
import { DEFAULT_CORES_PER_VCPU } from '../tight/busy-cores.js';
import { CpuCounts, cpusOfNodes, nodeRoom } from '../tight/capacity.js';
import type { TightPlan, TightRequest } from '../tight/request.js';
import { type TightState, tight } from '../tight/tight.js';
import { NodeCpus } from './free-moves.js';
import { isNoWorse, type Place, type Ruler } from './place.js';
import type { RebalanceProblem, RebalanceVm } from './problem.js';
import type { State, Step } from './state.js';

/** Sets of several nodes that are equally near: more of them are not tried. */
const MOST_SETS = 8;

export class Targets {
  readonly #problem: RebalanceProblem;
  readonly #ruler: Ruler;
  readonly #cpus: NodeCpus;
  readonly #tight: TightState | null;
  readonly #reserve: readonly number[];
  /** By VM: nodes at the smallest own distance with CPUs enough for all of it. */
  readonly #singles: readonly (readonly number[])[];
  /** By VM and node: its place when it is all there; made when first needed. */
  readonly #whole: Map<number, Place>[];
  readonly #needed: readonly number[];
  /** Cores of each node that all VMs keep busy. */
  readonly #busy = new WeakMap<State, readonly number[]>();
  /** By VM: the place that no step of a plan may be worse than. */
  readonly #baseline: readonly Place[];

  /** @param baseline where the VMs are when the first of them migrates */
  constructor(problem: RebalanceProblem, ruler: Ruler, baseline: readonly Place[]) {
    this.#problem = problem;
    this.#ruler = ruler;
    this.#baseline = baseline;
    this.#cpus = new NodeCpus(problem);
    this.#reserve = problem.reservePages ?? [];
    this.#tight = tight({ reserveBytes: this.#reserve, coresPerVcpu: DEFAULT_CORES_PER_VCPU }).prepare(problem.host);
    const counts = new CpuCounts(problem.host, cpusOfNodes(problem.host));
    this.#whole = problem.vms.map(() => new Map());
    this.#needed = problem.vms.map(({ pages, sparePages }) => pages.reduce((sum, held) => sum + held, sparePages));
    this.#singles = problem.vms.map((vm) => {
      const room = nodeRoom(counts, requestOf(vm, 0, problem.freePages), { reserveBytes: [], coresPerVcpu: DEFAULT_CORES_PER_VCPU });
      return room.cpus.flatMap((cpus, node) => (cpus >= vm.vcpus && ruler.own(node) === ruler.least ? [node] : []));
    });
  }

  /** Nodes that hold all of the VM's vCPUs. */
  singles(at: number): readonly number[] {
    return this.#singles[at]!;
  }

  /** Pages that must be free on one node for the VM to migrate there. */
  needed(at: number): number {
    return this.#needed[at]!;
  }

  room(state: State, node: number): number {
    return state.freePages[node]! - (this.#reserve[node] ?? 0);
  }

  /** The step that takes all of the VM to one node, whether there is room or not; null if worse. */
  toNode(at: number, node: number): Step | null {
    let place = this.#whole[at]!.get(node);
    if (place === undefined) {
      const vm = this.#problem.vms[at]!;
      const total = vm.pages.reduce((sum, held) => sum + held, 0);
      const pages = vm.pages.map((_, one) => (one === node ? total : 0));
      place = this.#ruler.place(pages, this.#cpus.shares(vm, [node]));
      this.#whole[at]!.set(node, place);
    }
    return isNoWorse(place.figures, this.#baseline[at]!.figures) ? { at, nodes: [node], place } : null;
  }

  /**
   * All migrations of the VM that are possible now, leave it no worse than it was at first, and
   * change its place.
   */
  steps(state: State, at: number): Step[] {
    const vm = this.#problem.vms[at]!;
    if (!vm.mayMove) return [];
    const needed = this.needed(at);
    const singles = this.#singles[at]!.filter((node) => this.room(state, node) >= needed);
    if (singles.length > 0) {
      return singles.flatMap((node) => {
        const step = isThere(state.places[at]!, node) ? null : this.toNode(at, node);
        return step === null ? [] : [step];
      });
    }
    // What has one node is worse on several.
    if (this.#baseline[at]!.figures.onOneNode) return [];
    const request = { ...requestOf(vm, needed, state.freePages), busyCores: this.#busyCores(state, at) };
    const plans = this.#tight?.plans(request).slice(0, MOST_SETS) ?? [];
    return plans.flatMap((plan) => {
      // Xen takes a domain's memory from the nodes of its CPUs: a node that only gives memory would
      // not be asked.
      if (plan.nodes.some((node) => this.#cpus.counts(vm)[node] === 0)) return [];
      const step = { at, nodes: plan.nodes, place: this.#placeOf(state, vm, plan) };
      const { figures } = step.place;
      return figures.pages > 0 && isNoWorse(figures, this.#baseline[at]!.figures) ? [step] : [];
    });
  }

  /** The step that policy `tight` prefers; null when none is possible. */
  best(state: State, at: number): Step | null {
    const steps = this.steps(state, at);
    if (steps.length < 2 || steps[0]!.nodes.length > 1) return steps[0] ?? null;
    const request = { ...requestOf(this.#problem.vms[at]!, this.needed(at), state.freePages), busyCores: this.#busyCores(state, at) };
    for (const { nodes } of this.#tight?.plans(request) ?? []) {
      const step = steps.find((one) => one.nodes[0] === nodes[0]);
      if (nodes.length === 1 && step !== undefined) return step;
    }
    return steps[0]!;
  }

  /**
   * Xen takes the extents of a domain from the nodes of its affinity in turn, until one is full
   * (get_free_buddy, xen/common/page_alloc.c:855-958): as evenly as their room allows.
   */
  #placeOf(state: State, vm: RebalanceVm, { nodes }: TightPlan): Place {
    const pages = vm.pages.map(() => 0);
    let rest = vm.pages.reduce((sum, held) => sum + held, 0);
    const fullestFirst = [...nodes].sort((a, b) => this.room(state, a) - this.room(state, b) || a - b);
    fullestFirst.forEach((node, done) => {
      pages[node] = Math.min(Math.max(0, this.room(state, node)), Math.floor(rest / (nodes.length - done)));
      rest -= pages[node];
    });
    return this.#ruler.place(pages, this.#cpus.shares(vm, nodes));
  }

  /** Cores of each node that the other VMs keep busy. */
  #busyCores(state: State, at: number): number[] {
    let all = this.#busy.get(state);
    if (all === undefined) {
      const busy = this.#problem.host.distances.map(() => 0);
      for (const [index, { shares }] of state.places.entries()) {
        const demand = this.#problem.vms[index]!.vcpus * DEFAULT_CORES_PER_VCPU;
        for (let node = 0; node < busy.length; node++) busy[node] = busy[node]! + shares[node]! * demand;
      }
      all = busy;
      this.#busy.set(state, all);
    }
    const own = this.#problem.vms[at]!.vcpus * DEFAULT_CORES_PER_VCPU;
    return state.places[at]!.shares.map((share, node) => Math.max(0, all[node]! - share * own));
  }
}

/** Policy `tight` counts in the unit it is given: pages here. */
function requestOf(vm: RebalanceVm, pages: number, freePages: readonly number[]): TightRequest {
  return {
    vcpus: vm.vcpus,
    cores: 0,
    memoryBytes: pages,
    freeBytes: freePages,
    claimedBytes: [],
    ...(vm.allowedCpus === undefined ? {} : { allowedCpus: vm.allowedCpus }),
  };
}

/** All of its memory and its vCPUs are on the node already. */
function isThere({ pages, shares, figures }: Place, node: number): boolean {
  return figures.onOneNode && shares[node]! > 0 && pages.every((held, one) => one === node || held === 0);
}
