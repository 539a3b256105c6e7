// The builder as a process of its own. A crash of it (an abort in the C library, a kill -9) is an
// error of one VM only. Box of the chart: exec_xenguest.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Errno } from '../base/errors.js';
import { type FlowSink, NO_FLOW } from '../flow/record.js';
import { commandLine, streamCommandLine } from './command-line.js';
import { type ControlLine, MAX_LINE_BYTES, parseControlLine, SUSPENDED_LINE } from './control-protocol.js';
import type { RestoreArguments, SaveArguments, StreamArguments } from './guest-streams.js';
import { closePipe, openPipe } from './pipe.js';
import {
  type GuestStreams,
  type SuspendGuest,
  type Xenguest,
  type XenguestArguments,
  XenguestError,
  type XenguestResult,
  type XenguestRun,
} from './xenguest.js';

interface BuilderStream {
  on(event: 'data', listener: (chunk: Buffer) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  /** Of the control fd that the builder reads. */
  write?(text: string): unknown;
  end?(): unknown;
}

/** The used parts of a child process. */
export interface BuilderProcess {
  /** undefined = it could not be started. */
  readonly pid?: number | undefined;
  /** By file descriptor. */
  readonly stdio: readonly (BuilderStream | null | undefined)[];
  kill(signal: 'SIGKILL'): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'close', listener: (exit: number | null, signal: NodeJS.Signals | null) => void): unknown;
}

export interface ProcessXenguestOptions {
  /** Program and first arguments; by default this Node and dist/xenguest.js. */
  readonly command?: readonly string[];
  /** The builder is killed when it has written no line for this long. */
  readonly silenceMs?: number;
  /** Lines that the builder logs. */
  readonly log?: (line: string) => void;
  /**
   * By default a process of this machine. `inherited`: file descriptors of this process that are
   * its own from STREAM_FD on.
   */
  readonly spawn?: (program: string, words: readonly string[], inherited: readonly number[]) => BuilderProcess;
}

/** A guest of a terabyte is populated in one call of several minutes, without a line in between. */
export const SILENCE_MS = 30 * 60_000;
const STDOUT_FD = 1;
const STDERR_FD = 2;
const CONTROL_OUT_FD = 3;
const CONTROL_IN_FD = 4;
const STREAM_FD = 5;
/** Bytes of stderr kept for the reason of a builder's death. */
const STDERR_TAIL_BYTES = 4096;

export class ProcessXenguest implements Xenguest {
  readonly #command: readonly string[];
  readonly #silenceMs: number;
  readonly #log: (line: string) => void;
  readonly #spawn: NonNullable<ProcessXenguestOptions['spawn']>;

  constructor(options: ProcessXenguestOptions = {}) {
    this.#command = options.command ?? [process.execPath, builderScript()];
    this.#silenceMs = options.silenceMs ?? SILENCE_MS;
    this.#log = options.log ?? (() => {});
    this.#spawn =
      options.spawn ??
      ((program, words, inherited) => spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe', ...inherited] }));
  }

  get streams(): GuestStreams {
    return {
      save: async (args, fd, suspend) => {
        await this.#stream(args, fd, NO_FLOW, suspend);
      },
      restore: (args, fd, { flow }) => this.#restore(args, fd, flow),
      move: (save, suspend, restore, run) => this.#move(save, suspend, restore, run),
      resume: async (domid) => {
        await this.#stream({ mode: 'resume', domid }, null, NO_FLOW);
      },
    };
  }

  run(args: XenguestArguments, { flow }: XenguestRun): Promise<XenguestResult> {
    const line = commandLine({ controlOutFd: CONTROL_OUT_FD, controlInFd: CONTROL_IN_FD, args });
    flow.node('exec_xenguest', { mode: args.mode, domid: args.domid, command: line.join(' ') });
    return this.#execute(line, flow, []);
  }

  #restore(args: RestoreArguments, fd: number, flow: FlowSink): Promise<XenguestResult> {
    const line = this.#streamLine(args, fd);
    flow.node('exec_xenguest', { mode: args.mode, domid: args.domid, command: line.join(' ') });
    return this.#execute(line, flow, [fd]);
  }

