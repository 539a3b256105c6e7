// The result of every benchmark, and the measurement of short ones.

export interface BenchRow {
  readonly name: string;
  /** The unit: "plans". */
  readonly unit: string;
  readonly perSecond: number;
  /** The figure of another implementation, for a ratio. */
  readonly reference?: { readonly name: string; readonly perSecond: number };
}

/** CPU time of this process, so that other load on the machine does not count. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

const ROUND_MS = 120;
const ROUNDS = 3;

/**
 * Runs `run(times)` for growing numbers until a round is long enough, then takes the best of a few
 * rounds.
 */
export function bestPerSecond(run: (times: number) => void): number {
  let times = 1;
  let best = 0;
  for (let rounds = 0; rounds < ROUNDS; ) {
    const start = cpuMs();
    run(times);
    const tookMs = cpuMs() - start;
    if (tookMs < ROUND_MS) {
      times = Math.ceil(times * Math.min(16, Math.max(2, (1.2 * ROUND_MS) / Math.max(tookMs, 0.01))));
      continue;
    }
    best = Math.max(best, (times / tookMs) * 1000);
    rounds++;
  }
  return best;
}
