// The live placer that tries a host first: the one with the greatest hash of both names (rendezvous
// hashing). Placers then seldom claim the same host, and a placer that joins or leaves moves only
// its own share.
import { createHash } from 'node:crypto';
import { LEASE_MS } from '../member/requests.js';

/** Processes of one placer that live. */
const MOST_PROCESSES = 64;

export class Shards {
  readonly #own: string;
  readonly #heardMs = new Map<string, number>();
  /** By placer. */
  readonly #processes = new Map<string, number>();
  readonly #mine = new Map<string, boolean>();

  /** @param own PLACER.PROCESS */
  constructor(own: string) {
    this.#own = own;
  }

  /** A placer may name any number of processes: those past its limit get no share. */
  heard(process: string, nowMs: number): void {
    if (!this.#heardMs.has(process)) {
      const placer = process.slice(0, process.indexOf('.') + 1);
      const its = this.#processes.get(placer) ?? 0;
      if (its >= MOST_PROCESSES) return;
      this.#processes.set(placer, its + 1);
      this.#mine.clear();
    }
    this.#heardMs.set(process, nowMs);
  }

  expire(nowMs: number): void {
    for (const [process, ms] of this.#heardMs) {
      if (nowMs - ms <= LEASE_MS) continue;
      this.#heardMs.delete(process);
      this.#mine.clear();
      const placer = process.slice(0, process.indexOf('.') + 1);
      const left = this.#processes.get(placer)! - 1;
      if (left === 0) this.#processes.delete(placer);
      else this.#processes.set(placer, left);
    }
  }

  mine(host: string): boolean {
    let known = this.#mine.get(host);
    if (known === undefined) {
      const own = weight(host, this.#own);
      known = [...this.#heardMs.keys()].every((process) => process === this.#own || weight(host, process) < own);
      this.#mine.set(host, known);
    }
    return known;
  }
}

const weight = (host: string, process: string): string => createHash('md5').update(`${host} ${process}`).digest('hex');
