// A trace as CSV: a header that names the columns time, vcpus, memory and duration, then a line for
// each VM.

import { InputError } from '../../base/errors.js';
import { parseSizeBytes, SIZE_FORM } from '../../base/units.js';
import { LIMITS } from '../../machine/model.js';
import type { InputText } from '../../machine/readers/input-text.js';
import { LEAST_MEMORY_BYTES, makeTrace, TRACE_LIMITS, type Trace, type TraceVm } from './trace.js';

const COLUMNS = ['time', 'vcpus', 'memory', 'duration'] as const;
type Column = (typeof COLUMNS)[number];

const UNIT_SECONDS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 86_400 };
const TIME_FORM = 'seconds, or a number with s, m, h or d';

/** Whether the text begins with such a header. */
export function looksLikeCsv(text: string): boolean {
  const [first = ''] = text.replace(/^\uFEFF/, '').split(/\r?\n/, 1);
  const names = fieldsOf(first).map((name) => name.toLowerCase());
  return COLUMNS.filter((column) => names.includes(column)).length >= 2;
}

/**
 * Times in seconds or with s, m, h or d; memory with its unit, as elsewhere; an empty duration is a
 * VM that runs to the end. Other columns are ignored; lines may be in any order. The trace ends
 * with its last arrival or departure.
 * @throws InputError with the line of what cannot be read
 */
export function readCsvTrace({ file, text }: InputText): Trace {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const names = fieldsOf(lines[0]!).map((name) => name.toLowerCase());
  const at = Object.fromEntries(COLUMNS.map((column) => [column, names.indexOf(column)])) as Record<Column, number>;
  const missing = COLUMNS.filter((column) => at[column] < 0);
  if (missing.length > 0) {
    throw new InputError(`the header has no column ${missing.join(', ')}`, { file, line: 1 }, `expected ${COLUMNS.join(',')}`);
  }
  const vms: TraceVm[] = [];
  let endSeconds = 0;
  for (let index = 1; index < lines.length; index++) {
    if (lines[index]!.trim() === '') continue;
    const fields = fieldsOf(lines[index]!);
    const place = { file, line: index + 1 };
    if (fields.length !== names.length) {
      throw new InputError(`expected ${names.length} fields as in the header, got ${fields.length}`, place, 'quote nothing; one VM a line');
    }
    const vm = vmOf((column) => fields[at[column]]!, place);
    vms.push(vm);
    endSeconds = Math.max(endSeconds, vm.arrival, Number.isFinite(vm.departure) ? vm.departure : 0);
    if (vms.length > TRACE_LIMITS.vms) throw new InputError(`expected at most ${TRACE_LIMITS.vms} VMs`, place, 'split the trace');
  }
  if (vms.length === 0) throw new InputError('the trace has no VMs', { file }, 'add a line for each VM');
  return makeTrace(file, vms, endSeconds);
}

function vmOf(field: (column: Column) => string, place: { file: string; line: number }): TraceVm {
  const arrival = secondsOf(field('time'));
  if (arrival === undefined) throw wrong('time', field('time'), TIME_FORM, place);
  const duration = field('duration') === '' ? Number.POSITIVE_INFINITY : secondsOf(field('duration'));
  if (duration === undefined) throw wrong('duration', field('duration'), `${TIME_FORM}, or nothing for a VM that runs to the end`, place);
  const vcpus = /^\d{1,4}$/.test(field('vcpus')) ? Number(field('vcpus')) : 0;
  if (vcpus < 1 || vcpus > LIMITS.vcpusPerHvm)
    throw wrong('vcpus', field('vcpus'), `a whole number from 1 to ${LIMITS.vcpusPerHvm}`, place);
  const memoryBytes = /[A-Za-z]$/.test(field('memory')) ? parseSizeBytes(field('memory')) : undefined;
  if (memoryBytes === undefined || memoryBytes < LEAST_MEMORY_BYTES || memoryBytes > TRACE_LIMITS.memoryBytes) {
    throw wrong('memory', field('memory'), `${SIZE_FORM}, from 2MiB to 8TiB`, place);
  }
  return { arrival, departure: arrival + duration, vcpus, memoryBytes };
}

function wrong(column: Column, got: string, expected: string, place: { file: string; line: number }): InputError {
  return new InputError(`${column} '${got.slice(0, 40)}'`, place, `expected ${expected}`);
}

function secondsOf(text: string): number | undefined {
  const match = /^(\d{1,10}(?:\.\d{1,6})?)\s*([smhd]?)$/.exec(text);
  if (match === null) return undefined;
  const seconds = Number(match[1]) * UNIT_SECONDS[match[2]!]!;
  return seconds <= TRACE_LIMITS.seconds ? seconds : undefined;
}

function fieldsOf(line: string): string[] {
  return line.split(',').map((field) => field.trim().replace(/^"(.*)"$/, '$1'));
}
