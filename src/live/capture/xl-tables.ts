// The tables that xl prints for domains, their vCPUs and the CPU pools (tools/xl/xl_list.c,
// xl_vcpu.c, xl_cpupool.c of Xen 4.17).
import { InputError } from '../../base/errors.js';
import { LIMITS } from '../../machine/model.js';
import type { Listing, ListingLine } from './listings.js';
import { withoutRowPrefix } from './text/row-prefix.js';

export interface ListedDomain {
  readonly domid: number;
  readonly name: string;
  readonly memoryMib: number;
  readonly vcpus: number;
  readonly state: 'running' | 'blocked' | 'paused' | 'shutdown' | 'dying';
  readonly crashed: boolean;
  /** `xl list -v`. */
  readonly uuid?: string;
  /** `xl list -n`: some nodes, or all of them. */
  readonly nodeAffinity?: readonly number[] | 'all';
}

/** CPUs of an affinity; 'all' as xl prints it. */
export type ListedMask = readonly number[] | 'all';

export interface ListedVcpu {
  readonly domid: number;
  readonly name: string;
  readonly vcpu: number;
  /** The CPU it runs on, or last ran on; null while it is offline. */
  readonly cpu: number | null;
  readonly hard: ListedMask;
  /** null: there is no such column (Xen before 4.5). */
  readonly soft: ListedMask | null;
}

export interface ListedPool {
  readonly name: string;
  /** null: `xl cpupool-list` without -c prints only the number of CPUs. */
  readonly cpus: readonly number[] | null;
  /** The number of CPUs that `xl cpupool-list` without -c prints. */
  readonly count?: number;
  /** Are the CPUs of the list in ascending order? The end of a list that was cut off may not be. */
  readonly ascending: boolean;
  readonly scheduler: string | null;
}

const DOMAIN_ROW = /^(.+?)\s+(\d{1,5})\s+(\d{1,12})\s+(\d{1,5})\s+([-rbpscd]{5,7})\s+([\d.]+)\s*(.*)$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

const HEADING = /^Name\s+ID\s/i;

function headingOf({ lines }: Listing): string | undefined {
  return lines.find(({ text }) => HEADING.test(text))?.text;
}

function rowsOf(listing: Listing, kind: 'xl list' | 'xl vcpu-list'): ListingLine[] {
  const rows = listing.lines.filter(({ text }) => !HEADING.test(text));
  const texts = rows.map(({ text }) => text);
  return withoutRowPrefix(texts, headingOf(listing), kind).map((text, at) => ({ text, number: rows[at]!.number }));
}

/** Rows of `xl list`, with -n and -v; a damaged row is refused. */
export function readDomains(listing: Listing): ListedDomain[] {
  const heading = headingOf(listing);
  return rowsOf(listing, 'xl list').flatMap((line): ListedDomain[] => {
    const match = DOMAIN_ROW.exec(line.text);
    if (match === null || !isName(match[1]!)) throw damaged(listing, line, 'a domain: name, ID, memory, vCPUs, state, time');
    const [, name, domid, memory, vcpus, state, , rest] = match;
    const words = rest!.split(/\s+/).filter((word) => word !== '');
    const uuid = words.find((word) => UUID.test(word));
    // Without the heading, one word behind the time is that of -n: -v prints several.
    const hasNodes = heading === undefined ? words.length === 1 : /NODE Affinity\s*$/i.test(heading);
    const nodes = hasNodes ? readMask(words.at(-1) ?? '', LIMITS.nodes) : undefined;
    return [
      {
        domid: Number(domid),
        name: name!,
        memoryMib: Number(memory),
        vcpus: Number(vcpus),
        state: stateOf(state!),
        crashed: state!.includes('c'),
        ...(uuid === undefined ? {} : { uuid: uuid.toLowerCase() }),
        ...(nodes === undefined ? {} : { nodeAffinity: nodes }),
      },
    ];
  });
}

