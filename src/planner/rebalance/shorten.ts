// Leaves out of a list of migrations what it does not need: a step whose absence changes nothing at
// the end, and the first of two steps of one VM.
import { isCheaper } from './place.js';
import { copiedPages, type State, type Step } from './state.js';
import type { Targets } from './targets.js';

export function shorten(targets: Targets, start: State, steps: readonly Step[]): Step[] {
  let kept = [...steps];
  for (let at = 0; at < kept.length; ) {
    const rest = kept.filter((_, index) => index !== at);
    const later = rest.findIndex((one, index) => index >= at && one.at === kept[at]!.at);
    const early = later < 0 ? null : [...rest.slice(0, at), rest[later]!, ...rest.slice(at, later), ...rest.slice(later + 1)];
    const shorter = [rest, ...(early === null ? [] : [early])].find((some) => isAsGood(targets, start, some, kept));
    if (shorter === undefined) at++;
    else {
      kept = shorter;
      at = 0;
    }
  }
  return kept;
}

function isAsGood(targets: Targets, start: State, shorter: readonly Step[], steps: readonly Step[]): boolean {
  const end = replay(targets, start, shorter);
  return end !== null && !isCheaper(steps.reduce((state, step) => state.after(step), start).cost, end.cost);
}

/** null when a step finds no room on its way. */
function replay(targets: Targets, start: State, steps: readonly Step[]): State | null {
  let state = start;
  for (const step of steps) {
    // What migrates needs its spare pages beside it, on any one of the target's nodes.
    const spare = targets.needed(step.at) - copiedPages(step);
    const rooms = step.place.pages.map((pages, node) => (pages === 0 ? 0 : targets.room(state, node) - pages));
    if (rooms.some((room) => room < 0) || rooms.reduce((sum, room) => sum + room, 0) < spare) return null;
    state = state.after(step);
  }
  return state;
}
