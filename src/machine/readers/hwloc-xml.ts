// Parser of lstopo's XML (formats 1, 2 and 3) into a tree of objects and matrices of distances. The
// parser refuses entities other than XML's own five, so nothing expands.
import { SaxesParser } from 'saxes';
import { InputError } from '../../base/errors.js';
import { guardSize, INPUT_LIMITS, type InputText } from './input-text.js';

export interface HwlocObject {
  readonly type: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly infos: Map<string, string>;
  readonly children: HwlocObject[];
  readonly line: number;
  /** Bytes summed from page_type elements, for files without local_memory. */
  pageBytes: number;
  /** Format 1: the matrices of this object's descendants. */
  readonly distances: OldDistances[];
}

/**
 * Format 1: `<distances nbobjs relative_depth latency_base>` with `<latency value>` children,
 * relative to the smallest.
 */
export interface OldDistances {
  readonly count: number;
  readonly base: number;
  readonly values: number[];
  readonly line: number;
}

/**
 * Formats 2 and 3: `<distances2 type nbobjs kind name indexing>` with `<indexes>` and `<u64values>`
 * texts.
 */
export interface Distances2 {
  readonly type: string;
  readonly count: number;
  /** Bits of hwloc_distances_kind_e: 1 from the system, 2 from the user, 4 latency, 8 bandwidth. */
  readonly kind: number;
  readonly name: string;
  readonly indexing: string;
  readonly indexes: string[];
  readonly values: number[];
  readonly line: number;
}

export interface HwlocTopology {
  readonly root: HwlocObject;
  readonly distances: readonly Distances2[];
  /** "1" if the file names none. */
  readonly version: string;
}

export function looksLikeXml(text: string): boolean {
  return /^\uFEFF?\s*</.test(text.slice(0, 4096));
}

/** Objects that are kept. The others (caches, devices) are skipped. */
const KEPT = new Set(['Machine', 'System', 'Group', 'Package', 'Socket', 'Die', 'NUMANode', 'Core', 'PU']);

/**
 * @throws InputError with the line for text that is not well formed, not hwloc's, cut short or too
 *   deep
 */
export function parseHwlocXml(input: InputText): HwlocTopology {
  guardSize(input);
  const builder = new Builder(input.file);
  const parser = new SaxesParser({ fileName: '' });
  parser.on('error', (error) => {
    throw builder.fault(`not well-formed XML: ${error.message.replace(/^[\d:]+:? ?/, '')}`, parser.line);
  });
  parser.on('opentag', (tag) => builder.open(tag.name, tag.attributes as Record<string, string>, parser.line));
  parser.on('text', (text) => builder.text(text));
  parser.on('closetag', () => builder.close());
  parser.write(input.text.replace(/^\uFEFF?\s*/, '')).close();
  return builder.finish();
}

class Builder {
  readonly file: string;
  readonly #stack: { name: string; object: HwlocObject | undefined; text: string[] | undefined }[] = [];
  #root: HwlocObject | undefined;
  #version: string | undefined;
  readonly #matrices: Distances2[] = [];
  #old: OldDistances | undefined;
  #matrix: Distances2 | undefined;

  constructor(file: string) {
    this.file = file;
  }

  fault(message: string, line: number): InputError {
    return new InputError(message, { file: this.file, line }, 'write the file again with `lstopo --of xml`');
  }

  open(name: string, attributes: Record<string, string>, line: number): void {
    if (this.#stack.length >= INPUT_LIMITS.depth) throw this.fault(`elements are nested more than ${INPUT_LIMITS.depth} deep`, line);
    if (this.#stack.length === 0) {
      if (name !== 'topology') throw this.fault(`expected hwloc's <topology>, got <${name.slice(0, 40)}>`, line);
      this.#version = attributes.version ?? '1';
    }
    const parent = this.#stack.findLast((entry) => entry.object !== undefined)?.object;
    const entry = { name, object: undefined as HwlocObject | undefined, text: undefined as string[] | undefined };
    if (name === 'object') entry.object = this.#openObject(attributes, parent, line);
    else if (name === 'info' && this.#stack.at(-1)?.name === 'object') parent?.infos.set(attributes.name ?? '', attributes.value ?? '');
    else if (name === 'page_type' && parent !== undefined) parent.pageBytes += number(attributes.size) * number(attributes.count);
    else if (name === 'distances' && parent !== undefined) {
      this.#old = { count: number(attributes.nbobjs), base: number(attributes.latency_base ?? '10'), values: [], line };
      parent.distances.push(this.#old);
    } else if (name === 'latency') this.#old?.values.push(Number(attributes.value ?? 'missing'));
    else if (name === 'distances2') this.#openMatrix(attributes, line);
    else if (name === 'indexes' || name === 'u64values') entry.text = [];
    this.#stack.push(entry);
  }

  #openObject(attributes: Record<string, string>, parent: HwlocObject | undefined, line: number): HwlocObject | undefined {
    const type = attributes.type ?? '';
    if (this.#root !== undefined && !KEPT.has(type)) return undefined;
    const object: HwlocObject = { type, attributes, infos: new Map(), children: [], line, pageBytes: 0, distances: [] };
    if (parent !== undefined) parent.children.push(object);
    else if (this.#root === undefined) this.#root = object;
    else throw this.fault('expected one machine, got a second one', line);
    return object;
  }

  #openMatrix(attributes: Record<string, string>, line: number): void {
    this.#matrix = {
      type: attributes.type ?? '',
      count: number(attributes.nbobjs),
      kind: number(attributes.kind),
      name: attributes.name ?? '',
      indexing: attributes.indexing ?? 'os',
      indexes: [],
      values: [],
      line,
    };
    this.#matrices.push(this.#matrix);
  }

  text(text: string): void {
    this.#stack.at(-1)?.text?.push(text);
  }

  close(): void {
    const entry = this.#stack.pop();
    if (entry === undefined) return;
    if (entry.text !== undefined) {
      const words = entry.text
        .join('')
        .split(/\s+/)
        .filter((word) => word !== '');
      for (const word of words) entry.name === 'indexes' ? this.#matrix?.indexes.push(word) : this.#matrix?.values.push(Number(word));
    } else if (entry.name === 'distances') this.#old = undefined;
    else if (entry.name === 'distances2') this.#matrix = undefined;
  }

  finish(): HwlocTopology {
    if (this.#root === undefined) throw this.fault('expected an <object type="Machine"> in <topology>, got none', 1);
    return { root: this.#root, distances: this.#matrices, version: this.#version ?? '1' };
  }
}

/** Zero for a missing or malformed number. The later checks refuse it if it matters. */
function number(text: string | undefined): number {
  const value = Number(text ?? '0');
  return Number.isFinite(value) && value >= 0 ? value : 0;
}
