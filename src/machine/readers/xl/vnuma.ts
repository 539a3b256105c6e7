// `vnuma=` of an xl guest config: virtual nodes with their memory, vCPUs, distances and physical
// node (Xen 4.17, tools/xl/xl_parse.c 579-756, parse_vnuma_config).
import { strtoul } from './c-numbers.js';
import { maskBits, parseRange, type XlMachine } from './cpu-list.js';
import type { XlValue } from './grammar.js';
import type { XlSettings } from './settings.js';

/** A virtual node as xl keeps it. */
export interface XlVnode {
  /** Xen's number of the physical node; 0 when the config gives none. */
  readonly pnode: number;
  /** Undefined when the config gives none: libxl then refuses the start. */
  readonly sizeKib: number | undefined;
  /** Ascending. */
  readonly vcpus: readonly number[];
  /** Index = virtual node; 0 where the config gives none, as xl leaves it. */
  readonly distances: readonly number[];
}

export interface XlVnuma {
  readonly nodes: readonly XlVnode[];
  /** Sum over the nodes, a vCPU that is in two of them counted twice: xl's maximum of vCPUs. */
  readonly vcpus: number;
  readonly sizeKib: number;
  /** Whether a node names its physical node. xl then does no placement of its own. */
  readonly hasPnode: boolean;
}

const ULONG_MAX = 2n ** 64n - 1n;
/** Above any number of vCPUs that this project accepts; xl would count for hours. */
const MOST_VCPUS = 65_536;

/**
 * Undefined without `vnuma`, for an empty list, and for a string, which xl ignores without a
 * message.
 * @param maxVcpus `maxvcpus`, 0 when it is not given
 * @throws InputError for a config that xl refuses
 */
export function parseVnuma(settings: XlSettings, machine: XlMachine, maxVcpus: number): XlVnuma | undefined {
  const list = settings.list('vnuma');
  if (list === undefined || list.length === 0) return undefined;
  const reader = new VnodeReader(settings, machine, maxVcpus > 0 ? Math.ceil(maxVcpus / 8) * 8 : maskBits(machine), list.length);
  const nodes = list.map((spec) => reader.read(spec));
  return {
    nodes,
    vcpus: reader.vcpus,
    sizeKib: nodes.reduce((sum, { sizeKib }) => sum + (sizeKib ?? 0), 0),
    hasPnode: reader.hasPnode,
  };
}

interface DraftVnode {
  pnode: number;
  sizeKib: number | undefined;
  readonly vcpus: Set<number>;
  readonly distances: number[];
}

class VnodeReader {
  vcpus = 0;
  hasPnode = false;
  readonly #settings: XlSettings;
  readonly #machine: XlMachine;
  readonly #vcpuBits: number;
  readonly #count: number;

  constructor(settings: XlSettings, machine: XlMachine, vcpuBits: number, count: number) {
    this.#settings = settings;
    this.#machine = machine;
    this.#vcpuBits = vcpuBits;
    this.#count = count;
  }

  read(spec: XlValue): XlVnode {
    if (typeof spec === 'string') throw this.#refusal('expected a list for each virtual node, got a string');
    const node: DraftVnode = { pnode: 0, sizeKib: undefined, vcpus: new Set(), distances: new Array<number>(this.#count).fill(0) };
    for (const option of spec) if (typeof option === 'string') this.#option(option, node);
    return { ...node, vcpus: [...node.vcpus].sort((a, b) => a - b) };
  }

  #option(text: string, node: DraftVnode): void {
    const [name, value] = text.split('=').filter((part) => part !== '');
    if (name === undefined || value === undefined) throw this.#refusal(`expected an option such as "size=1024", got '${clip(text)}'`);
    switch (name.trim()) {
      case 'pnode': {
        const pnode = Number(this.#number(value));
        if (pnode >= this.#machine.nodes)
          throw this.#refusal(`node ${pnode} does not exist; the host has nodes 0-${this.#machine.nodes - 1}`);
        node.pnode = pnode;
        this.hasPnode = true;
        return;
      }
      case 'size':
        node.sizeKib = Number(this.#number(value)) * 1024;
        return;
      case 'vcpus':
        for (const item of value.trim().split(',')) if (item !== '') this.#vcpuRange(item, node.vcpus);
        return;
      case 'vdistances': {
        const items = value
          .trim()
          .split(',')
          .filter((item) => item !== '');
        if (items.length > this.#count)
          throw this.#refusal(`expected at most ${this.#count} distances, one a virtual node, got ${items.length}`);
        items.forEach((item, index) => {
          node.distances[index] = Number(BigInt.asUintN(32, this.#number(item)));
        });
        return;
      }
      default:
        this.#settings.warnings.push(`vnuma: xl does not know the option '${clip(name.trim())}' and ignores it.`);
    }
  }

  /** xl reads the leading number and ignores the rest. */
  #number(text: string): bigint {
    const number = strtoul(text.trim());
    if (number === null || number.value === ULONG_MAX) throw this.#refusal(`expected a number, got '${clip(text)}'`);
    return number.value;
  }

  /** xl ignores parse_range's result: "x" is vCPU 0, "3x" is vCPU 3, "5-2" is none. */
  #vcpuRange(item: string, vcpus: Set<number>): void {
    const first = strtoul(item)?.value ?? 0n;
    const second = /^[^-]*\d-/.test(item) ? (strtoul(item.slice(item.indexOf('-') + 1))?.value ?? 0n) : first;
    const range = parseRange(item) ?? { from: first, to: second };
    if (range.to - range.from > MOST_VCPUS) throw this.#refusal(`'${clip(item)}' is more vCPUs than any guest may have`);
    for (let vcpu = range.from; vcpu <= range.to; vcpu++) {
      if (vcpu < this.#vcpuBits) vcpus.add(Number(vcpu));
      this.vcpus++;
    }
  }

  #refusal(message: string) {
    return this.#settings.refusal('vnuma', message, 'write vnuma = [ ["pnode=0","size=2048","vcpus=0-1","vdistances=10,20"], ... ]');
  }
}

function clip(text: string): string {
  return text.slice(0, 40);
}
