// The history of a host for the page: moments with their maps, and the events between them.
// Bounded: the oldest moments are dropped. Pure.
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { hostFigures } from '../map/figures.js';
import type { HostMap, MapDomain } from '../map/host-map.js';
import { acrossPages } from './across.js';
import { encodeMap, type PageMap } from './page-map.js';

export type HistoryKind = 'start' | 'stop' | 'spill' | 'drift';

export interface HistoryEvent {
  readonly kind: HistoryKind;
  readonly vm: string;
  readonly text: string;
}

export interface HistoryMoment {
  /** Rises by one; the address names a moment by it. */
  readonly id: number;
  /** Milliseconds since 1970; where there is no clock, as in a scenario, the step. */
  readonly at: number;
  /** Changes since the moment before. */
  readonly events: readonly HistoryEvent[];
  readonly vms: number;
  readonly onOneNode: number;
  readonly acrossPages: number;
}

export const MOMENTS_MOST = 500;
export const HISTORY_BYTES_MOST = 8 * 2 ** 20;

interface StoredMoment {
  readonly moment: HistoryMoment;
  readonly packed: Buffer;
}

export class History {
  #stored: StoredMoment[] = [];
  #bytes = 0;
  #next = 0;
  #last: HostMap | null = null;

  get moments(): readonly HistoryMoment[] {
    return this.#stored.map(({ moment }) => moment);
  }

  /** A map in which nothing happened is no moment of its own. */
  add(map: HostMap, at: number): void {
    const events = eventsBetween(this.#last, map);
    const first = this.#last === null;
    this.#last = map;
    if (!first && events.length === 0) return;
    const packed = deflateRawSync(JSON.stringify(encodeMap(map)), { level: 6 });
    this.#stored.push({ moment: { id: this.#next++, at, events, ...figuresOf(map) }, packed });
    this.#bytes += packed.length;
    while (this.#stored.length > MOMENTS_MOST || (this.#bytes > HISTORY_BYTES_MOST && this.#stored.length > 1))
      this.#bytes -= this.#stored.shift()!.packed.length;
  }

  /** null = there is no such moment, or none any more. */
  map(id: number): PageMap | null {
    const found = this.#stored.find(({ moment }) => moment.id === id);
    return found === undefined ? null : (JSON.parse(inflateRawSync(found.packed).toString('utf8')) as PageMap);
  }
}

function figuresOf(map: HostMap): Pick<HistoryMoment, 'vms' | 'onOneNode' | 'acrossPages'> {
  const { domains } = hostFigures(map);
  const guests = domains.flatMap((figures, index) => (figures.domid === 0 ? [] : [{ figures, domain: map.domains[index]! }]));
  return {
    vms: guests.length,
    onOneNode: guests.filter(({ figures }) => figures.onOneNode).length,
    acrossPages: guests.reduce((sum, { domain, figures }) => sum + acrossPages(domain, figures), 0),
  };
}

/** A domain that Xen is destroying is gone. */
const running = (map: HostMap): MapDomain[] => map.domains.filter(({ domid, state }) => domid !== 0 && state !== 'dying');

/** @param before null = nothing is known of it: what runs now is no event */
export function eventsBetween(before: HostMap | null, now: HostMap): HistoryEvent[] {
  if (before === null) return [];
  const [earlier, later] = [running(before), running(now)];
  const known = new Map(earlier.map((domain) => [domain.domid, domain]));
  const present = new Set(later.map(({ domid }) => domid));
  const events: HistoryEvent[] = [];
  for (const { domid, name } of earlier) if (!present.has(domid)) events.push({ kind: 'stop', vm: name, text: `${name} stopped.` });
  for (const domain of later) {
    const old = known.get(domain.domid);
    if (old === undefined) events.push({ kind: 'start', vm: domain.name, text: `${domain.name} started.` }, ...spillOf(domain));
    else events.push(...driftOf(old, domain));
  }
  return events;
}

/** Memory outside of the node affinity: the nodes were full. */
function spillOf({ name, pages, nodeAffinity }: MapDomain): HistoryEvent[] {
  const outside = pages.flatMap((count, node) => (count > 0 && !nodeAffinity.includes(node) ? [node] : []));
  if (outside.length === 0 || nodeAffinity.length === 0) return [];
  return [{ kind: 'spill', vm: name, text: `${name} took memory from node ${outside.join(', ')} too, outside of its node affinity.` }];
}

/** Masks, nodes or memory of a domain that runs have changed. */
function driftOf(old: MapDomain, now: MapDomain): HistoryEvent[] {
  const changed = [
    ...(masksOf(old) === masksOf(now) ? [] : ['affinity of its vCPUs']),
    ...(old.nodeAffinity.join() === now.nodeAffinity.join() ? [] : ['node affinity']),
    ...(movedMuch(old, now) ? ['memory by node'] : []),
  ];
  return changed.length === 0 ? [] : [{ kind: 'drift', vm: now.name, text: `${now.name} changed while it ran: ${changed.join(', ')}.` }];
}
const masksOf = ({ vcpus }: MapDomain): string => vcpus.map(({ hard, soft }) => `${hard.join()}/${soft.join()}`).join(';');

/** More than 16 MiB, as in XenServer's figures (map/numa-metrics.ts). */
const MUCH_PAGES = 4096;
const movedMuch = (old: MapDomain, now: MapDomain): boolean =>
  now.pages.some((count, node) => Math.abs(count - (old.pages[node] ?? 0)) > MUCH_PAGES);
