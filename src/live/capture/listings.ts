// A text from a host (a paste, a file, the output of our script over ssh), divided by command.
// Prompts, quote marks, colours and line wraps are removed. The content of a line decides to which
// listing it belongs; prompts and file names are only hints.
import { guardSize, type InputText } from '../../machine/readers/input-text.js';
import { cleanLines } from './text/clean-lines.js';
import type { LineForms } from './text/unwrapped.js';

export const LISTING_KINDS = [
  'xl info',
  'xenpm',
  'xl list',
  'xl vcpu-list',
  'xl cpupool-list',
  'xl cpupool-list -c',
  'numa dump',
  'xenstore-ls',
  'xl list -l',
  'libxl userdata',
  'list_domains',
  'hypercalls',
  'xe',
] as const;
export type ListingKind = (typeof LISTING_KINDS)[number];

export interface ListingLine {
  readonly text: string;
  /** 1-based, in the file. */
  readonly number: number;
}

/** The output of one command, including the heading. */
export interface Listing {
  readonly kind: ListingKind;
  readonly file: string;
  readonly lines: readonly ListingLine[];
  /** For libxl's userdata: the domain of the file. */
  readonly domid?: number;
}

/** "[root@host ~]# ", "[09:12 host ~]# " of XCP-ng, "host:~# ", "(base) root@host:~# " */
const PLACE = String.raw`(?:\([\w.-]+\) )?(?:\[?[\w.-]+@[\w.-]+[^#$%>]{0,80}\]?|\[\d{1,2}:\d{2} [\w.-]+[^#$%>]{0,80}\]|[\w.-]+:[~/][^#$%>]{0,80})`;
/** Behind the prompts of other shells and themes: "xcp-a# xl list", "root@xcp-a ~> xl list". */
const COMMAND = String.raw`(?:(?:sudo|doas|time) )*(?:xl|xm|xe|xenpm|xenstore-ls|virsh|numactl|lscpu|dmesg|exit|logout)(?:\s.*)?`;
/** With a command, or with none at the end of a session. */
const PROMPT = new RegExp(String.raw`^(?:(?:${PLACE})?[#$%] +\S.*|${PLACE}[#$%]\s*|\S[^:=|]{0,80}[#$%>\u276f\u203a\u00bb] ?${COMMAND})$`);

/** "name-label ( RW): db" */
const XE_FIELD = /^\s*[A-Za-z][\w-]* \( ?[SM]?R[OW]\)(?: \[DEPRECATED\])?\s*:/;

/**
 * How a listing begins. The first pattern that matches a line opens a listing of that kind, unless
 * the line continues the open one.
 */
