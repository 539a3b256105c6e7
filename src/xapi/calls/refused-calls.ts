// Refused calls in the audit log: at most one line per minute for each name that tries to log in,
// each address without a session and each user without the right, with a count. Otherwise a
// stranger could fill the disk, and push the lines of real changes out of the log.
import type { CallEnd } from './dispatch.js';
import { networkOf } from './known-addresses.js';
import { LOGINS } from './method.js';

const WINDOW_MS = 60_000;
/** Names, addresses and users counted apart at one time; those beyond share a line of each kind. */
const MAX_KEYS = 20;
/** Names of methods in one line. */
const MAX_METHODS = 20;

export interface RefusedCalls {
  readonly end: CallEnd;
  /** Refusals since the line before; the values of `end` are the last one's. */
  readonly count: number;
  /** The methods of these refusals, or the first of them. */
  readonly methods: readonly string[];
}

type Kind = 'login' | 'address' | 'user';

interface Window {
  sinceMs: number;
  count: number;
  last: CallEnd;
  readonly methods: Set<string>;
}

export class RefusalCounts {
  readonly #now: () => number;
  readonly #windows: Readonly<Record<Kind, Map<string, Window>>> = { login: new Map(), address: new Map(), user: new Map() };

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** @returns the line that is due; null while there was one less than a minute ago */
  add(end: CallEnd): RefusedCalls | null {
    const now = this.#now();
    const [kind, name] = keyOf(end);
    const windows = this.#windows[kind];
    const key = windows.has(name) || windows.size < MAX_KEYS ? name : '';
    const last = key === '' && name !== '' ? { ...end, ...OTHERS[kind] } : end;
    const window = windows.get(key);
    if (window === undefined) {
      windows.set(key, { sinceMs: now, count: 0, last, methods: new Set() });
      return { end: last, count: 1, methods: [end.method] };
    }
    window.count++;
    window.last = last;
    if (window.methods.size < MAX_METHODS) window.methods.add(end.method);
    return now - window.sinceMs < WINDOW_MS ? null : takeLine(window, now);
  }

  /** Lines whose minute is over, or all of them. */
  due(all = false): RefusedCalls[] {
    const now = this.#now();
    const lines: RefusedCalls[] = [];
    for (const windows of Object.values(this.#windows)) {
      for (const [name, window] of windows) {
        if (!all && now - window.sinceMs < WINDOW_MS) continue;
        if (window.count === 0) windows.delete(name);
        else lines.push(takeLine(window, now));
      }
    }
    return lines;
  }
}

/** A refusal for want of a session or a right: whoever can reach the daemon can make any number. */
export function isRefusal({ session, error }: CallEnd): boolean {
  return error !== null && (session === null || error.code === 'RBAC_PERMISSION_DENIED');
}

function takeLine(window: Window, now: number): RefusedCalls {
  const line = { end: window.last, count: window.count, methods: [...window.methods] };
  window.sinceMs = now;
  window.count = 0;
  window.methods.clear();
  return line;
}

function keyOf({ method, session, address, args }: CallEnd): [Kind, string] {
  if (session !== null) return ['user', session.user];
  if (LOGINS.includes(method)) return ['login', String(args[0] ?? '')];
  return ['address', networkOf(address)];
}

const OTHERS: Readonly<Record<Kind, Partial<CallEnd>>> = {
  login: { args: ['(other names)'] },
  address: { address: '(other addresses)' },
  user: {},
};
