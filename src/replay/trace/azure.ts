// The processed form of Azure's public VM traces (Bergsma et al., "Generating Complex, Realistic
// Cloud Workloads using Recurrent Neural Networks", SOSP 2021): four texts that belong together.
//   flavours of arrivals   SECONDS f,f,|,f,|...   a letter a VM; | ends a tenant's batch
//   their durations        SECONDS U3,C5,|,...    U = ended, C = still running; bin of its duration
//   flavours               VCPUS,GIB LETTER
//   bins                   SECONDS BIN            the last line of a bin is its longest duration

import { InputError } from '../../base/errors.js';
import { GIB } from '../../base/units.js';
import { LIMITS } from '../../machine/model.js';
import type { InputText } from '../../machine/readers/input-text.js';
import { makeTrace, TRACE_LIMITS, type Trace, type TraceVm } from './trace.js';

export const AZURE_PARTS = ['arrivals', 'durations', 'flavours', 'bins'] as const;
export type AzurePart = (typeof AZURE_PARTS)[number];

/** A VM that arrives at the end of the record has this time to the next bin. */
const BIN_SECONDS = 300;

const FORMS: Readonly<Record<AzurePart, RegExp>> = {
  durations: /^\d+ (?:\||[UC]\d+)(?:,|$)/,
  arrivals: /^\d+ (?:\||[A-Za-z]+)(?:,|$)/,
  flavours: /^\d+,\d+(?:\.\d+)? [A-Za-z]+$/,
  bins: /^\d+ \d+$/,
};

/** Which of the four a text is, by its first line; null = none. */
export function azurePart(text: string): AzurePart | null {
  const [first = ''] = text.replace(/^\uFEFF/, '').split(/\r?\n/, 1);
  return AZURE_PARTS.toReversed().find((part) => FORMS[part].test(first.trim())) ?? null;
}

/**
 * Durations are rounded up to the longest of their bin; VMs that were still running run to the end.
 * @throws InputError with file and line
 */
export function readAzureTrace(parts: Readonly<Record<AzurePart, InputText>>): Trace {
  const flavours = readFlavours(parts.flavours);
  const longest = readBins(parts.bins);
  const [arrivals, durations] = [linesOf(parts.arrivals), linesOf(parts.durations)];
  const vms: TraceVm[] = [];
  /** By word: few are different. */
  const known = new Map<string, number>();
  let last = 0;
  if (arrivals.length !== durations.length) {
    const message = `${durations.length} lines of durations for ${arrivals.length} lines of arrivals`;
    throw new InputError(message, { file: parts.durations.file }, 'give the durations of the same trace');
  }
  arrivals.forEach((line, index) => {
    const place = { file: parts.arrivals.file, line: index + 1 };
    const [arrival, letters] = readLine(line, place);
    const [other, ends] = readLine(durations[index]!, { file: parts.durations.file, line: index + 1 });
    if (other !== arrival || ends.length !== letters.length) {
      const message = `does not match line ${index + 1} of ${parts.durations.file}`;
      throw new InputError(message, place, 'arrivals and durations must have the same times and VMs');
    }
    last = Math.max(last, arrival);
    letters.forEach((letter, at) => {
      if (letter === '|' && ends[at] === '|') return;
      const flavour = flavours.get(letter);
      if (flavour === undefined) throw new InputError(`flavour '${letter.slice(0, 20)}' is not in ${parts.flavours.file}`, place);
      const word = ends[at]!;
      let duration = known.get(word);
      if (duration === undefined) {
        duration = durationOf(word, longest, parts.durations.file, index + 1);
        known.set(word, duration);
      }
      const { vcpus, memoryBytes } = flavour;
      vms.push({ arrival, departure: arrival + duration, vcpus, memoryBytes });
    });
    if (vms.length > TRACE_LIMITS.vms) throw new InputError(`expected at most ${TRACE_LIMITS.vms} VMs`, place, 'split the trace');
  });
  if (vms.length === 0) throw new InputError('the trace has no VMs', { file: parts.arrivals.file });
  return makeTrace(parts.arrivals.file, vms, last + BIN_SECONDS);
}

function linesOf({ text }: InputText): string[] {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  while (lines.at(-1)?.trim() === '') lines.pop();
  return lines;
}

/** Its time, and its words. */
function readLine(line: string, place: { file: string; line: number }): [number, string[]] {
  const match = /^(\d{1,10})(?: (.*))?$/.exec(line.trim());
  if (match === null)
    throw new InputError(`cannot read '${line.slice(0, 40)}'`, place, "expected SECONDS and words with commas, as '300 a,|,b'");
  return [Number(match[1]), (match[2] ?? '').split(',').filter((word) => word !== '')];
}

function durationOf(word: string, longest: ReadonlyMap<number, number>, file: string, line: number): number {
  const match = /^([UC])(\d{1,4})$/.exec(word);
  if (match === null) throw new InputError(`cannot read the duration '${word.slice(0, 20)}'`, { file, line }, 'expected U or C and a bin');
  if (match[1] === 'C') return Number.POSITIVE_INFINITY;
  const seconds = longest.get(Number(match[2]));
  if (seconds === undefined) throw new InputError(`there is no bin ${match[2]}`, { file, line }, 'give the bins of the same trace');
  return seconds;
}

function readFlavours(input: InputText): Map<string, { vcpus: number; memoryBytes: number }> {
  const flavours = new Map<string, { vcpus: number; memoryBytes: number }>();
  linesOf(input).forEach((line, index) => {
    const match = /^(\d{1,4}),(\d{1,6}(?:\.\d{1,6})?) ([A-Za-z]+)$/.exec(line.trim());
    const place = { file: input.file, line: index + 1 };
    if (match === null) throw new InputError(`cannot read '${line.slice(0, 40)}'`, place, "expected VCPUS,GIB LETTER, as '2,3.5 g'");
    const [vcpus, memoryBytes] = [Number(match[1]), Math.round(Number(match[2]) * GIB)];
    if (vcpus < 1 || vcpus > LIMITS.vcpusPerHvm) throw new InputError(`${vcpus} vCPUs`, place, `expected 1 to ${LIMITS.vcpusPerHvm}`);
    if (memoryBytes <= 2 ** 21 || memoryBytes > TRACE_LIMITS.memoryBytes)
      throw new InputError(`${match[2]} GiB of memory`, place, 'expected more than 2 MiB, at most 8 TiB');
    flavours.set(match[3]!, { vcpus, memoryBytes });
  });
  return flavours;
}

/** The longest duration of each bin. */
function readBins(input: InputText): Map<number, number> {
  const longest = new Map<number, number>();
  linesOf(input).forEach((line, index) => {
    const match = /^(\d{1,10}) (\d{1,4})$/.exec(line.trim());
    if (match === null)
      throw new InputError(`cannot read '${line.slice(0, 40)}'`, { file: input.file, line: index + 1 }, 'expected SECONDS BIN');
    const bin = Number(match[2]);
    longest.set(bin, Math.max(longest.get(bin) ?? 0, Number(match[1])));
  });
  return longest;
}
