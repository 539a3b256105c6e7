// What brings the VMs of a running host near their memory again: first soft affinity where the
// memory already lies, which moves nothing, then the shortest list of migrations on the host
// itself. A migration needs room for all of the VM on its target while the source stays. At no
// moment is a VM worse off than before. Pure.
import { searchAll } from './exhaustive.js';
import { freeMove, NodeCpus } from './free-moves.js';
import { Greedy, type GreedyOrder } from './greedy.js';
import { costOf, isCheaper, isNoWorse, type Place, Ruler, totalsOf } from './place.js';
import type { FreeMove, Migration, RebalanceLimits, RebalancePlan, RebalanceProblem } from './problem.js';
import { shorten } from './shorten.js';
import { copiedPages, State, type Step } from './state.js';
import { Targets } from './targets.js';

/** Steps that the search of all lists tries at most. */
const SEARCH_BUDGET = 8_000;
const ORDERS: readonly GreedyOrder[] = ['gain', 'small', 'large'];

export function rebalance(problem: RebalanceProblem, limits: RebalanceLimits = {}): RebalancePlan {
  const ruler = new Ruler(problem.host, problem.ignoredPages);
  const cpus = new NodeCpus(problem);
  const before = problem.vms.map(({ pages, shares }) => ruler.place(pages, shares));
  const freeMoves: FreeMove[] = [];
  const places = problem.vms.map((vm, at) => {
    const found = freeMove(vm, before[at]!, ruler, cpus);
    if (found === null) return before[at]!;
    freeMoves.push(found.move);
    return found.place;
  });
  const start = State.of(problem, places);
  const targets = new Targets(problem, ruler, places);
  const { steps, exact } = bestSteps(problem, targets, ruler, start, limits);
  const end = steps.reduce((state, step) => state.after(step), start);
  return {
    freeMoves,
    migrations: migrationsOf(problem, cpus, start, steps),
    before: totalsOf(before),
    afterFreeMoves: totalsOf(places),
    after: totalsOf(end.places),
    ends: problem.vms.map(({ id }, at) => ({
      vm: id,
      onOneNode: end.places[at]!.figures.onOneNode,
      cpusFit: targets.singles(at).length > 0,
    })),
    exact,
  };
}

interface Found {
  readonly steps: readonly Step[];
  readonly cost: number;
  readonly pages: number;
}

function bestSteps(
  problem: RebalanceProblem,
  targets: Targets,
  ruler: Ruler,
  start: State,
  limits: RebalanceLimits,
): { readonly steps: readonly Step[]; readonly exact: boolean } {
  const found = (steps: readonly Step[]): Found => ({
    steps,
    cost: steps.reduce((state, step) => state.after(step), start).cost,
    pages: steps.reduce((sum, step) => sum + copiedPages(step), 0),
  });
  const wanted = wantedMoves(problem, start, ruler);
  let best = found([]);
  for (const order of ORDERS) {
    const steps = new Greedy(problem, targets, ruler.least, start, limits, order).run();
    const one = found(shorten(targets, start, steps));
    if (isPreferred(one, best)) best = one;
    // Every VM that can gain has all that it can have, with one migration each.
    if (!isCheaper(wanted.cost, best.cost) && best.steps.length === wanted.moves && best.pages === wanted.pages) {
      return { steps: best.steps, exact: true };
    }
  }
  if (!isSmall(problem, targets, Math.min(limits.maxMoves ?? Number.POSITIVE_INFINITY, wanted.moves + 1))) {
    return { steps: best.steps, exact: false };
  }
  const { steps, complete } = searchAll(targets, start, limits, wanted.cost, SEARCH_BUDGET);
  const searched = found(steps);
  if (complete || isPreferred(searched, best)) best = searched;
  return { steps: best.steps, exact: complete };
}

/** Whether the search of all lists can end: by the number of places, or by its depth. */
function isSmall({ vms }: RebalanceProblem, targets: Targets, depth: number): boolean {
  const choices = vms.map(({ mayMove }, at) => (mayMove ? Math.max(1, targets.singles(at).length) : 0));
  const places = choices.reduce((product, count) => product * (count + 1), 1);
  const steps = choices.reduce((sum, count) => sum + count, 0);
  return places * steps <= 2 * SEARCH_BUDGET || steps ** depth <= 2 * SEARCH_BUDGET;
}

function isPreferred(one: Found, other: Found): boolean {
  if (isCheaper(one.cost, other.cost)) return true;
  if (isCheaper(other.cost, one.cost)) return false;
  return one.steps.length < other.steps.length || (one.steps.length === other.steps.length && one.pages < other.pages);
}

/** What no plan can go below: every VM that may move next to its memory, by one migration each. */
function wantedMoves({ vms }: RebalanceProblem, { places }: State, ruler: Ruler): { cost: number; moves: number; pages: number } {
  const wanted = { cost: 0, moves: 0, pages: 0 };
  places.forEach(({ figures, pages }, at) => {
    const [cost, least] = [costOf(figures), ruler.least * figures.pages];
    const gains = vms[at]!.mayMove && isCheaper(least, cost);
    wanted.cost += gains ? least : cost;
    if (!gains) return;
    wanted.moves++;
    wanted.pages += pages.reduce((sum, held) => sum + held, 0);
  });
  return wanted;
}

function migrationsOf(problem: RebalanceProblem, cpus: NodeCpus, start: State, steps: readonly Step[]): Migration[] {
  let state = start;
  return steps.map(({ at, nodes, place }) => {
    const source: Place = state.places[at]!;
    state = state.after({ at, nodes, place });
    const vm = problem.vms[at]!;
    return {
      vm: vm.id,
      nodes,
      cpus: cpus.of(vm, nodes),
      pagesBefore: source.pages,
      pagesAfter: place.pages,
      before: source.figures,
      after: place.figures,
      makesRoom: isNoWorse(source.figures, place.figures),
    };
  });
}
