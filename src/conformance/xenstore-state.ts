// The state at the start of a recorded conversation. The recorded daemons kept their state from one
// conversation to the next, with the changes to domains 0 and 42. A record shows that state itself:
// the first answer about a domain decides, if the conversation has not changed the domain before.
// No alternatives are tried, so each record has one expected conversation.
import { MESSAGE } from '../xenstore/protocol/wire.js';
import type { Personality } from '../xenstore/store/limits.js';

/**
 * Domain that the recorded conversations leave introduced; the stand-in for a hypervisor does not
 * know it.
 */
const LEFT_DOMAIN = 42;
/** Owner of nodes under a root whose owner was released, as oxenstored prints it. */
const NOBODY = 'n9223372036854775807';

export interface StartingState {
  /** oxenstored: domain 0 was released, and the root has no owner. */
  readonly rootReleased: boolean;
  /** Domain 0 is introduced (always, unless it was released). */
  readonly domain0: { readonly gfn: string } | undefined;
  /** Domain 42 was introduced and not released. */
  readonly domain42: { readonly gfn: string } | undefined;
  /** Nodes of earlier conversations in the root. */
  readonly foreignNodes: readonly string[];
}

/** One request of a conversation and the daemon's answer; texts are latin1. */
export interface RecordedStep {
  readonly type: number;
  readonly payload: string;
  /** The change was made in a transaction. */
  readonly inTransaction: boolean;
  readonly reply: { readonly type: number; readonly payload: string } | undefined;
}

/** Requests that answer ENOENT for a node that is absent. */
const ASKS: ReadonlySet<number> = new Set([MESSAGE.read, MESSAGE.directory, MESSAGE.getPermissions, MESSAGE.setPermissions]);

interface Observed {
  present?: boolean;
  gfn?: string;
  notGfn?: string;
  touched: boolean;
}

/** Derives the state from the answers of a record. */
export function startingState(personality: Personality, steps: readonly RecordedStep[]): StartingState {
  const [zero, left] = [observe(personality, steps, 0), observe(personality, steps, LEFT_DOMAIN)];
  const nobodys = steps.some(({ type, reply }) => type === MESSAGE.getPermissions && reply?.payload.includes(NOBODY) === true);
  // Without domain 0, oxenstored refuses to introduce any other.
  const introduction = steps.find((step, at) => isNewIntroduction(step, steps.slice(0, at)))?.reply;
  const refused = introduction?.payload === 'EINVAL\0';
  const rootReleased = personality === 'oxenstored' && (nobodys || zero.present === false || refused || vanishes(steps));
  const here = zero.present ?? (introduction?.type === MESSAGE.introduce || !rootReleased);
  let domain0: { gfn: string } | undefined = { gfn: '0' };
  if (rootReleased) domain0 = here ? { gfn: zero.gfn ?? '1' } : undefined;
  return {
    rootReleased,
    domain0,
    domain42: left.present === true ? { gfn: left.gfn ?? otherGfn(left.notGfn) } : undefined,
    foreignNodes: foreignNodes(steps),
  };
}

/** Requests of domain 0 that lead from a fresh daemon to the state: [type, payload]. */
export function requestsFor({
  rootReleased,
  domain0,
  domain42,
  foreignNodes,
}: StartingState): (readonly [type: number, payload: string])[] {
  const introduce = (domid: number, gfn: string) => [MESSAGE.introduce, `${domid}\0${gfn}\x001\0`] as const;
  const left = domain42 === undefined ? [] : [introduce(LEFT_DOMAIN, domain42.gfn)];
  const nodes = foreignNodes.map((name) => [MESSAGE.mkdir, `${name.startsWith('@') ? '' : '/'}${name}\0`] as const);
  if (!rootReleased) return [...left, ...nodes];
  return [
    ...left,
    [MESSAGE.release, '0\0'],
    [MESSAGE.mkdir, '/local/domain/0\0'],
    [MESSAGE.mkdir, '/tool\0'],
    ...(domain0 === undefined ? [] : [introduce(0, domain0.gfn)]),
    ...nodes,
  ];
}

