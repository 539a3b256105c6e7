// Work that would leave something behind when a signal ends this process: temporary folders and
// children. While there is such work, SIGINT, SIGTERM and SIGHUP end it first, then the process
// dies of the signal, so that a shell sees 128 + its number. Without such work, and for a signal
// that the command handles itself, nothing is changed.
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';

export interface Unfinished {
  /** Ends it in good order, within a few seconds. */
  end?(): Promise<void>;
  /** Ends it at once: after `end`, at a second signal, and when the process exits. */
  endNow(): void;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Good order may take this long. A second signal does not wait for it. */
const END_MS = 5000;
/** From SIGTERM to SIGKILL. */
const TERM_MS = 1000;

const unfinished = new Set<Unfinished>();
let isEnding = false;

/** @returns to be called when the work is done */
export function whileUnfinished(work: Unfinished): () => void {
  if (unfinished.size === 0) {
    // Before the listeners of a command, so that theirs are still counted (see onSignal).
    for (const signal of SIGNALS) process.prependListener(signal, onSignal);
    process.on('exit', endAll);
  }
  unfinished.add(work);
  return () => {
    if (unfinished.delete(work) && unfinished.size === 0 && !isEnding) removeListeners();
  };
}

function removeListeners(): void {
  for (const signal of SIGNALS) process.off(signal, onSignal);
  process.off('exit', endAll);
}

function onSignal(signal: NodeJS.Signals): void {
  // The command ends its work itself. A once-listener is gone at the second signal.
  if (process.listenerCount(signal) > 1) return;
  if (isEnding) {
    die(signal);
    return;
  }
  isEnding = true;
  const limit = setTimeout(() => die(signal), END_MS);
  void Promise.allSettled([...unfinished].map((work) => work.end?.())).then(() => {
    clearTimeout(limit);
    die(signal);
  });
}

function endAll(): void {
  for (const work of unfinished) {
    try {
      work.endNow();
    } catch {
      // The next one is ended all the same.
    }
  }
  unfinished.clear();
}

function die(signal: NodeJS.Signals): void {
  endAll();
  removeListeners();
  process.kill(process.pid, signal);
}

/** Kills a child with its own children, and lets go of its pipes, which those may hold open. */
export function killTree(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): void {
  if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
    // The parent first: a shell whose command ends would start the next one.
    for (const pid of [child.pid, ...descendants(child.pid)]) kill(pid, signal);
  }
  for (const stream of child.stdio) stream?.destroy();
  child.unref();
}

/** Asks a child and its own children to end. sudo passes this signal on, and SIGKILL it cannot. */
export async function endTree(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => {
    const limit = setTimeout(resolve, TERM_MS);
    child.once('exit', () => {
      clearTimeout(limit);
      resolve();
    });
  });
  killTree(child, 'SIGTERM');
  await ended;
}

/** Linux lists the children of each thread (proc_pid_task_children(5)). */
function descendants(pid: number): number[] {
  let children: number[];
  try {
    children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').map(Number).filter(Boolean);
  } catch {
    return [];
  }
  return children.flatMap((one) => [one, ...descendants(one)]);
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended, or belongs to root.
  }
}
