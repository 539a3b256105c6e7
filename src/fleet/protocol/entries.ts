// The text of entries in the fleet's log: maps and claims in JSON, deletions as a line that begins
// with a minus sign. Other machines wrote these texts, so a reader checks each field and returns
// null for an invalid entry.
import { harmless } from '../../base/safe-text.js';
import { isToken, MOST_EPOCH } from './subjects.js';

/** Memory of a VM on a host, in MiB by node: [node, MiB] each. */
export type Parts = readonly (readonly [number, number])[];

export interface LightNode {
  readonly memoryMib: number;
  /** Neither allocated nor claimed within the host. Claims of the fleet are not taken off. */
  readonly freeMib: number;
  readonly cores: number;
  /** vCPUs that run on the node, on average. */
  readonly vcpus: number;
  /** CPUs of the node as a list: "0-7,16-23". */
  readonly cpus: string;
}

/** A host in about 500 bytes. */
export interface LightMap {
  /** The owner's; a greater one has replaced it. */
  readonly epoch: number;
  /** Number of the map in this epoch, ascending. */
  readonly number: number;
  readonly nodes: readonly LightNode[];
  readonly vms: number;
  /** VMs whose vCPUs run away from their memory, or whose affinity differs from what was set. */
  readonly drifted: number;
  /** No new VMs. */
  readonly draining: boolean;
  /** A collector publishes the map from afar: nothing of the fleet runs there, or starts VMs. */
  readonly watched?: true;
  /** "Xen 4.17", and the toolstack's version. */
  readonly runs: string;
  readonly tags: readonly string[];
  /** Claims whose memory `nodes` contains, until their deletion is in the log. */
  readonly absorbed: readonly string[];
  /** Claims that the owner refused or freed, until their deletion is in the log: never to start. */
  readonly dead: readonly string[];
  /** All claims on the host up to this place of the log are settled: absorbed, dead or deleted. */
  readonly settled: number;
  /** Starts of which the host's pool does not say whether the VM runs; absent = none. */
  readonly undecided?: number;
  /** Its owner reads several claims in one entry; absent = an earlier version. */
  readonly together?: true;
  /** CPU time that the host's domains use, in percent of its CPUs; absent = not measured. */
  readonly cpuPercent?: number;
}

export interface Claim {
  readonly parts: Parts;
  readonly vcpus: number;
  /** SHA-256 of the start that may use it: nobody else's start does. */
  readonly start: string;
}

/** Nodes of a host; limit of a map. */
const MOST_NODES = 64;
const MOST_IDS = 4096;
/** Claims that an owner names in one map, far below the servers' limit of 1 MiB. */
export const MOST_NAMED = 1024;
const MOST_TEXT = 128;

type Fields = Readonly<Record<string, unknown>>;

const whole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const short = (value: unknown): value is string => typeof value === 'string' && value.length <= MOST_TEXT;

function idsOf(value: unknown): string[] | null {
  return Array.isArray(value) && value.length <= MOST_IDS && value.every(isClaimId) ? value : null;
}

export function isClaimId(value: unknown): value is string {
  if (typeof value !== 'string') return false;
  const [placer = '', number = '', more] = value.split('.');
  return isToken(placer) && isToken(number) && more === undefined;
}

function objectOf(text: string): Fields | null {
  if (!text.startsWith('{')) return null;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Fields) : null;
  } catch {
    return null;
  }
}

export function encodeMap(map: LightMap): string {
  const nodes = map.nodes.map(({ memoryMib, freeMib, cores, vcpus, cpus }) => [memoryMib, freeMib, cores, vcpus, cpus]);
  const {
    epoch: e,
    number: n,
    vms,
    drifted,
    draining,
    watched,
    runs,
    tags,
    absorbed,
    dead,
    settled,
    undecided,
    cpuPercent: cpu,
    together,
  } = map;
  const takes = { draining: draining || watched ? 1 : 0, ...(watched ? { watched: 1 } : {}) };
  const more = { ...(undecided ? { undecided } : {}), ...(cpu === undefined ? {} : { cpu }), ...(together ? { together: 1 } : {}) };
  return JSON.stringify({ e, n, nodes, vms, drifted, ...takes, runs, tags, absorbed, dead, settled, ...more });
}

function nodeOf(value: unknown): LightNode | null {
  if (!Array.isArray(value)) return null;
  const [memoryMib, freeMib, cores, vcpus, cpus] = value as unknown[];
  if (!whole(memoryMib) || !whole(freeMib) || freeMib > memoryMib || !whole(cores)) return null;
  if (typeof vcpus !== 'number' || !Number.isFinite(vcpus) || vcpus < 0 || typeof cpus !== 'string' || cpus.length > 4096) return null;
  return { memoryMib, freeMib, cores, vcpus, cpus };
}

