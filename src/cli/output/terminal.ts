// The terminal: colours if wanted, progress on a terminal after one second, and a silent end when
// the reader closes the pipe.

import { harmless } from '../../base/safe-text.js';
import { EXIT } from './exit-codes.js';

/** Colours and progress of one stream; without colours each function returns its text. */
export interface Palette {
  readonly on: boolean;
  bold(text: string): string;
  dim(text: string): string;
  good(text: string): string;
  bad(text: string): string;
  warn(text: string): string;
}

/**
 * NO_COLOR (any value but empty) wins over FORCE_COLOR (any value but empty and 0), which wins over
 * the kind of the stream.
 */
export function wantsColour(
  stream: { readonly isTTY?: boolean },
  env: Readonly<Record<string, string | undefined>> = process.env,
): boolean {
  if ((env.NO_COLOR ?? '') !== '') return false;
  if ((env.FORCE_COLOR ?? '') !== '') return env.FORCE_COLOR !== '0';
  return stream.isTTY === true && env.TERM !== 'dumb';
}

export function palette(on: boolean = wantsColour(process.stdout)): Palette {
  const paint = (code: string) => (text: string) => (on && text !== '' ? `\u001b[${code}m${text}\u001b[0m` : text);
  return { on, bold: paint('1'), dim: paint('2'), good: paint('32'), bad: paint('31'), warn: paint('33') };
}

/** The narrowest output that is still readable. */
const LEAST_COLUMNS = 40;

/** The width of the terminal; without one, $COLUMNS, otherwise 80. */
export function columns(env: Readonly<Record<string, string | undefined>> = process.env): number {
  if (process.stdout.isTTY) return Math.max(LEAST_COLUMNS, process.stdout.columns);
  const { COLUMNS = '' } = env;
  return /^\d{1,4}$/.test(COLUMNS) ? Math.max(LEAST_COLUMNS, Number(COLUMNS)) : 80;
}

/**
 * The width for commands: on a terminal, or where COLUMNS asks for it, they are broken with
 * backslashes. In a file or a pipe each stays one line, for people and programs that search it.
 */
export function commandColumns(env: Readonly<Record<string, string | undefined>> = process.env): number {
  return process.stdout.isTTY || (env.COLUMNS ?? '') !== '' ? columns(env) : Number.POSITIVE_INFINITY;
}

/** Of a daemon: where lines go instead of stdout and stderr. */
let log: { readonly out: (line: string) => void; readonly remark: (line: string) => void } | null = null;

/**
 * From now on this process is a daemon: a line that nobody reads, or that has no room, is lost and
 * counted, and neither ends the process nor holds it up.
 */
export async function becomeDaemon(): Promise<void> {
  const { LogSink } = await import('../../xenstore/server/log-sink.js');
  const [first, second] = [new LogSink(1), new LogSink(2)];
  log = { out: (line) => first.line(line), remark: (line) => second.line(line) };
}

export function out(text: string): void {
  if (log !== null) log.out(text.replace(/\n$/, ''));
  else process.stdout.write(text.endsWith('\n') || text === '' ? text : `${text}\n`);
}

/** A remark without colours. It goes to stderr, so that piped output stays clean. */
export function remark(text: string): void {
  const safe = text.split('\n').map(harmless).join('\n');
  if (log !== null) log.remark(safe);
  else process.stderr.write(`${safe}\n`);
}

/**
 * `xennuma ...
 * head` must end silently. An answer that cannot be written, as on a full disk, is an error of one
 * line.
 */
export function guardPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', ({ code, message }: NodeJS.ErrnoException) => {
      if (code === 'EPIPE') process.exit(process.exitCode ?? 0);
      // stderr itself is broken, so the error cannot be reported.
      if (stream === process.stdout) remark(`xennuma: the answer cannot be written: ${message}; make room there, or write it elsewhere`);
      process.exit(EXIT.input);
    });
  }
}

const SLOW_MS = 1000;
const REDRAW_MS = 200;

interface ProgressStream {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** Shows "starting VMs 312/1000" on stderr once the work has taken a second; only on a terminal. */
export class Progress {
  readonly #label: string;
  readonly #total: number;
  readonly #stream: ProgressStream;
  readonly #clock: () => number;
  readonly #startMs: number;
  #shownMs = 0;

  constructor(label: string, total: number, stream: ProgressStream = process.stderr, clock: () => number = () => performance.now()) {
    this.#label = label;
    this.#total = total;
    this.#stream = stream;
    this.#clock = clock;
    this.#startMs = clock();
  }

  at(done: number): void {
    if (this.#stream.isTTY !== true) return;
    const nowMs = this.#clock();
    if (nowMs - this.#startMs < SLOW_MS || nowMs - this.#shownMs < REDRAW_MS) return;
    this.#shownMs = nowMs;
    this.#stream.write(`\r${this.#label} ${done}/${this.#total} \u001b[K`);
  }
  end(): void {
    if (this.#shownMs > 0) this.#stream.write('\r\u001b[K');
  }
}
