// Several replays in parallel on worker threads. Results are in the order of the tasks, whichever
// ended first.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { type ReplayResult, type ReplaySettings, replay } from './replay.js';
import type { Trace } from './trace/trace.js';

/** The trace's arrays are shared with the worker, not copied. */
export interface ReplayTask {
  readonly trace: Trace;
  readonly settings: ReplaySettings;
}

export type WorkerMessage = { readonly events: number } | { readonly result: ReplayResult };

const WORKER = new URL('./replay-worker.js', import.meta.url);

/**
 * @param jobs threads at most; 1 = in this one
 * @param progress events of all replays so far; a VM that leaves has two
 */
export async function replayAll(all: readonly ReplayTask[], jobs: number, progress: (events: number) => void): Promise<ReplayResult[]> {
  const events = new Float64Array(all.length);
  const at = (index: number) => (done: number) => {
    events[index] = done;
    progress(events.reduce((sum, one) => sum + one, 0));
  };
  // Where the sources themselves run, as in tests, there is no worker to start.
  if (jobs === 1 || all.length === 1 || !existsSync(fileURLToPath(WORKER))) {
    return all.map(({ trace, settings }, index) => replay(trace, settings, at(index)));
  }
  const results: ReplayResult[] = new Array<ReplayResult>(all.length);
  let next = 0;
  const thread = async () => {
    while (next < all.length) {
      const index = next++;
      results[index] = await inWorker(all[index]!, at(index));
    }
  };
  await Promise.all(Array.from({ length: Math.min(jobs, all.length) }, thread));
  return results;
}

function inWorker(task: ReplayTask, progress: (events: number) => void): Promise<ReplayResult> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(WORKER, { workerData: task });
    worker.on('message', (message: WorkerMessage) => {
      if ('events' in message) progress(message.events);
      else resolve(message.result);
    });
    worker.on('error', reject);
    worker.on('exit', (code) => reject(new Error(`a thread of the replay ended with code ${code}`)));
  });
}
