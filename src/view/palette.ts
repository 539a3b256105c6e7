// Signs, colours and packing of the picture for terminals. Colours only repeat the signs.
import { fitColumns, textColumns } from '../base/columns.js';
import { harmless } from '../base/safe-text.js';
import type { HostMap } from '../map/host-map.js';
import type { Segment } from './segments.js';

export interface PictureOptions {
  /** Columns. */
  readonly width: number;
  readonly color: boolean;
  /** Shades instead of ASCII signs for memory that belongs to no VM; the default is false. */
  readonly unicode?: boolean;
}

/** Longest name shown, in columns; a longer one ends in '~'. */
const NAME_COLUMNS = 24;
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
/** From the 256-colour palette, readable on black and on white. */
const COLORS = [33, 166, 35, 134, 136, 37, 161, 64, 69, 172, 97, 31] as const;

export class Palette {
  readonly fixed: Readonly<Record<'dom0' | 'xen' | 'claimed' | 'free' | 'others' | 'othersRemote', string>>;
  /** True if letters differ from node to node, because there are more VMs than letters. */
  readonly perNode: boolean;
  readonly #color: boolean;
  /** Position among the VMs; index = position in the map's domains. */
  readonly #order: readonly number[];

  constructor(map: HostMap, { color, unicode = false }: PictureOptions) {
    this.#color = color;
    this.fixed = unicode
      ? { dom0: '0', xen: '\u2592', claimed: '\u2591', free: '\u00b7', others: '#', othersRemote: '%' }
      : { dom0: '0', xen: '=', claimed: ':', free: '.', others: '#', othersRemote: '%' };
    let next = 0;
    this.#order = map.domains.map(({ domid }) => (domid === 0 ? -1 : next++));
    this.perNode = next > LETTERS.length;
  }
  /** One sign for each segment of a node; lower case = remote. */
  signs(segments: readonly Segment[]): string[] {
    let next = 0;
    return segments.map(({ kind, domain, remote }) => {
      if (kind === 'others') return remote ? this.fixed.othersRemote : this.fixed.others;
      if (kind !== 'vm') return this.fixed[kind];
      const letter = LETTERS[(this.perNode ? next++ : this.#order[domain]!) % LETTERS.length]!;
      return remote ? letter.toLowerCase() : letter;
    });
  }
  /** The letter of a VM on all nodes; empty if letters differ from node to node. */
  letter(domain: number): string {
    const order = this.#order[domain]!;
    return this.perNode || order < 0 ? '' : LETTERS[order]!;
  }
  paint(text: string, segment: Segment): string {
    if (!this.#color || text === '') return text;
    if (segment.kind === 'free') return `\u001b[2m${text}\u001b[0m`;
    if (segment.remote) return `\u001b[1;7;31m${text}\u001b[0m`;
    return segment.kind === 'vm' ? `\u001b[38;5;${COLORS[this.#order[segment.domain]! % COLORS.length]}m${text}\u001b[0m` : text;
  }
  warn(text: string): string {
    return this.#color ? `\u001b[1;31m${text}\u001b[0m` : text;
  }
  bold(text: string): string {
    return this.#color ? `\u001b[1m${text}\u001b[0m` : text;
  }
  name(name: string): string {
    return fitColumns(harmless(name === '' ? '(no name)' : name), NAME_COLUMNS);
  }
}

/**
 * Items two blanks apart on at most `maxLines` lines. Items without room are counted: "and 12
 * more". No item is broken.
 */
export function packItems(items: readonly string[], width: number, indent: number, maxLines: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const [index, item] of items.entries()) {
    const left = items.length - index;
    const joined = line === '' ? item : `${line}  ${item}`;
    const onLast = lines.length === maxLines - 1;
    // The last line keeps room for the count, unless all remaining items fit.
    const rest = items.slice(index + 1).reduce((sum, one) => sum + 2 + textColumns(one), 0);
    const reserve = onLast ? Math.min(rest, `  and ${left - 1} more`.length) : 0;
    if (textColumns(joined) + reserve <= width - indent) {
      line = joined;
    } else if (!onLast && line !== '') {
      lines.push(line);
      line = item;
    } else {
      line = line === '' ? `${left} items` : `${line}  and ${left} more`;
      break;
    }
  }
  if (line !== '') lines.push(line);
  return lines.map((text) => ' '.repeat(indent) + text);
}
