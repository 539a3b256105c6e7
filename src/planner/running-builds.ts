// Free memory by node as xenopsd of the 26.1 line estimates it while domains are being built: the
// host's figures of the moment when no build was running, less what each build since then is
// expected to take (xen-api v26.1.19, ocaml/xenopsd/xc/domain.ml 987-1094, NUMAResources). Part of
// the box numa_placement.

/** Bytes by node that one build is expected to take. */
type NodeBytes = ReadonlyMap<number, number>;

export class RunningBuilds {
  #hostBytes: readonly number[] = [];
  /** Builds that have ended well since the host's figures were read. */
  readonly #finished = new Map<number, NodeBytes>();
  readonly #running = new Map<number, NodeBytes>();

  /**
   * Bytes of each node that a plan may use. The host's figures are read again only while no build
   * is running; until then what they say is ignored, even when it is less than the estimate.
   * @param freeBytes free bytes of each node now, after the reserve
   */
  available(freeBytes: readonly number[]): number[] {
    if (this.#running.size === 0) {
      this.#hostBytes = freeBytes;
      this.#finished.clear();
    }
    return this.#hostBytes.map((bytes, node) => Math.max(0, bytes - usedOn(node, this.#finished) - usedOn(node, this.#running)));
  }

  /**
   * Books a build, with or without a plan: a build without one counts as running too, and keeps the
   * host's figures from being read.
   * @param nodes nodes of the plan in the planner's own order (descending); empty without a plan
   * @param neededBytes what the build takes of the whole host
   * @param available what `available` said
   */
  start(build: number, nodes: readonly number[], neededBytes: number, available: ArrayLike<number>): void {
    this.#running.set(build, shareOut(nodes, neededBytes, available));
  }

  /**
   * The build has its memory: it is still deducted, but no longer keeps the host's figures from
   * being read.
   */
  finish(build: number): void {
    const taken = this.#running.get(build);
    if (taken === undefined) return;
    this.#running.delete(build);
    this.#finished.set(build, taken);
  }

  /** The build failed: its memory is free again. */
  abandon(build: number): void {
    this.#running.delete(build);
  }
}

function usedOn(node: number, builds: ReadonlyMap<number, NodeBytes>): number {
  let sum = 0;
  for (const taken of builds.values()) sum += taken.get(node) ?? 0;
  return sum;
}

/**
 * An equal share of the rest for each node in turn, at most what the node has (estimate_plan,
 * domain.ml 1069-1089).
 */
function shareOut(nodes: readonly number[], neededBytes: number, available: ArrayLike<number>): NodeBytes {
  const taken = new Map<number, number>();
  let rest = neededBytes;
  nodes.forEach((node, done) => {
    const share = Math.min(Math.trunc(rest / (nodes.length - done)), available[node]!);
    taken.set(node, share);
    rest -= share;
  });
  return taken;
}
