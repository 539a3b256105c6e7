// How near a VM is to its memory: the figures by which places are compared.
import type { PlannerHost } from '../policy.js';
import type { PlaceFigures, RebalanceTotals } from './problem.js';

const OWN_DISTANCE = 10;
/** What SLIT itself writes for "unreachable" (ACPI 6.5, 5.2.17). */
const UNREACHABLE_DISTANCE = 255;
const TOLERANCE = 1e-9;

export interface Place {
  readonly pages: readonly number[];
  readonly shares: readonly number[];
  readonly figures: PlaceFigures;
}

export class Ruler {
  readonly #distances: readonly (readonly number[])[];
  readonly #ignoredPages: number;

  constructor({ distances }: PlannerHost, ignoredPages: number) {
    this.#distances = distances.map((row) => row.map(readable));
    this.#ignoredPages = ignoredPages;
  }

  /** The smallest distance of a node to itself: no place is nearer. */
  get least(): number {
    return Math.min(...this.#distances.map((row, node) => row[node]!));
  }

  own(node: number): number {
    return this.#distances[node]![node]!;
  }

  /** Nodes whose pages count; all with a page when none has more than are ignored. */
  counted(pages: readonly number[]): number[] {
    const counted = pages.flatMap((held, node) => (held > this.#ignoredPages ? [node] : []));
    return counted.length > 0 ? counted : pages.flatMap((held, node) => (held > 0 ? [node] : []));
  }

  place(pages: readonly number[], shares: readonly number[]): Place {
    return { pages, shares, figures: this.#measure(pages, shares) };
  }

  #measure(pages: readonly number[], shares: readonly number[]): PlaceFigures {
    const memory = this.counted(pages);
    const counted = memory.reduce((sum, node) => sum + pages[node]!, 0);
    const running = shares.flatMap((share, node) => (share > 0 ? [node] : []));
    let [worst, mean] = [0, 0];
    for (const from of running) {
      for (const to of memory) {
        const distance = this.#distances[from]![to]!;
        worst = Math.max(worst, distance);
        mean += (shares[from]! * pages[to]! * distance) / counted;
      }
    }
    return {
      worst,
      mean,
      onOneNode: memory.length === 1 && running.length === 1 && memory[0] === running[0],
      remotePages: memory.reduce((sum, node) => sum + (shares[node]! > 0 ? 0 : pages[node]!), 0),
      pages: pages.reduce((sum, held) => sum + held, 0),
    };
  }
}

function readable(distance: number): number {
  return distance >= OWN_DISTANCE && distance <= UNREACHABLE_DISTANCE ? distance : UNREACHABLE_DISTANCE;
}

/** Neither the worst nor the mean distance is longer, and one node is not left. */
export function isNoWorse(now: PlaceFigures, before: PlaceFigures): boolean {
  return now.worst <= before.worst && now.mean <= before.mean + TOLERANCE && (now.onOneNode || !before.onOneNode);
}

/** No worse, and one of the figures is better. */
export function isBetter(now: PlaceFigures, before: PlaceFigures): boolean {
  if (!isNoWorse(now, before)) return false;
  return now.worst < before.worst || now.mean < before.mean - TOLERANCE || (now.onOneNode && !before.onOneNode);
}

/** Pages times their mean distance: the sum over all VMs is what a plan makes small. */
export function costOf({ pages, mean }: PlaceFigures): number {
  return pages * mean;
}

/** Whether a cost is smaller by more than rounding. */
export function isCheaper(a: number, b: number): boolean {
  return a < b - TOLERANCE * Math.max(1, Math.abs(b));
}

export function totalsOf(places: readonly Place[]): RebalanceTotals {
  const pages = places.reduce((sum, { figures }) => sum + figures.pages, 0);
  return {
    vms: places.length,
    onOneNode: places.filter(({ figures }) => figures.onOneNode).length,
    pagesOnOneNode: places.reduce((sum, { figures }) => sum + (figures.onOneNode ? figures.pages : 0), 0),
    meanDistance: pages === 0 ? null : places.reduce((sum, { figures }) => sum + costOf(figures), 0) / pages,
    worstDistance: places.length === 0 ? null : Math.max(...places.map(({ figures }) => figures.worst)),
    remotePages: places.reduce((sum, { figures }) => sum + figures.remotePages, 0),
  };
}
