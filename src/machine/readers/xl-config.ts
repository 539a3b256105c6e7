// Meaning of an xl guest config: the VM that it asks for, and the CPUs that `cpus=` and `cpus_soft=` name on a given host.

import { formatList } from '../../base/bitset.js';
import { InputError } from '../../base/errors.js';
import { parseCount } from '../../base/lists.js';
import { hasControls } from '../../base/shown-text.js';
import { MIB } from '../../base/units.js';
import { type Host, LIMITS } from '../model.js';
import type { VmBoot, VmKind, VmSpec } from '../vm.js';
import type { InputText } from './input-text.js';
import { parseXlConfig, type XlSetting, type XlValue } from './xl-syntax.js';

/** 16 TiB: Xen's own bound on a host's memory on x86. */
const MAX_MIB = 16 * 1024 * 1024;

/** At least two settings that every guest config has, `name` among them or not. */
export function looksLikeXlConfig(text: string): boolean {
  return /^[ \t]*(?:name|type|builder|vcpus|maxvcpus|memory|maxmem|cpus|cpus_soft|kernel|disk|vif)[ \t]*=/m.test(text);
}

/**
 * Reads an xl guest config. `type` (or the old `builder`, `pvh`) decides the kind, PV when none is given, as xl does on x86.
 * `cpus` and `cpus_soft`: a string holds for every vCPU; of a list, item n is for vCPU n, and vCPUs past the list may run anywhere.
 * @param host needed for "all", "node:N" and to refuse CPUs that it has not
 * @throws InputError with file and line
 */
export function readXlConfig(input: InputText, host: Host): VmSpec {
  const config = new Config(input, parseXlConfig(input));
  const name = config.text('name');
  if (name === undefined || name === '') throw config.fault('name', 'expected a name, got none', 'add a line such as name = "web"');
  if (hasControls(name)) throw config.fault('name', 'expected a name without control characters', 'write it in letters, digits and signs');
  const vcpus = config.count('vcpus', LIMITS.vcpusPerVm);
  const vcpusMax = config.count('maxvcpus', LIMITS.vcpusPerVm) ?? vcpus ?? 1;
  const vcpusAtStartup = vcpus ?? vcpusMax;
  if (vcpusAtStartup > vcpusMax) {
    throw config.fault('vcpus', `expected at most maxvcpus (${vcpusMax}) vCPUs, got ${vcpusAtStartup}`, 'raise maxvcpus or lower vcpus');
  }
  const memory = config.count('memory', MAX_MIB);
  const maxmem = config.count('maxmem', MAX_MIB) ?? memory;
  const target = memory ?? maxmem;
  if (maxmem === undefined || target === undefined) {
    throw config.fault('memory', 'expected memory in MiB, got none', 'add a line such as memory = 4096');
  }
  if (target > maxmem) throw config.fault('maxmem', `expected at least memory (${target}), got ${maxmem}`, 'raise maxmem or lower memory');
  const params = [
    ['weight', config.count('cpu_weight', 65_535)],
    ['cap', config.count('cap', 65_535, 0)],
  ].filter(([, value]) => value !== undefined);
  const hard = config.affinity('cpus', host, vcpusMax);
  const soft = config.affinity('cpus_soft', host, vcpusMax);
  const boot = config.boot();
  return {
    name,
    kind: config.kind(),
    vcpusMax,
    vcpusAtStartup,
    memoryStaticMaxBytes: maxmem * MIB,
    memoryTargetBytes: target * MIB,
    vcpusParams: Object.fromEntries(params.map(([key, value]) => [key, String(value)])),
    ...(soft === undefined ? {} : { xlSoftCpus: soft }),
    ...(hard === undefined ? {} : { xlHardCpus: hard, xlHardCpusForm: config.isList('cpus') ? 'list' : 'string' }),
    ...(boot === undefined ? {} : { boot }),
  };
}

class Config {
  private readonly file: string;
  private readonly settings: ReadonlyMap<string, XlSetting>;

  constructor(input: InputText, settings: ReadonlyMap<string, XlSetting>) {
    this.file = input.file;
    this.settings = settings;
  }

  fault(name: string, message: string, mend: string): InputError {
    const line = this.settings.get(name)?.line;
    return new InputError(message, { file: this.file, ...(line === undefined ? {} : { line }), path: name }, mend);
  }

  text(name: string): string | undefined {
    const value = this.settings.get(name)?.value;
    if (value !== undefined && typeof value !== 'string') throw this.fault(name, 'expected a string, got a list', `write ${name} = "..."`);
    return value;
  }

