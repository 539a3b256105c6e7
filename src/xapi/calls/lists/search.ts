// A filter on all records of a class. One call may mean seconds of work (a long expression, many
// records), so it is done in slices, and other clients have their turns between them.
import { parseFilter } from '../../model/filter.js';
import type { WireStruct } from '../../wire/values.js';
import type { CallContext } from '../method.js';
import { principalOfUser } from '../sessions.js';
import type { Turns } from '../turns.js';

/** Work of a slice, in units of Filter.work: a few milliseconds. */
export const SLICE_WORK = 20_000;

/**
 * All that match, with their refs. A search of several slices finds each object as it is when its
 * slice comes. It ends early when the caller is gone.
 * @throws XapiError INVALID_VALUE for a malformed expression
 */
export function search(
  text: string,
  records: Iterable<[string, WireStruct]>,
  turns: Turns,
  context: CallContext,
): [string, WireStruct][] | Promise<[string, WireStruct][]> {
  const filter = parseFilter(text);
  const found: [string, WireStruct][] = [];
  const rest = records[Symbol.iterator]();
  /** @returns whether all are done */
  const slice = (): boolean => {
    const until = filter.work + SLICE_WORK;
    while (filter.work < until) {
      const { done, value } = rest.next();
      if (done === true) return true;
      if (filter.matches(value[1])) found.push(value);
    }
    return false;
  };
  // Nearly every search is one, in the turn of its call.
  if (slice()) return found;
  const goOn = async (): Promise<[string, WireStruct][]> => {
    const principal = principalOfUser(context.session);
    while (!context.abort.aborted && !(await turns.run(principal, slice)));
    return found;
  };
  return goOn();
}
