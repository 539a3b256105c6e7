// The lines that the builder writes on its control fd, "key:text": result, error, info, stdout,
// stderr (xenopsd's ocaml/xenopsd/xc/xenguestHelper.ml reads them). Our own lines "info:flow {...}"
// carry the record of the run.
import { type Errno, errnoName } from '../base/errors.js';
import { EntrySink, type FlowEntry, type FlowSink } from '../flow/record.js';
import { parseFlowEntry } from '../flow/schema/entry.js';
import type { XenguestResult } from './xenguest.js';

export type ControlLine =
  | { readonly kind: 'result'; readonly result: XenguestResult; readonly protocol: string | null }
  /** `errno`: of the call that failed, in brackets in the text; null when the text names none. */
  | { readonly kind: 'error'; readonly text: string; readonly errno: Errno | null }
  | { readonly kind: 'log'; readonly stream: 'info' | 'stdout' | 'stderr'; readonly text: string }
  | { readonly kind: 'flow'; readonly entry: FlowEntry }
  /** The guest must be suspended now; the builder waits for a line. */
  | { readonly kind: 'suspend' };

export const SUSPEND_LINE = 'suspend:\n';
export const SUSPENDED_LINE = 'done\n';

/** A longer line breaks the protocol. */
export const MAX_LINE_BYTES = 1 << 20;

export function resultLine({ storePfn, consolePfn }: XenguestResult, protocol: string | null): string {
  return `result:${storePfn} ${consolePfn}${protocol === null ? '' : ` ${protocol}`}\n`;
}

export function errorLine(text: string): string {
  return `error:${text.replace(/[\r\n]+/g, ' ')}\n`;
}

export function infoLine(text: string): string {
  return `info:${text.replace(/[\r\n]+/g, ' ')}\n`;
}

class FlowLines extends EntrySink {
  readonly #write: (line: string) => void;

  constructor(write: (line: string) => void) {
    super();
    this.#write = write;
  }

  add(entry: FlowEntry): void {
    this.#write(`info:flow ${JSON.stringify(entry)}\n`);
  }
}

/** A sink that writes each entry as a line. */
export function flowLines(write: (line: string) => void): FlowSink {
  return new FlowLines(write);
}

/** One line without its newline; null if it breaks the protocol. */
export function parseControlLine(line: string): ControlLine | null {
  const colon = line.indexOf(':');
  if (colon === -1) return null;
  const text = line.slice(colon + 1);
  switch (line.slice(0, colon)) {
    case 'result':
      return parseResult(text);
    case 'error':
      return { kind: 'error', text, errno: errnoOf(text) };
    case 'info':
      return text.startsWith('flow ') ? parseFlow(text.slice(5)) : { kind: 'log', stream: 'info', text };
    case 'stdout':
      return { kind: 'log', stream: 'stdout', text };
    case 'stderr':
      return { kind: 'log', stream: 'stderr', text };
    case 'suspend':
      return text === '' ? { kind: 'suspend' } : null;
    default:
      return null;
  }
}

/**
 * "xenguest: xc_vcpu_setaffinity: [22] Invalid argument" means EINVAL: the protocol carries only
 * the number.
 */
function errnoOf(text: string): Errno | null {
  const number = /: \[(\d{1,3})\] /.exec(text)?.[1];
  return number === undefined ? null : (errnoName(Number(number)) ?? null);
}

function parseResult(text: string): ControlLine | null {
  const match = /^(\d{1,16}) (\d{1,16})(?: (\S+))?$/.exec(text);
  if (match === null) return null;
  const storePfn = Number(match[1]);
  const consolePfn = Number(match[2]);
  if (!Number.isSafeInteger(storePfn) || !Number.isSafeInteger(consolePfn)) return null;
  return { kind: 'result', result: { storePfn, consolePfn }, protocol: match[3] ?? null };
}

function parseFlow(text: string): ControlLine | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const entry = parseFlowEntry(value);
  return entry === null ? null : { kind: 'flow', entry };
}