/** A row that lost its name, or was joined with the row before it, has none. */
function isName(text: string): boolean {
  return text.trim() !== '' && !/\s[-rbpscd]{2,7}\s+\d+\.\d/.test(text);
}

function stateOf(letters: string): ListedDomain['state'] {
  if (letters.includes('d')) return 'dying';
  if (letters.includes('s') || letters.includes('c')) return 'shutdown';
  if (letters.includes('p')) return 'paused';
  return letters.includes('r') ? 'running' : 'blocked';
}

const VCPU_ROW = /^(.+?)\s+(\d{1,5})\s+(\d{1,5})\s+(\d{1,5}|-)\s+([-rbp]{2,3})\s+([\d.]+)\s+([^/]+?)(?:\s*\/\s*([^/]+?))?\s*$/;

/** Rows of `xl vcpu-list`; a damaged row is refused. */
export function readVcpus(listing: Listing): ListedVcpu[] {
  return rowsOf(listing, 'xl vcpu-list').flatMap((line): ListedVcpu[] => {
    const match = VCPU_ROW.exec(line.text);
    if (match === null || !isName(match[1]!)) throw damaged(listing, line, 'a vCPU: name, ID, vCPU, CPU, state, time, affinity');
    const [, name, domid, vcpu, cpu, , , hardText, softText] = match;
    const hard = readMask(hardText!, LIMITS.pcpus);
    const soft = softText === undefined ? null : readMask(softText, LIMITS.pcpus);
    if (hard === undefined || soft === undefined) throw damaged(listing, line, "an affinity such as 'all' or '0-3,8'");
    return [{ domid: Number(domid), name: name!, vcpu: Number(vcpu), cpu: cpu === '-' ? null : Number(cpu), hard, soft }];
  });
}

/** Rows of `xl cpupool-list`, with and without -c. */
export function readPools(listing: Listing): ListedPool[] {
  const withCpus = listing.kind === 'xl cpupool-list -c';
  return listing.lines.flatMap((line): ListedPool[] => {
    if (/^Name\s+CPU/i.test(line.text)) return [];
    if (withCpus) {
      const match = /^(.+?)\s+([\d,-]+)\s*$/.exec(line.text);
      const cpus = readMask(match?.[2] ?? '', LIMITS.pcpus);
      if (match === null || cpus === undefined || cpus === 'all') throw damaged(listing, line, 'a CPU pool: name, CPUs');
      const first = match[2]!.split(',').map((item) => Number.parseInt(item, 10));
      const ascending = first.every((cpu, at) => at === 0 || cpu > first[at - 1]!);
      return [{ name: match[1]!, cpus, ascending, scheduler: null }];
    }
    const match = /^(.+?)\s+(\d{1,5})\s+(\w+)\s+[yn]\s+\d+/i.exec(line.text);
    if (match === null) throw damaged(listing, line, 'a CPU pool: name, number of CPUs, scheduler, active, domains');
    return [{ name: match[1]!, cpus: null, count: Number(match[2]), ascending: true, scheduler: match[3]! }];
  });
}

/** "0-3,8", "all", "any cpu", "any node", "none"; undefined for anything else. */
function readMask(text: string, below: number): ListedMask | undefined {
  const plain = text.trim().toLowerCase();
  if (plain === 'all' || plain === 'any' || plain === 'any cpu' || plain === 'any node') return 'all';
  if (plain === 'none' || plain === '-') return [];
  const members = new Set<number>();
  for (const item of plain.split(',')) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(item.trim());
    if (match === null) return undefined;
    const [from, to] = [Number(match[1]), Number(match[2] ?? match[1])];
    if (from > to || to >= below) return undefined;
    for (let member = from; member <= to; member++) members.add(member);
  }
  return [...members].sort((a, b) => a - b);
}

function damaged(listing: Listing, line: ListingLine, expected: string): InputError {
  const shown = line.text.length > 70 ? `${line.text.slice(0, 70)}...` : line.text;
  return new InputError(
    `expected ${expected}, got '${shown}'`,
    { file: listing.file, line: line.number },
    `take \`${listing.kind}\` again`,
  );
}