/** null = not a map. */
export function decodeMap(text: string): LightMap | null {
  const fields = objectOf(text) ?? {};
  const { e, n, nodes: list, vms, drifted, draining, watched, runs, tags, absorbed: abs, dead: gone, settled } = fields;
  if (!whole(e) || e === 0 || e > MOST_EPOCH || !whole(n) || !Array.isArray(list) || list.length === 0 || list.length > MOST_NODES)
    return null;
  if (!whole(vms) || !whole(drifted) || !whole(settled) || !short(runs)) return null;
  if (!Array.isArray(tags) || tags.length > MOST_NODES || !tags.every(short)) return null;
  const nodes = list.map(nodeOf);
  const absorbed = idsOf(abs);
  const dead = idsOf(gone);
  const more = optionalOf(fields);
  if (absorbed === null || dead === null || more === null || nodes.includes(null)) return null;
  const counts = { epoch: e, number: n, vms, drifted, settled };
  return {
    ...counts,
    nodes: nodes as LightNode[],
    draining: draining === 1,
    ...(watched === 1 ? { watched: true as const } : {}),
    runs: harmless(runs),
    tags: tags.map(harmless),
    absorbed,
    dead,
    ...more,
  };
}

/** Fields that members of earlier versions do not write. */
function optionalOf({ undecided, cpu, together }: Fields): Pick<LightMap, 'undecided' | 'cpuPercent' | 'together'> | null {
  if (undecided !== undefined && !whole(undecided)) return null;
  if (cpu !== undefined && !(whole(cpu) && cpu <= 100)) return null;
  return {
    ...(undecided ? { undecided } : {}),
    ...(cpu === undefined ? {} : { cpuPercent: cpu }),
    ...(together === 1 ? { together: true as const } : {}),
  };
}

const fieldsOfClaim = ({ parts, vcpus, start }: Claim) => ({ p: parts, c: vcpus, s: start });

export const encodeClaim = (claim: Claim): string => JSON.stringify(fieldsOfClaim(claim));

/** Claims in one entry, at most. */
export const MOST_TOGETHER = 32;

/** @param claims on one host, MOST_TOGETHER at most */
export const encodeClaims = (claims: readonly Claim[]): string => JSON.stringify({ b: claims.map(fieldsOfClaim) });

/** null = not a claim. */
function claimOf({ p, c, s }: Fields): Claim | null {
  if (!Array.isArray(p) || p.length === 0 || p.length > MOST_NODES || !whole(c) || !short(s)) return null;
  const parts = p as readonly unknown[];
  const isPart = (part: unknown) => Array.isArray(part) && part.length === 2 && whole(part[0]) && whole(part[1]) && part[1] > 0;
  const nodes = new Set(parts.map((part) => (Array.isArray(part) ? part[0] : undefined)));
  return parts.every(isPart) && nodes.size === parts.length ? { parts: parts as Parts, vcpus: c, start: s } : null;
}

/**
 * Takes a claim off the free memory of a host's nodes. Nodes that the host does not have change
 * nothing: a claim may name one of any number, and a list of that length would take minutes.
 */
export function takeOff(freeMib: number[], parts: Parts): void {
  for (const [node, mib] of parts) if (node < freeMib.length) freeMib[node]! -= mib;
}

/** A claim that an entry brings. */
export interface EntryClaim {
  readonly id: string;
  /** Places of claims in one entry stand in their order, before the next entry. */
  readonly place: number;
  /** null = unreadable. */
  readonly claim: Claim | null;
}

/** Id of a claim among several in one entry. */
export const idTogether = (entry: string, at: number): string => `${entry}_${at}`;

/**
 * The claims of an entry: one of its own id, or several on the host, which are decided, started and
 * settled one by one. An entry of which any claim is unreadable is one unreadable claim.
 */
export function claimsOf(id: string, place: number, text: string): readonly EntryClaim[] {
  const fields = objectOf(text) ?? {};
  if (fields.b === undefined) return [{ id, place, claim: claimOf(fields) }];
  const unreadable = [{ id, place, claim: null }];
  if (!Array.isArray(fields.b) || fields.b.length === 0 || fields.b.length > MOST_TOGETHER) return unreadable;
  const claims = fields.b.map((one: unknown) => (typeof one === 'object' && one !== null ? claimOf(one as Fields) : null));
  if (claims.includes(null)) return unreadable;
  return claims.map((claim, at) => ({ id: idTogether(id, at), place: place + at / MOST_TOGETHER, claim }));
}

/** A map's place among all maps of the host. */
export interface MapOrder {
  readonly epoch: number;
  readonly number: number;
}

export const isBefore = (a: MapOrder, b: MapOrder): boolean => a.epoch < b.epoch || (a.epoch === b.epoch && a.number < b.number);

/**
 * The deletion of a claim. The owner's deletion names the map that settled the claim: a reader must
 * not use an older map, in which the claim's memory is still free.
 */
export function encodeDeletion(settledBy: MapOrder | null): string {
  return settledBy === null ? '-' : `-${settledBy.epoch}.${settledBy.number}`;
}

/** undefined = not a deletion; null = by the placer. */
export function decodeDeletion(text: string): MapOrder | null | undefined {
  if (text === '-') return null;
  const found = /^-(\d{1,9})\.(\d{1,15})$/.exec(text);
  return found === null ? undefined : { epoch: Number(found[1]), number: Number(found[2]) };
}