  count(name: string, max: number, min = 1): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = /^0x[0-9a-fA-F]{1,8}$/.test(text) ? Number(text) : parseCount(text, max);
    if (value !== undefined && value >= min && value <= max) return value;
    throw this.fault(name, `expected a whole number from ${min} to ${max}, got '${text.slice(0, 40)}'`, 'write the number without a unit');
  }

  isList(name: string): boolean {
    return Array.isArray(this.settings.get(name)?.value);
  }

  /** `cmdline`, or made of `root` and `extra` (tools/xl/xl_parse.c, parse_cmdline). */
  boot(): VmBoot | undefined {
    const kernel = this.text('kernel');
    if (kernel === undefined || kernel === '') return undefined;
    const ramdisk = this.text('ramdisk');
    const root = this.text('root');
    const extra = this.text('extra');
    const made = [root === undefined ? undefined : `root=${root}`, extra].filter((part) => part !== undefined);
    const cmdline = this.text('cmdline') ?? (made.length === 0 ? undefined : made.join(' '));
    return {
      kernel,
      ...(ramdisk === undefined || ramdisk === '' ? {} : { ramdisk }),
      ...(cmdline === undefined ? {} : { cmdline }),
    };
  }

  kind(): VmKind {
    const type = this.text('type');
    const builder = this.text('builder');
    if (type !== undefined) {
      if (type === 'hvm' || type === 'pvh' || type === 'pv') return type;
      throw this.fault('type', `expected hvm, pvh or pv, got '${type.slice(0, 40)}'`, 'write type = "hvm"');
    }
    if (this.text('pvh') === '1') return 'pvh';
    if (builder === undefined || builder === 'generic' || builder === 'linux') return 'pv';
    if (builder === 'hvm') return 'hvm';
    throw this.fault('builder', `expected hvm or generic, got '${builder.slice(0, 40)}'`, 'write type = "hvm" instead');
  }

  affinity(name: string, host: Host, vcpus: number): number[][] | undefined {
    const value = this.settings.get(name)?.value;
    if (value === undefined) return undefined;
    const known = new Map<string, number[]>();
    const read = (item: XlValue): number[] => {
      if (typeof item !== 'string')
        throw this.fault(name, 'expected a list of strings, got a list in a list', `write ${name} = ["0-3", "4"]`);
      const cpus = known.get(item) ?? readCpus(item, host, (message) => this.fault(name, message, HOW));
      known.set(item, cpus);
      return cpus;
    };
    if (typeof value === 'string') return [read(value)];
    const lists = value.slice(0, vcpus).map(read);
    return lists.length < vcpus ? [...lists, host.cpus.map((cpu) => cpu.id)] : lists;
  }
}

const HOW = 'write items such as 3, 0-5, ^2, all, node:1, nodes:0-3 or ^node:2, separated by commas';

/** Items from left to right; `^` removes; `node:` and `nodes:` name all CPUs of nodes, by Xen's numbers (positions in the host). */
function readCpus(text: string, host: Host, fault: (message: string) => InputError): number[] {
  const chosen = new Set<number>();
  const last = host.cpus.at(-1)?.id ?? 0;
  const items = text.split(',').map((item) => item.trim());
  if (items.length > LIMITS.pcpus) throw fault(`expected at most ${LIMITS.pcpus} items, got ${items.length}`);
  for (const item of items) {
    const match = /^(\^?)(nodes?:)?(\^?)(?:all|(\d{1,9})(?:-(\d{1,9}))?)$/.exec(item);
    if (match === null) throw fault(`'${item.slice(0, 40)}' names no CPUs`);
    const [, before, nodes, within, first, second] = match;
    const from = Number(first ?? 0);
    const to = first === undefined ? Number.MAX_SAFE_INTEGER : Number(second ?? first);
    const bound = nodes === undefined ? last : host.nodes.length - 1;
    if (from > to || (first !== undefined && to > bound)) {
      throw fault(`'${item}' is not within ${nodes === undefined ? 'CPUs' : 'nodes'} 0-${bound} of the host ${host.name}`);
    }
    const members = host.cpus.filter((cpu) => {
      const number = nodes === undefined ? cpu.id : cpu.node;
      return number >= from && number <= to;
    });
    for (const { id } of members) (before ?? '') + (within ?? '') === '' ? chosen.add(id) : chosen.delete(id);
  }
  if (chosen.size === 0) throw fault(`'${text.slice(0, 40)}' leaves no CPU of ${formatList(host.cpus.map((cpu) => cpu.id))}`);
  return [...chosen].sort((a, b) => a - b);
}