const HEADS: readonly { readonly kind: ListingKind; readonly head: RegExp }[] = [
  { kind: 'xl vcpu-list', head: /^Name\s+ID\s+VCPU\s+CPU\s+State\s+Time/i },
  { kind: 'xl list', head: /^Name\s+ID\s+Mem(?:\([^)]*\))?\s+VCPUs\s+State\s+Time/i },
  { kind: 'xl cpupool-list -c', head: /^Name\s+CPU list\s*$/i },
  { kind: 'xl cpupool-list', head: /^Name\s+CPUs\s+Sched/i },
  { kind: 'xenpm', head: /^CPU\s+core\s+socket\s+node\s*$/ },
  {
    kind: 'numa dump',
    head: /^(?:\(XEN\)[ \t]?(?:\[[^\]]*\][ \t]?)?)?(?:Memory location of each domain:|(?:Domain |d)\d+ \(total: \d+\):|NODE\d+ start->|CPU\d+(?:\.\.\.\d+)? -> NODE\d+)/,
  },
  { kind: 'xenstore-ls', head: /^\/(?:local|vm|libxl|tool)(?:\/[^ =]*)? = "/ },
  { kind: 'hypercalls', head: /^\{"hypercalls": \d+, / },
  { kind: 'list_domains', head: /^\s*id\s+\|\s+uuid\s+\|\s+state\b/ },
  { kind: 'xl list -l', head: /^\[$|^\[\s*\{/ },
  { kind: 'xe', head: XE_FIELD },
  {
    // A row without its heading, as `xl vcpu-list | grep NAME` prints it.
    kind: 'xl vcpu-list',
    head: /^\S.*\s\d+\s+\d+\s+(?:\d+|-)\s+[-rbp]{3}\s+[\d.]+\s+(?:all|any cpu|\d[\d,-]*)(?:\s+\/\s+(?:all|none|\d[\d,-]*))?$/,
  },
  {
    // `xl list | grep NAME`
    kind: 'xl list',
    head: /^\S.*\s\d+\s+\d+\s+\d+\s+[-rbpscd]{6}\s+\d+\.\d(?:\s+(?:all|any node|none|\d[\d,-]*))?\s*$/,
  },
  {
    kind: 'xl info',
    head: /^(?:host|release|machine|nr_cpus|max_cpu_id|nr_nodes|cores_per_socket|threads_per_core|cpu_topology|numa_info|total_memory|free_memory|xen_major|xen_version)\s*:/,
  },
];

/** The form of each listing's lines after the heading. */
const ROW: Readonly<Record<ListingKind, RegExp>> = {
  'xl info': /^\s*(?:[a-z][a-z0-9_]*\s*:|cpu:\s|node:\s|\d+:)/,
  xenpm: /^CPU\d+/,
  'xl list': /\s\d+\s+\d+\s+\d+\s+[-rbpscd]{5,7}\s+[\d.]+/,
  'xl vcpu-list': /\s\d+\s+\d+\s+(?:\d+|-)\s+[-rbp]{2,3}\s+[\d.]+\s+\S/,
  'xl cpupool-list': /\s\d+\s+\w+\s+[yn]\s+\d+/i,
  'xl cpupool-list -c': /\s\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*\s*$/,
  'numa dump': /^\(XEN\)|^\s*Node \d+: \d+|^(?:Domain |d)\d+ \(total|^NODE\d+|^CPU\d+|^PXM|vnode|^\s+\d+ \(/,
  'xenstore-ls': /^\/\S* = "/,
  'xl list -l': /./,
  'libxl userdata': /./,
  list_domains: /^\s*\d{1,5}\s+\|\s+[0-9a-f]{8}-[0-9a-f-]{27}\s+\|/i,
  // One line.
  hypercalls: /^\{"hypercalls"/,
  xe: XE_FIELD,
};
/** Rows of tables that go on after a line of something else, such as a message of the kernel. */
const TABLE_ROW: Partial<Readonly<Record<ListingKind, RegExp>>> = {
  'xl info': /^\s*\d+:\s+\d+\s+\d+\s+[\d,]+\s*$/,
  'numa dump': /^\(XEN\)|^\s*Node \d+: \d+\s*$/,
};
/** Tables with rows so long that a mail program or a forum may wrap them. */
const WRAPS: ReadonlySet<ListingKind> = new Set(['xl list', 'xl vcpu-list', 'xenstore-ls']);
/** The end of a wrapped heading of those tables. */
const HEADING_END = /^\s*(?:State\s*)?(?:Time\(s\)\s*)?(?:NODE\s*)?(?:Affinity\s*)?(?:\(Hard\s*)?(?:\/\s*)?(?:Soft\)\s*)?$/;
/** Listings whose lines have no form of their own, or that of the rest of others. */
const ANYTHING: ReadonlySet<string> = new Set(['xl list -l', 'libxl userdata', 'xl cpupool-list -c']);
/** A row that ends too early: the rest is on the next line. */
const UNFINISHED = /[,/]\s*$/;

/** A mark of our own script: it names the command of the lines that follow. */
const MARK = /^@@xennuma(?::[\w-]+)? (.+?)\s*$/;

/**
 * The listings of a text in their order; prose between them is skipped.
 * @throws InputError when the text is empty or longer than a listing may be
 */
export function splitListings(input: InputText): Listing[] {
  guardSize(input);
  const splitter = new Splitter(input.file);
  for (const line of cleanLines(input.text, LISTING_FORMS)) splitter.take(line);
  return splitter.listings;
}

interface OpenListing {
  readonly kind: ListingKind;
  readonly lines: ListingLine[];
}

/** A row that lacks its last column: `NODE Affinity` of `xl list`, `Soft` of `xl vcpu-list`. */
function lacksEnd({ kind, lines }: OpenListing): boolean {
  const heading = lines[0]!.text;
  const last = lines.at(-1)!.text;
  if (lines.length < 2 || !ROW[kind].test(last)) return false;
  if (kind === 'xl vcpu-list') return /Hard \/ Soft/.test(heading) && !/[-rbp]{2,3}\s+[\d.]+\s+[^/]+\/\s*\S/.test(last);
  return kind === 'xl list' && /NODE Affinity\s*$/i.test(heading) && /[-rbpscd]{5,7}\s+[\d.]+\s*$/.test(last);
}

class Splitter {
  readonly listings: { kind: ListingKind; file: string; lines: ListingLine[]; domid?: number }[] = [];
  readonly #file: string;
  #open: OpenListing | null = null;
  /** A line that is not a complete row: the first half of a wrapped row, or prose. */
  #half: ListingLine | null = null;
  /** A listing with a numbered table that a line of something else has cut. */
  #cut: OpenListing | null = null;
  #afterBlank = false;

  constructor(file: string) {
    this.#file = file;
  }

  take(line: ListingLine): void {
    if (this.#isBoundary(line.text)) return;
    const head = HEADS.find(({ head: pattern }) => pattern.test(line.text))?.kind;
    if (head === undefined && this.#open === null && this.#cut !== null && TABLE_ROW[this.#cut.kind]?.test(line.text))
      this.#open = this.#cut;
    const open = this.#open;
    const afterBlank = this.#afterBlank;
    this.#afterBlank = line.text.trim() === '';
    if (open !== null && this.#continues(open, line, head, afterBlank)) return;
    if (head !== undefined) this.#start(head, [line]);
    else if (open !== null && line.text.trim() !== '') this.#halfOrEnd(open, line);
  }

  #start(kind: ListingKind, lines: ListingLine[], domid?: number): void {
    const listing = { kind, file: this.#file, lines, ...(domid === undefined ? {} : { domid }) };
    this.listings.push(listing);
    this.#open = listing;
    this.#cut = null;
    this.#half = null;
  }

  /** Prompts and the marks of our script close the open listing. */
  #isBoundary(text: string): boolean {
    const mark = MARK.exec(text);
    if (mark === null && !PROMPT.test(text)) return false;
    this.#open = null;
    this.#cut = null;
    const userdata = /^libxl userdata (\d+)$/.exec(mark?.[1] ?? '');
    if (userdata !== null) this.#start('libxl userdata', [], Number(userdata[1]));
    return true;
  }

  #continues(open: OpenListing, line: ListingLine, head: ListingKind | undefined, afterBlank: boolean): boolean {
    const { kind, lines } = open;
    const last = lines.at(-1);
    if (kind === 'libxl userdata' || (kind === 'xl list -l' && !/^\]/.test(last?.text ?? ''))) {
      lines.push(line);
      return true;
    }
    if (kind === 'xl list -l') return false;
    if (last !== undefined && lines.length === 1 && WRAPS.has(kind) && line.text.trim() !== '' && HEADING_END.test(line.text)) {
      lines[0] = { text: `${last.text.trimEnd()} ${line.text.trim()}`, number: last.number };
      return true;
    }
    if (
      last !== undefined &&
      kind !== 'numa dump' &&
      (UNFINISHED.test(last.text) || lacksEnd(open)) &&
      head === undefined &&
      line.text.trim() !== ''
    ) {
      const glue = last.text.trimEnd().endsWith(',') ? '' : ' ';
      lines[lines.length - 1] = { text: `${last.text.trimEnd()}${glue}${line.text.trim()}`, number: last.number };
      return true;
    }
    if (head !== undefined && head !== kind) return false;
    if (kind === 'xe' && head === undefined && last !== undefined && !afterBlank && line.text.trim() !== '') {
      lines[lines.length - 1] = { text: `${last.text.trimEnd()} ${line.text.trim()}`, number: last.number };
      return true;
    }
    if (head !== kind && !ROW[kind].test(line.text)) return false;
    this.#half = null;
    lines.push(line);
    return true;
  }

  #halfOrEnd(open: OpenListing, line: ListingLine): void {
    if (WRAPS.has(open.kind)) {
      const half = this.#half;
      const joined = half === null ? null : { text: `${half.text.trimEnd()} ${line.text.trim()}`, number: half.number };
      if (joined !== null && ROW[open.kind].test(joined.text)) {
        open.lines.push(joined);
        this.#half = null;
        return;
      }
      if (half === null) {
        this.#half = line;
        return;
      }
    }
    this.#open = null;
    this.#cut = open;
    this.#half = null;
  }
}

function begins(text: string): boolean {
  return HEADS.some(({ kind, head }) => !ANYTHING.has(kind) && head.test(text));
}

/**
 * First lines that no other text has, wherever they stand in a line. A row without its heading is
 * none, but that of Domain-0, whose name is known.
 */
const CERTAIN_HEADS: readonly RegExp[] = [
  ...HEADS.filter(
    ({ kind }, at) => !ANYTHING.has(kind) && kind !== 'xl info' && HEADS.findIndex((first) => first.kind === kind) === at,
  ).map(({ head }) => head),
  /^Name\s+CPU list\s*$/i,
  /^(?:host|release|machine)\s{2,}: /,
  /^(?:nr_cpus|max_cpu_id|nr_nodes|cores_per_socket|threads_per_core|cpu_topology|numa_info|total_memory|free_memory|xen_major|xen_version)\s*:/,
  /^(?:cpu:\s+core\s+socket\s+node|node:\s+memsize\s+memfree\s+distances?)\s*$/,
  /^Domain-0\s+0\s+\d+\s+(?:\d+|-)\s+[-rbpscd]{2,7}\s+[\d.]+/,
];
/** Words of each of them: most lines of a text have none, which this tells at once. */
const WORDS_OF_HEADS =
  /Name\s+(?:ID|CPU)|CPU\s+core|core\s+socket|memsize|(?:Memory location|total: \d|NODE\d)|"hypercalls"|uuid\s+\|\s+state|\/(?:local|vm|libxl|tool)|\( ?[SM]?R[OW]\)|(?:host|release|machine|nr_\w{4,5}|max_cpu_id|per_\w{4,6}|cpu_topology|numa_info|_memory|xen_\w{5,7})\s*:|Domain-0\s+0\s/i;

const heads = { mayHave: (line: string) => WORDS_OF_HEADS.test(line), is: (text: string) => CERTAIN_HEADS.some((head) => head.test(text)) };

/** A line that begins or continues a listing by itself, so that it is no rest of a wrapped one. */
function standsAlone(text: string): boolean {
  const isRow = Object.entries(ROW).some(([kind, row]) => !ANYTHING.has(kind) && row.test(text));
  return isRow || MARK.test(text) || PROMPT.test(text) || HEADS.some(({ head }) => head.test(text));
}

function isRow(text: string): boolean {
  return ROW['xl list'].test(text) || ROW['xl vcpu-list'].test(text);
}

/** xl pads the name of a domain to 32 columns (xl_vcpu.c) or 40 (xl_list.c). */
const PADDING = 32;

/** A row that begins in the middle of a name, or behind it. */
function lacksName(text: string): boolean {
  const name = /^(.*?)\s\d+\s+\d+\s+(?:\d+|-)\s+[-rbpscd]{2,7}\s/.exec(text)?.[1];
  return name !== undefined && name.length < PADDING;
}

/** How lines of Xen's tools are told from the rests of others. */
export const LISTING_FORMS: LineForms = { standsAlone, begins, heads, isRow, lacksName };
