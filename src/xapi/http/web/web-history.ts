// The daemon's history for the page, in memory only: a moment for each change. It reads the host
// when records of VMs change, and from time to time, because other tools may change affinity.

import type { HostMap } from '../../../map/host-map.js';
import { type PageData, pageData } from '../../../page/page-data.js';
import { History, type HistoryMoment } from '../../../page/page-history.js';
import { decodeMap } from '../../../page/page-map.js';
import { profileOf } from '../../../xenopsd/api/profiles.js';
import type { Daemon } from '../../daemon.js';

/** Changes come in bursts. */
const SETTLE_MS = 300;
const NOW_AND_THEN_MS = 30_000;
/** Looking takes at most this share of the process's time. */
const SHARE = 0.02;

export class WebHistory {
  readonly #daemon: Daemon;
  readonly #history = new History();
  readonly #look: () => HostMap;
  #timer: NodeJS.Timeout | null = null;
  #dueMs = Number.POSITIVE_INFINITY;
  #notBeforeMs = 0;

  /** @param look the host as it is now, with people's names */
  constructor(daemon: Daemon, look: () => HostMap) {
    this.#daemon = daemon;
    this.#look = look;
    daemon.database.subscribe({
      published: (changed) => {
        if (changed.some(({ type }) => type === 'VM' || type === 'VM_metrics')) this.#soon(SETTLE_MS);
      },
    });
    this.sample();
  }

  get moments(): readonly HistoryMoment[] {
    return this.#history.moments;
  }

  /** The host as it was; what could be done then is of no use now. */
  past(id: number): PageData | null {
    const map = this.#history.map(id);
    const moment = this.moments.find((one) => one.id === id);
    if (map === null || moment === undefined) return null;
    const { toolstack, version } = this.#daemon;
    const rules = { profile: profileOf(toolstack.profile), policy: 'best_effort', withoutAdvice: true } as const;
    return pageData('past', version, new Date(moment.at).toISOString(), [{ map: decodeMap(map), notes: [], ...rules }]);
  }

  /** Looks now, unless it did a moment ago. */
  sample(): void {
    const began = performance.now();
    if (began < this.#notBeforeMs) return;
    try {
      this.#history.add(this.#look(), Date.now());
    } catch {
      // A host that does not answer now is looked at later; its own calls report it.
    }
    const ended = performance.now();
    this.#notBeforeMs = ended + (ended - began) / SHARE;
    this.#dueMs = Number.POSITIVE_INFINITY;
    this.#soon(NOW_AND_THEN_MS);
  }

  #soon(waitMs: number): void {
    const now = performance.now();
    const due = Math.max(now + waitMs, this.#notBeforeMs);
    if (due >= this.#dueMs) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#dueMs = due;
    // Rounded up: a timer may fire a part of a millisecond early.
    this.#timer = setTimeout(() => this.sample(), Math.ceil(due - now) + 1).unref();
  }
}
