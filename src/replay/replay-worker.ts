// The thread of one replay.
import { parentPort, workerData } from 'node:worker_threads';
import { replay } from './replay.js';
import type { ReplayTask, WorkerMessage } from './replay-runs.js';

const { trace, settings } = workerData as ReplayTask;
const say = (message: WorkerMessage) => parentPort!.postMessage(message);
say({ result: replay(trace, settings, (events) => say({ events })) });
