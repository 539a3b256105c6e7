// A scenario's expectations of a VM, compared with the current host.
import { formatList, parseList } from '../base/bitset.js';
import type { HostMap, MapDomain } from '../map/host-map.js';
import { holdingNodes } from '../map/numa-metrics.js';
import type { Outcome } from '../xenopsd/api/outcome.js';
import type { Expectation } from './schema.js';

export interface Check {
  /** null = not about a VM. */
  readonly vm: string | null;
  /** "memory on nodes 0-1" */
  readonly text: string;
  readonly held: boolean;
  /** The actual value; empty if the expectation held. */
  readonly found: string;
}

/**
 * @param cpus Xen's highest CPU number plus one
 * @param outcome of the event that `expected` belongs to; undefined for a check at any time
 * @throws InputError for a malformed list
 */
export function compare(
  vm: string,
  expected: Expectation,
  map: HostMap,
  cpus: number,
  domain: MapDomain | undefined,
  outcome: Outcome | undefined,
): Check[] {
  const checks: Check[] = [];
  const add = (what: string, held: boolean, found: string) => checks.push({ vm, text: what, held, found: held ? '' : found });
  if (expected.fails !== undefined) {
    const failure = outcome?.failure ?? null;
    const wanted = expected.fails;
    const held = typeof wanted === 'string' ? (failure?.message.includes(wanted) ?? false) : wanted === (failure !== null);
    add(outcomeWords(wanted), held, failure === null ? 'it succeeded' : `it failed: ${failure.message}`);
  }
  if (expected.surprise !== undefined) {
    const codes: readonly string[] = outcome?.record.surprises() ?? [];
    add(`meets ${expected.surprise}`, codes.includes(expected.surprise), codes.length === 0 ? 'no surprise' : codes.join(', '));
  }
  const width = map.nodes.length;
  if (expected.nodes !== undefined) compareNodes('memory on', expected.nodes, holdingNodes(domain?.pages ?? []));
  if (expected.nodeAffinity !== undefined) compareNodes('node affinity', expected.nodeAffinity, domain?.nodeAffinity ?? []);
  for (const kind of ['hard', 'soft'] as const) {
    const wanted = expected[kind];
    if (wanted === undefined) continue;
    const parts = String(wanted).split('|');
    const want = parts.map((part) => formatList(members(part, cpus, 'CPU')));
    const have = (domain?.vcpus ?? []).map((vcpu) => formatList(vcpu[kind]));
    const held =
      have.length > 0 && (want.length === 1 || want.length === have.length) && have.every((list, i) => list === want[i % want.length]);
    add(`${kind} affinity ${parts.join(' | ')}`, held, have.length === 0 ? 'no domain' : [...new Set(have)].join(' | '));
  }
  return checks;

  function compareNodes(what: string, wanted: string | number, found: readonly number[]): void {
    const want = formatList(members(String(wanted), width, 'node'));
    const have = formatList(found.filter((node) => node < width));
    const named = (list: string) => (list === '' ? 'no node' : `node${/[-,]/.test(list) ? 's' : ''} ${list}`);
    add(`${what} ${named(want)}`, want === have, domain === undefined ? 'no domain' : named(have));
  }
}

/** @throws InputError for a malformed list */
export function members(text: string | number, width: number, what: string): number[] {
  return String(text).trim() === '' ? [] : [...parseList(String(text), width, what)];
}

function outcomeWords(fails: boolean | string): string {
  if (typeof fails === 'string') return `fails with "${fails}"`;
  return fails ? 'fails' : 'succeeds';
}
