// Numbers and nouns in text for people.
import type { Distance } from '../../../src/map/figures.js';

export function distanceText(value: Distance): string {
  if (value === null) return 'unknown';
  return value === 'unreachable' ? value : String(Number(value.toFixed(1)));
}

/** Rounded down, so that 100 % means all of it. */
export const percent = (share: number): string => `${Math.floor(share * 1000) / 10} %`;

/** Of a clock; a scenario counts steps instead. */
export const momentTime = (at: number): string => (at < 1e9 ? `step ${at}` : new Date(at).toLocaleString());
