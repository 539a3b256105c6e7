// The run-length notation of `seq`: the node of every extent in order. "0123x16 012x5 2" is 0123
// sixteen times, 012 five times, then 2; one hexadecimal digit a node.
import { InputError } from '../../base/errors.js';

const LONGEST_PATTERN = 16;

/**
 * At each place the pattern with the longest cover is used, and the shorter of two with the same
 * cover. A pattern without repetition is written digit by digit.
 */
export function compressSeq(nodes: readonly number[]): string {
  const parts: string[] = [];
  for (let at = 0; at < nodes.length; ) {
    const { length, times } = bestPattern(nodes, at);
    const pattern = nodes.slice(at, at + length).map((node) => node.toString(16));
    parts.push(times === 1 ? pattern.join('') : `${pattern.join('')}x${times}`);
    at += length * times;
  }
  return parts.join(' ');
}

function bestPattern(nodes: readonly number[], at: number): { length: number; times: number } {
  let best = { length: 1, times: 1 };
  for (let length = 1; length <= LONGEST_PATTERN && at + 2 * length <= nodes.length; length++) {
    let end = at + length;
    while (end < nodes.length && nodes[end] === nodes[end - length]) end++;
    const times = Math.floor((end - at) / length);
    if (times > 1 && length * times > best.length * best.times) best = { length, times };
  }
  return best;
}

/** @throws InputError when the text is not in the notation */
export function expandSeq(text: string): number[] {
  return text
    .split(' ')
    .filter((part) => part !== '')
    .flatMap((part) => {
      const match = /^([0-9a-f]+)(?:x([1-9][0-9]{0,6}))?$/.exec(part);
      if (match === null) throw new InputError(`expected a pattern like 012x5, got '${part}'`, { path: 'seq' });
      const nodes = [...match[1]!].map((digit) => Number.parseInt(digit, 16));
      return Array.from({ length: Number(match[2] ?? 1) }, () => nodes).flat();
    });
}
