// list_domains of xapi's hosts: Xen's domains by number and uuid, without their names. xen-bugtool
// takes it without options; -all and -memory add columns
// (ocaml/xenopsd/list_domains/list_domains.ml).
import { MIB, PAGE_BYTES } from '../../../base/units.js';
import type { Listing } from '../listings.js';
import type { ListedDomain } from '../xl-tables.js';

export interface NumberedDomain {
  readonly domid: number;
  /** undefined for a domain that was given none, such as Domain-0. */
  readonly uuid?: string;
  readonly state: ListedDomain['state'];
  /** With -all and -memory. */
  readonly memoryMib?: number;
  /** Those online, with -all. */
  readonly vcpus?: number;
}

const NO_UUID = /^[0-]+$/;
/** Bytes of one unit of the column. */
const UNITS: Readonly<Record<string, number>> = { 'tot MiB': MIB, 'tot bytes': 1, 'tot pages': PAGE_BYTES };

/** "id | uuid | state | ...": the columns are those of the heading. */
export function readListDomains({ lines }: Listing): NumberedDomain[] {
  const [heading = [], ...rows] = lines.map(({ text }) => text.split('|').map((cell) => cell.trim()));
  return rows.map((cells) => {
    const cell = (name: string) => cells[heading.indexOf(name)] ?? '';
    const count = (name: string) => (/^\d{1,16}$/.test(cell(name)) ? Number(cell(name)) : undefined);
    const unit = Object.keys(UNITS).find((name) => heading.includes(name));
    const size = unit === undefined ? undefined : count(unit);
    const vcpus = count('vcpus online');
    return {
      domid: Number(cell('id')),
      state: stateOf(cell('state')),
      ...(NO_UUID.test(cell('uuid')) ? {} : { uuid: cell('uuid').toLowerCase() }),
      ...(size === undefined ? {} : { memoryMib: Math.floor((size * UNITS[unit!]!) / MIB) }),
      ...(vcpus === undefined ? {} : { vcpus }),
    };
  });
}

/** A letter for each that is true: dying, shutdown, paused, blocked, running, and H for HVM. */
function stateOf(letters: string): ListedDomain['state'] {
  if (letters.includes('D')) return 'dying';
  if (letters.includes('S')) return 'shutdown';
  if (letters.includes('P')) return 'paused';
  return letters.includes('R') ? 'running' : 'blocked';
}