/**
 * A well-formed introduction of a domain that exists and that no earlier step of the conversation
 * can have introduced.
 */
function isNewIntroduction({ type, payload }: RecordedStep, earlier: readonly RecordedStep[]): boolean {
  if (type !== MESSAGE.introduce || !/^[1-8]\0(0|1|100)\0[0-9]\0$/.test(payload)) return false;
  // Also one that names the domain in another way ("0x5") or another frame, and one that failed.
  return !earlier.some((step) => step.type === MESSAGE.introduce && domidOf(step) === domidOf({ payload }));
}

function domidOf({ payload }: Pick<RecordedStep, 'payload'>): number {
  return Number(payload.split('\0')[0]);
}

function otherGfn(gfn: string | undefined): string {
  return gfn === '1' ? '100' : '1';
}

/** Names of other conversations ("s30", "@s30") in the first answer that lists the root. */
function foreignNodes(steps: readonly RecordedStep[]): string[] {
  const listing = steps.find(({ type, payload, reply }) => type === MESSAGE.directory && payload === '/\0' && reply?.type === type);
  const names = (listing?.reply?.payload ?? '').split('\0').filter((name) => /^@?s\d+$/.test(name));
  return names.filter((name) => !steps.some(({ payload }) => payload.startsWith(`/${name}/`) || payload.startsWith(name)));
}

/**
 * Whether a node of the conversation is gone after a release: a release removes nodes without an
 * owner, and below such a root no node has one.
 */
function vanishes(steps: readonly RecordedStep[]): boolean {
  const created = new Set<string>();
  let releasedWith: ReadonlySet<string> = new Set();
  for (const { type, payload, inTransaction, reply } of steps) {
    if (reply === undefined || inTransaction) continue;
    const path = payload.slice(0, payload.indexOf('\0'));
    const ok = reply.type === type;
    if (ok && (type === MESSAGE.write || type === MESSAGE.mkdir)) created.add(path);
    if (type === MESSAGE.rm) for (const one of [...created]) if (one === path || one.startsWith(`${path}/`)) created.delete(one);
    if (type === MESSAGE.release) releasedWith = new Set(created);
    if (ASKS.has(type) && reply.payload === 'ENOENT\0' && releasedWith.has(path) && created.has(path)) return true;
  }
  return false;
}

/**
 * The facts in the first answers about a domain, before the conversation introduces or releases it.
 */
function observe(personality: Personality, steps: readonly RecordedStep[], domid: number): Observed {
  const observed: Observed = { touched: false };
  for (const { type, payload, reply } of steps) {
    if (reply === undefined || observed.touched) continue;
    const ok = reply.type === type;
    const [first, second, third] = payload.split('\0');
    const names = first === String(domid);
    if (type === MESSAGE.isDomainIntroduced && names && ok) observed.present ??= reply.payload === 'T\0';
    if (type === MESSAGE.resume && names) observed.present ??= ok;
    if (type === MESSAGE.setTarget && names && (personality === 'oxenstored' || ok)) observed.present ??= ok;
    if (type === MESSAGE.setTarget && second === String(domid) && ok && personality === 'xenstored') observed.present ??= true;
    if (type === MESSAGE.release && names) {
      // Domain 0 of the C daemon cannot be released; oxenstored releases it, and answers ENOENT.
      observed.present ??= ok || (domid === 0 && reply.payload === 'ENOENT\0');
      observed.touched = ok || domid === 0;
    }
    if (type === MESSAGE.introduce && names && third !== undefined) {
      if (ok) {
        if (observed.present === true) observed.gfn ??= second!;
        // Domain 0 of a fresh daemon has frame 0: with another one it can only be introduced if it
        // was released.
        if (domid === 0 && personality === 'oxenstored' && second !== '0') observed.present ??= false;
        observed.touched = true;
      } else if (personality === 'oxenstored' && reply.payload === 'EINVAL\0' && /^\d+$/.test(second!) && /^\d+$/.test(third)) {
        observed.present ??= true;
        observed.notGfn ??= second!;
      }
    }
  }
  return observed;
}
