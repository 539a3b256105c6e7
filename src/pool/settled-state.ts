// What became of a start whose answer was lost: the pool is asked until it says so. Started
// elsewhere meanwhile, the VM would run twice, so there is no time limit. Who waits is told why.
import { setTimeout as delay } from 'node:timers/promises';
import { XapiError } from '../xapi-client/errors.js';
import type { XapiSession } from '../xapi-client/session.js';
import { asRecord, asText } from '../xapi-client/values.js';

/** Between the first two questions; then twice as long each time. */
const AGAIN_MS = 1000;
/** Pauses grow up to this. */
const MOST_PAUSE_MS = 60_000;
/** A reason that stays the same is told again after this. */
const TOLD_AGAIN_MS = 600_000;
/** An operation of the pool that takes longer is told. */
const BUSY_MS = 60_000;

export interface Settling {
  /**
   * Told why the pool does not say whether the VM runs: its error, when it first comes and every
   * ten minutes. null = it has said so, after it was told why not.
   */
  readonly waiting?: (problem: unknown) => void;
  /** The first pause. */
  readonly againMs?: number;
  readonly pause?: (ms: number) => Promise<unknown>;
}

/** A state, or why there is none yet. */
type Look = { readonly state: string | null } | { readonly problem: Error; readonly busy: boolean };

/** @returns the power state when no operation is going on; null for a VM that is gone */
export async function settledState(session: XapiSession, vm: string, settling: Settling = {}): Promise<string | null> {
  const { waiting = () => {}, againMs = AGAIN_MS, pause = delay } = settling;
  let [pauseMs, waitedMs, toldMs, told] = [againMs, 0, 0, ''];
  for (;;) {
    const look = await lookAt(session, vm);
    if ('state' in look) {
      if (told !== '') waiting(null);
      return look.state;
    }
    const { problem, busy } = look;
    const due = problem.message !== told || waitedMs - toldMs >= TOLD_AGAIN_MS;
    if (due && (!busy || waitedMs >= BUSY_MS)) {
      waiting(problem);
      [told, toldMs] = [problem.message, waitedMs];
    }
    await pause(pauseMs);
    waitedMs += pauseMs;
    pauseMs = Math.min(2 * pauseMs, MOST_PAUSE_MS);
  }
}

async function lookAt(session: XapiSession, vm: string): Promise<Look> {
  try {
    const { power_state: state, current_operations: operations } = asRecord(await session.call('VM.get_record', [vm]));
    const names = Object.values(asRecord(operations));
    if (names.length === 0) return { state: asText(state) };
    return { problem: new Error(`the pool has not ended its operation ${names.join(', ')}`), busy: true };
  } catch (error) {
    if (error instanceof XapiError && error.code === 'HANDLE_INVALID') return { state: null };
    return { problem: error instanceof Error ? error : new Error(String(error)), busy: false };
  }
}
