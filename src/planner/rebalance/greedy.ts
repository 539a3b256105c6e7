// A list of migrations for hosts that are too large to try all: what gains most goes first, and a
// VM that finds no room gets some by one migration of another.
import { costOf, isCheaper } from './place.js';
import type { RebalanceLimits, RebalanceProblem } from './problem.js';
import { copiedPages, type State, type Step } from './state.js';
import type { Targets } from './targets.js';

/** Which of several VMs that can be improved goes first. */
export type GreedyOrder = 'gain' | 'small' | 'large';

export class Greedy {
  readonly #vms: RebalanceProblem['vms'];
  readonly #targets: Targets;
  readonly #least: number;
  readonly #order: GreedyOrder;
  #state: State;
  /** VMs that found no better place over several nodes. */
  readonly #hopeless = new Set<number>();
  #movesLeft: number;
  #pagesLeft: number;

  /** @param least the smallest distance of a node to itself */
  constructor(problem: RebalanceProblem, targets: Targets, least: number, start: State, limits: RebalanceLimits, order: GreedyOrder) {
    this.#vms = problem.vms;
    this.#targets = targets;
    this.#least = least;
    this.#order = order;
    this.#state = start;
    this.#movesLeft = limits.maxMoves ?? Number.POSITIVE_INFINITY;
    this.#pagesLeft = limits.maxPages ?? Number.POSITIVE_INFINITY;
  }

  run(): Step[] {
    const done: Step[] = [];
    for (;;) {
      const whole = this.#toOneNode() ?? this.#withRoom();
      if (whole !== null) this.#hopeless.clear();
      const steps = whole ?? this.#toSeveral();
      if (steps === null) return done;
      for (const step of steps) {
        this.#state = this.#state.after(step);
        this.#movesLeft--;
        this.#pagesLeft -= copiedPages(step);
        done.push(step);
      }
    }
  }

  /** VMs that a nearer place could help. */
  #improvable(): number[] {
    return this.#vms.flatMap(({ mayMove }, at) => {
      const { figures } = this.#state.places[at]!;
      return mayMove && isCheaper(this.#least * figures.pages, costOf(figures)) ? [at] : [];
    });
  }

  #costAt(at: number): number {
    return costOf(this.#state.places[at]!.figures);
  }

  #isAllowed(steps: readonly Step[]): boolean {
    return steps.length <= this.#movesLeft && steps.reduce((sum, step) => sum + copiedPages(step), 0) <= this.#pagesLeft;
  }

  /** One step of a VM that finds a node with room for all of it. */
  #toOneNode(): Step[] | null {
    const fits = this.#improvable().filter((at) => this.#targets.singles(at).some((node) => this.#hasRoom(at, node)));
    // On whichever node, it costs the same there.
    const gainOf = (at: number) => this.#costAt(at) - this.#least * this.#state.places[at]!.figures.pages;
    const ranked = fits.map((at) => ({ at, rank: this.#rank(at, gainOf(at)) })).sort((a, b) => b.rank - a.rank || a.at - b.at);
    for (const { at } of ranked) {
      const step = this.#targets.best(this.#state, at);
      if (step !== null && this.#isAllowed([step])) return [step];
    }
    return null;
  }

  /**
   * One step of a VM that gains by several nodes, as no single one has room. That is a search for
   * each VM: one that found nothing is asked again only after others went to one node.
   */
  #toSeveral(): Step[] | null {
    if (this.#movesLeft < 1) return null;
    const open = this.#improvable().filter((at) => !this.#hopeless.has(at));
    const ranked = open.map((at) => ({ at, rank: this.#rank(at, this.#costAt(at)) })).sort((a, b) => b.rank - a.rank || a.at - b.at);
    for (const { at } of ranked) {
      const [step] = this.#targets.steps(this.#state, at);
      if (step !== undefined && this.#isAllowed([step]) && isCheaper(costOf(step.place.figures), this.#costAt(at))) return [step];
      this.#hopeless.add(at);
    }
    return null;
  }

  #rank(at: number, gain: number): number {
    if (this.#order === 'gain') return gain;
    const { pages } = this.#state.places[at]!.figures;
    return this.#order === 'large' ? pages : -pages;
  }

  #hasRoom(at: number, node: number): boolean {
    return this.#targets.room(this.#state, node) >= this.#targets.needed(at);
  }

  /** Two steps: another VM leaves a node, and one that gains by it takes its room. */
  #withRoom(): Step[] | null {
    if (this.#movesLeft < 2) return null;
    let best: { steps: Step[]; gain: number; pages: number } | null = null;
    for (const at of this.#improvable()) {
      for (const node of this.#targets.singles(at)) {
        const step = this.#targets.toNode(at, node);
        const gain = step === null ? 0 : this.#costAt(at) - costOf(step.place.figures);
        if (step === null || gain <= 0) continue;
        for (const first of this.#evictions(at, node)) {
          const steps = [first, step];
          const all = gain + this.#costAt(first.at) - costOf(first.place.figures);
          const pages = copiedPages(first);
          const better = best === null || all > best.gain || (all === best.gain && pages < best.pages);
          if (better && isCheaper(0, all) && this.#isAllowed(steps)) best = { steps, gain: all, pages };
        }
      }
    }
    return best?.steps ?? null;
  }

  /** Migrations of others that give the VM enough room on a node. */
  *#evictions(at: number, node: number): Generator<Step> {
    const missing = this.#targets.needed(at) - this.#targets.room(this.#state, node);
    for (const [other, { pages }] of this.#state.places.entries()) {
      if (other === at || !this.#vms[other]!.mayMove || pages[node] === 0 || pages[node]! < missing) continue;
      for (const target of this.#targets.singles(other)) {
        if (target === node || !this.#hasRoom(other, target)) continue;
        const step = this.#targets.toNode(other, target);
        if (step !== null) yield step;
      }
    }
  }
}
