// Signs of life of placers' processes. Only processes with claims are followed: a placer may name
// any number of others, and a claim is as new as its entry.

export class Leases {
  readonly #heardMs = new Map<string, number>();

  /** Processes that are followed. */
  get size(): number {
    return this.#heardMs.size;
  }

  /** The process has made a claim. */
  follow(process: string, nowMs: number): void {
    this.#heardMs.set(process, nowMs);
  }

  heard(process: string, nowMs: number): void {
    if (this.#heardMs.has(process)) this.#heardMs.set(process, nowMs);
  }

  /** After a time in which nothing could be heard: all begin again. */
  restart(nowMs: number): void {
    for (const process of this.#heardMs.keys()) this.#heardMs.set(process, nowMs);
  }

  /** Follows those no longer that were last heard longer ago. */
  forget(nowMs: number, afterMs: number): void {
    for (const [process, ms] of this.#heardMs) if (nowMs - ms > afterMs) this.#heardMs.delete(process);
  }

  /** 0 = not followed. */
  lastMs(process: string): number {
    return this.#heardMs.get(process) ?? 0;
  }
}
