// The guest of rig/ticker, as its console tells of it: it counts, is told when it was moved, and
// says how many of its pages are what they were.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { VmSpec } from '../../../src/machine/vm.js';
import { eventually, logFile, logOf, vm } from '../guests/host.js';
import { SAYS } from '../guests/image.js';
import { pagesOnNodes } from '../guests/xl-output.js';

export const NODES = 4;
/** MEMORY_PAGES of rig/ticker/ticker.c: each holds a word of its own. */
const PAGES = 2048;
const MIB = 32;

export function ticker(name: string, kind: 'pv' | 'pvh', change: Partial<VmSpec> = {}): VmSpec {
  // The next domain's log has that name too.
  rmSync(logFile(name), { force: true });
  return vm(name, kind, 1, MIB, { boot: { kernel: join(import.meta.dirname, 'ticker') }, ...change });
}

const numbersOf = (name: string, what: string): number[] =>
  [...logOf(name).matchAll(new RegExp(`${SAYS} ${what} (\\d+)`, 'g'))].map(([, number]) => Number(number));

/** The guest counts on, and never began anew. @returns the last number */
export async function countsOn(name: string): Promise<number> {
  const seen = numbersOf(name, 'tick').length;
  await eventually(async () => {
    const { length } = numbersOf(name, 'tick');
    assert.ok(length >= seen + 3, `the guest has stopped at ${length}: ${logOf(name).slice(-2000)}`);
  }, 120);
  const ticks = numbersOf(name, 'tick');
  const expected = ticks.map((_, index) => index + 1);
  assert.deepEqual(ticks, expected, `${name} counted anew or left one out`);
  return ticks.at(-1)!;
}

/** The guest was moved so many times, with all of its memory each time. */
export async function wasMoved(name: string, times: number): Promise<void> {
  await eventually(async () => assert.deepEqual(numbersOf(name, 'pages kept'), new Array(times).fill(PAGES)), 120);
  assert.equal(logOf(name).match(new RegExp(`${SAYS} resumed`, 'g'))?.length ?? 0, times);
}

/** By Xen's debug key u, as xl prints it: the one node that holds all pages of the domain. */
export function nodeOf(domid: number): number {
  const pages = pagesOnNodes(NODES).get(domid);
  assert.ok(pages !== undefined, `Xen lists domain ${domid}`);
  const used = pages.flatMap((count, node) => (count > 0 ? [node] : []));
  assert.equal(used.length, 1, `on one node: ${pages.join(' ')}`);
  return used[0]!;
}
