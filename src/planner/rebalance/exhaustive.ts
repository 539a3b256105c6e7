// All lists of migrations of a small host, shortest first, until none can be better. The budget is
// counted in steps that are tried, never in time.
import { isCheaper, type Place } from './place.js';
import type { RebalanceLimits } from './problem.js';
import { copiedPages, type State, type Step } from './state.js';
import type { Targets } from './targets.js';

export interface Searched {
  readonly steps: readonly Step[];
  /** No list within the limits is better, by the order of RebalancePlan.exact. */
  readonly complete: boolean;
}

/** A host that a list of steps leads to. */
interface Reached {
  readonly state: State;
  readonly pages: number;
  readonly step: Step | null;
  readonly from: Reached | null;
}

/**
 * @param least no list of steps leads to a smaller cost than this
 * @param budget steps to try at most
 */
export function searchAll(targets: Targets, start: State, limits: RebalanceLimits, least: number, budget: number): Searched {
  const { maxMoves = Number.POSITIVE_INFINITY, maxPages = Number.POSITIVE_INFINITY } = limits;
  const keyOf = stateKeys();
  let tried = 0;
  const first: Reached = { state: start, pages: 0, step: null, from: null };
  /** By host: the fewest pages with which it was reached. */
  const seen = new Map([[keyOf(start), 0]]);
  let best = first;
  let frontier = [first];
  for (let depth = 0; depth < maxMoves && frontier.length > 0 && isCheaper(least, best.state.cost); depth++) {
    const next = new Map<string, Reached>();
    const before = best.state.cost;
    for (const reached of frontier) {
      for (let at = 0; at < start.places.length; at++) {
        for (const step of targets.steps(reached.state, at)) {
          if (tried++ === budget) return { steps: stepsTo(best), complete: false };
          const pages = reached.pages + copiedPages(step);
          if (pages > maxPages) continue;
          const state = reached.state.after(step);
          const key = keyOf(state);
          const known = seen.get(key);
          if (known !== undefined && known <= pages) continue;
          seen.set(key, pages);
          const one: Reached = { state, pages, step, from: reached };
          next.set(key, one);
          const cheaper = isCheaper(state.cost, best.state.cost);
          // As cheap as the best of this length, with less to copy.
          const leaner = !cheaper && isCheaper(state.cost, before) && !isCheaper(best.state.cost, state.cost) && pages < best.pages;
          if (cheaper || leaner) best = one;
        }
      }
    }
    frontier = [...next.values()];
  }
  return { steps: stepsTo(best), complete: true };
}

function stepsTo(reached: Reached): Step[] {
  const steps: Step[] = [];
  for (let at = reached; at.step !== null && at.from !== null; at = at.from) steps.unshift(at.step);
  return steps;
}

/** Hosts with the same places have the same key. */
function stateKeys(): (state: State) => string {
  const names = new Map<string, number>();
  const known = new WeakMap<Place, number>();
  const nameOf = (place: Place) => {
    let name = known.get(place);
    if (name === undefined) {
      const text = `${place.pages.join()}/${place.shares.join()}`;
      name = names.get(text) ?? names.size;
      names.set(text, name);
      known.set(place, name);
    }
    return name;
  };
  return ({ places }) => places.map(nameOf).join();
}
