// Notes on a host without which a plan for it misleads: what its source does not show of the host,
// and guesses on which the figures of a plan rest.
import type { Host } from '../model.js';

/** A note of every host that numactl describes: nothing in its output tells a dom0. */
export const OWN_VIEW =
  'numactl describes the system that it ran in. In a dom0 that is Domain-0 alone, not the host: take `xl info -n` there.';
export const FREE_UNKNOWN = 'The free memory of ';

const FORMS: readonly RegExp[] = [
  // Distances that are not in the source, or dropped as Xen drops them.
  /\bdistances\b.* (?:is|are) assumed\b/,
  /^Which \d+ CPUs are online .* is a guess\b/,
  /^Xen \S+ is not modelled: /,
];

/** @returns in their order */
export function cautions({ notes }: Pick<Host, 'notes'>): string[] {
  return notes.filter((note) => note === OWN_VIEW || note.startsWith(FREE_UNKNOWN) || FORMS.some((form) => form.test(note)));
}
