// One lock a VM: operations on a VM come one after another, in the order of the requests;
// operations on different VMs run in parallel. What must be serial across VMs has a lock of its
// own: the plan and its booking (start/numa-placement.ts, xenopsd's NUMA mutex).
export class VmLocks {
  /** By VM: settles when the last operation that was requested for it has ended. */
  readonly #last = new Map<string, Promise<void>>();

  /**
   * Runs `work` once all that was requested before for any of these VMs has ended. The VMs are all
   * locked in the same moment, so two callers cannot wait for each other.
   */
  run<T>(names: readonly string[], work: () => Promise<T>): Promise<T> {
    const earlier = names.flatMap((name) => this.#last.get(name) ?? []);
    const result = Promise.all(earlier).then(work);
    const ended = result.then(
      () => {},
      () => {},
    );
    for (const name of names) this.#last.set(name, ended);
    void ended.then(() => {
      for (const name of names) if (this.#last.get(name) === ended) this.#last.delete(name);
    });
    return result;
  }
}