  #stream(stream: StreamArguments, fd: number | null, flow: FlowSink, suspend?: SuspendGuest): Promise<XenguestResult> {
    return this.#execute(this.#streamLine(stream, fd), flow, fd === null ? [] : [fd], suspend);
  }

  #streamLine(stream: StreamArguments, fd: number | null): string[] {
    return streamCommandLine({ controlOutFd: CONTROL_OUT_FD, controlInFd: CONTROL_IN_FD, stream, fd: fd === null ? null : STREAM_FD });
  }

  /** One that fails takes the other with it. */
  async #move(save: SaveArguments, suspend: SuspendGuest, restore: RestoreArguments, { flow }: XenguestRun): Promise<XenguestResult> {
    const pipe = openPipe();
    const both = [this.#restore(restore, pipe.readFd, flow), this.#stream(save, pipe.writeFd, NO_FLOW, suspend)] as const;
    // Both children have theirs: an end that stayed open here would hide the death of one from the
    // other.
    closePipe(pipe);
    const ends = await Promise.allSettled(both);
    const errors = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as unknown] : []));
    if (errors.length > 0) throw bothErrors(errors);
    return both[0];
  }

  async #execute(line: readonly string[], flow: FlowSink, inherited: readonly number[], suspend?: SuspendGuest): Promise<XenguestResult> {
    const [program, ...first] = this.#command;
    const child = this.#spawn(program!, [...first, ...line], inherited);
    const refusals: unknown[] = [];
    const answer = new Answer((control) => {
      if (control.kind === 'flow') flow.add(control.entry);
      else if (control.kind === 'log') this.#log(`${control.stream}: ${control.text}`);
      else if (control.kind === 'suspend') void suspended(child, suspend).catch((error: unknown) => refusals.push(error));
    });
    const end = await this.#follow(child, answer);
    if (refusals.length > 0) throw refusals[0];
    return answer.outcome(end);
  }

  /** Reads until the process is gone and its control fd is closed. */
  #follow(child: BuilderProcess, answer: Answer): Promise<End> {
    return new Promise((resolve) => {
      let stderr = '';
      let silent = false;
      let spawnError: string | null = null;
      const kill = () => {
        silent = true;
        child.kill('SIGKILL');
      };
      let alarm = setTimeout(kill, this.#silenceMs);
      child.stdio[CONTROL_OUT_FD]?.on('data', (chunk: Buffer) => {
        clearTimeout(alarm);
        alarm = setTimeout(kill, this.#silenceMs);
        if (!answer.take(chunk)) child.kill('SIGKILL');
      });
      child.stdio[STDOUT_FD]?.on('data', (chunk: Buffer) => this.#log(`stdout: ${chunk.toString().trimEnd()}`));
      child.stdio[STDERR_FD]?.on('data', (chunk: Buffer) => {
        stderr = (stderr + chunk.toString()).slice(-STDERR_TAIL_BYTES);
      });
      // The builder reads an answer on this fd, if any. The write error of a dead builder must not
      // become ours.
      child.stdio[CONTROL_IN_FD]?.on('error', () => {});
      child.on('error', (error) => {
        spawnError = error.message;
        // Without a process there is no 'close'.
        if (child.pid === undefined) finish(null, null);
      });
      child.on('close', (exit, signal) => finish(exit, signal));
      const finish = (exit: number | null, signal: NodeJS.Signals | null) => {
        clearTimeout(alarm);
        resolve({ exit, signal, stderr: stderr.trim(), silentMs: silent ? this.#silenceMs : null, spawnError });
      };
    });
  }
}

/** Suspends the guest and says so; without a line, the builder gives up. */
async function suspended(child: BuilderProcess, suspend: SuspendGuest | undefined): Promise<void> {
  const control = child.stdio[CONTROL_IN_FD];
  try {
    if (suspend === undefined) throw new XenguestError('xenguest: asked for the suspend of a guest that is not saved');
    await suspend();
    control?.write?.(SUSPENDED_LINE);
  } catch (error) {
    control?.end?.();
    throw error;
  }
}

/** Which of two builders failed first is not known; what is no builder's error is the cause. */
function bothErrors(errors: readonly unknown[]): unknown {
  const builders = errors.flatMap((error) => (error instanceof XenguestError ? [error] : []));
  if (builders.length < errors.length) return errors.find((error) => !(error instanceof XenguestError));
  const errno = builders.find((error) => error.errno !== null)?.errno ?? null;
  return new XenguestError(builders.map(({ message }) => message).join('; '), errno);
}

interface End {
  readonly exit: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
  /** The length of its silence, if it was killed for that. */
  readonly silentMs: number | null;
  readonly spawnError: string | null;
}

/** The builder's output so far. */
class Answer {
  readonly #onLine: (line: ControlLine) => void;
  #rest = Buffer.alloc(0);
  readonly #errors: { readonly text: string; readonly errno: Errno | null }[] = [];
  #result: XenguestResult | null = null;
  /** The violation of the protocol; lines after it are ignored. */
  #violation: string | null = null;

  constructor(onLine: (line: ControlLine) => void) {
    this.#onLine = onLine;
  }

  /** @returns false when the protocol is broken and the builder must be killed */
  take(chunk: Buffer): boolean {
    if (this.#violation !== null) return false;
    this.#rest = Buffer.concat([this.#rest, chunk]);
    for (let end = this.#rest.indexOf(10); end !== -1 && this.#violation === null; end = this.#rest.indexOf(10)) {
      const line = this.#rest.toString('utf8', 0, end);
      this.#rest = this.#rest.subarray(end + 1);
      this.#takeLine(line);
    }
    if (this.#rest.length > MAX_LINE_BYTES) this.#violation = `a line of more than ${MAX_LINE_BYTES} bytes`;
    return this.#violation === null;
  }

  #takeLine(line: string): void {
    const control = parseControlLine(line);
    if (control === null) this.#violation = `the line ${JSON.stringify(line.slice(0, 200))}`;
    else if (control.kind === 'error') this.#errors.push(control);
    else if (control.kind === 'result' && this.#result !== null) this.#violation = 'a second result';
    else if (control.kind === 'result') this.#result = control.result;
    else this.#onLine(control);
  }

  /** @throws XenguestError with the builder's message, or the way it died */
  outcome(end: End): XenguestResult {
    if (end.spawnError !== null) throw new XenguestError(`xenguest: cannot be started: ${end.spawnError}`);
    if (this.#violation !== null) throw new XenguestError(`xenguest: broke its protocol with ${this.#violation}`);
    if (this.#rest.length > 0)
      this.#errors.push({
        text: `xenguest: its last line is cut off: ${JSON.stringify(this.#rest.toString('utf8', 0, 200))}`,
        errno: null,
      });
    if (this.#errors.length > 0) {
      const errno = this.#errors.find((error) => error.errno !== null)?.errno ?? null;
      throw new XenguestError(this.#errors.map(({ text }) => text).join('; '), errno);
    }
    const lastWords = end.stderr === '' ? '' : `: ${end.stderr.split('\n').slice(-3).join(' ').trim()}`;
    if (end.silentMs !== null) throw new XenguestError(`xenguest: killed, because it wrote nothing for ${end.silentMs} ms${lastWords}`);
    if (end.signal !== null) throw new XenguestError(`xenguest: killed by signal ${end.signal}${lastWords}`);
    if (end.exit !== 0) throw new XenguestError(`xenguest: ended with exit status ${end.exit}${lastWords}`);
    if (this.#result === null) throw new XenguestError(`xenguest: ended without a result${lastWords}`);
    return this.#result;
  }
}

/** dist/xenguest.js: next to this module when bundled, otherwise in the checkout. */
function builderScript(): string {
  const candidates = ['./xenguest.js', '../../dist/xenguest.js'].map((path) => fileURLToPath(new URL(path, import.meta.url)));
  return candidates.find((path) => existsSync(path)) ?? candidates[0]!;
}
