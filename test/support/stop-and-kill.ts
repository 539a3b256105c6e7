// The end of a daemon under load: SIGKILL, in half of the cases with SIGSTOP before it.
import { setTimeout as delay } from 'node:timers/promises';

/** The longest SIGSTOP in ms; XENNUMA_STOP_MS sets it (`npm run test:crash`: 4,000). */
export const STOP_MS = Number(process.env.XENNUMA_STOP_MS ?? 400);

export interface EndCounts {
  kills: number;
  /** SIGCONT after up to STOP_MS; the daemon goes on under load until it is killed. */
  stops: number;
  /** Killed while it was stopped. */
  killedStopped: number;
}

/** @param aliveMs of a daemon that goes on after a stop, until it is killed */
export async function stopAndKill(
  child: { kill(signal: NodeJS.Signals): unknown },
  random: () => number,
  counts: EndCounts,
  aliveMs: number,
): Promise<void> {
  const choice = random() % 4;
  const stopMs = random() % STOP_MS;
  if (choice >= 2) child.kill('SIGSTOP');
  if (choice === 2) {
    counts.stops++;
    await delay(stopMs);
    child.kill('SIGCONT');
    await delay(aliveMs);
  } else if (choice === 3) {
    counts.killedStopped++;
    await delay(stopMs / 10);
  }
  child.kill('SIGKILL');
  counts.kills++;
}
