// The live placer that tries a host first: the one with the greatest hash of both names (rendezvous
// hashing). Placers then seldom claim the same host, and a placer that joins or leaves moves only
// its own share.
import { createHash } from 'node:crypto';
import { LEASE_MS } from '../member/requests.js';

export class Shards {
  readonly #own: string;
  readonly #heardMs = new Map<string, number>();
  readonly #mine = new Map<string, boolean>();

  /** @param own PLACER.PROCESS */
  constructor(own: string) {
    this.#own = own;
  }

  heard(process: string, nowMs: number): void {
    if (!this.#heardMs.has(process)) this.#mine.clear();
    this.#heardMs.set(process, nowMs);
  }

  expire(nowMs: number): void {
    for (const [process, ms] of this.#heardMs) {
      if (nowMs - ms > LEASE_MS && this.#heardMs.delete(process)) this.#mine.clear();
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
