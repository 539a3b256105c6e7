// A lower bound of the size of an answer, which costs little: it is known before the answer is
// written out. Pure.
import { isStruct, type Wire, type WireStruct } from './values.js';

/** Records do not change, so each is measured once. */
const sizes = new WeakMap<object, number>();

/**
 * @param known exact lengths of values that have been written out, where there are
 * @returns bytes that the value takes in either protocol, at least
 */
export function leastBytes(value: Wire, known: (value: WireStruct) => number | undefined): number {
  // A character takes at least a byte, and no value takes none.
  if (typeof value === 'string') return value.length + 1;
  if (typeof value !== 'object' || value === null) return 1;
  if (Array.isArray(value)) {
    let sum = 1;
    for (const one of value as readonly Wire[]) sum += leastBytes(one, known);
    return sum;
  }
  if (!isStruct(value)) return 1;
  return known(value) ?? sizes.get(value) ?? measured(value, known);
}

function measured(value: WireStruct, known: (value: WireStruct) => number | undefined): number {
  let sum = 1;
  let nested = false;
  for (const name in value) {
    const one = value[name]!;
    nested ||= typeof one === 'object' && one !== null && Object.isFrozen(one) && isStruct(one);
    sum += name.length + leastBytes(one, known);
  }
  // One of many records becomes better known when these are written out.
  if (Object.isFrozen(value) && !(nested && sum > LARGE_STRUCT)) sizes.set(value, sum);
  return sum;
}

const LARGE_STRUCT = 64 * 1024;
