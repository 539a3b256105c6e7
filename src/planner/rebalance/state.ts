// A host in the middle of a plan: where each VM is, and what is free.
import { costOf, type Place } from './place.js';
import type { RebalanceProblem } from './problem.js';

/** One migration: which VM, by its position, and where it is afterwards. */
export interface Step {
  readonly at: number;
  readonly nodes: readonly number[];
  readonly place: Place;
}

export class State {
  readonly places: readonly Place[];
  readonly freePages: readonly number[];
  /** Pages times mean distance, over all VMs. */
  readonly cost: number;

  private constructor(places: readonly Place[], freePages: readonly number[], cost: number) {
    this.places = places;
    this.freePages = freePages;
    this.cost = cost;
  }

  static of({ freePages }: RebalanceProblem, places: readonly Place[]): State {
    return new State(
      places,
      freePages,
      places.reduce((sum, { figures }) => sum + costOf(figures), 0),
    );
  }

  /** The source is gone, and its memory is free. */
  after({ at, place }: Step): State {
    const source = this.places[at]!;
    const places = this.places.slice();
    places[at] = place;
    const freePages = this.freePages.map((free, node) => free + source.pages[node]! - place.pages[node]!);
    return new State(places, freePages, this.cost - costOf(source.figures) + costOf(place.figures));
  }
}

/** Pages that a migration copies. */
export function copiedPages({ place }: Step): number {
  return place.pages.reduce((sum, pages) => sum + pages, 0);
}
