// Reader of libvirt's <domain type='xen'>: the VM that libvirt's Xen driver passes to libxl
// (libvirt, src/libxl/libxl_conf.c: libxlMakeDomBuildInfo, libxlSetVcpuAffinities and
// libxlMakeVnumaList).
import { InputError } from '../../../base/errors.js';
import { hasControls } from '../../../base/safe-text.js';
import { KIB, MIB } from '../../../base/units.js';
import { type Host, LIMITS, presentCpus } from '../../model.js';
import type { VirtualNode, VmBoot, VmKind, VmSpec } from '../../vm.js';
import type { InputText } from '../input-text.js';
import { parseCpuSet, parseMemoryBytes } from './values.js';
import { childAt, childrenAt, parseXml, type XmlElement } from './xml-tree.js';

/** XML with a <domain> in its first part: a comment and a declaration may come before. */
export function looksLikeLibvirtXml(text: string): boolean {
  const start = text.slice(0, 65_536);
  return /^\uFEFF?\s*</.test(start) && /<domain[\s/>]/.test(start);
}

/**
 * The domains of a file: one, several one behind the other, or within <domains> or <domstatus>.
 * @throws InputError with file and line
 */
export function readLibvirtXml(input: InputText, host: Host): VmSpec[] {
  const domains = parseXml(input).flatMap((element) => (element.name === 'domain' ? [element] : childrenAt(element, 'domain')));
  if (domains.length === 0) {
    throw new InputError('expected a <domain>, found none', { file: input.file }, 'write the file with `virsh dumpxml NAME`');
  }
  return domains.map((domain) => new DomainReader(input.file, domain, host).read());
}

/** 16 TiB: Xen's own bound on a host's memory on x86. */
const MOST_BYTES = 16 * 2 ** 40;
const UUID = /^[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}$/i;

class DomainReader {
  readonly #file: string;
  readonly #domain: XmlElement;
  readonly #host: Host;
  readonly #notes: string[] = [];

  constructor(file: string, domain: XmlElement, host: Host) {
    this.#file = file;
    this.#domain = domain;
    this.#host = host;
  }

  read(): VmSpec {
    const { type } = this.#domain.attributes;
    if (type !== 'xen') {
      throw this.#fault(
        this.#domain,
        `expected a domain of type 'xen', got '${String(type).slice(0, 40)}'`,
        'give VMs that libvirt runs on Xen',
      );
    }
    const uuid = this.#text('uuid');
    if (uuid !== undefined && !UUID.test(uuid))
      throw this.#fault(this.#at('uuid'), `'${uuid.slice(0, 40)}' is no UUID`, 'take it from `uuidgen`');
    const { vcpusMax, vcpusAtStartup } = this.#vcpus();
    const vnuma = this.#virtualNodes();
    const boot = this.#boot();
    const hard = this.#pins(vcpusMax);
    const shares = this.#text('cputune/shares');
    this.#noteIgnored();
    return {
      name: this.#name(),
      ...(uuid === undefined ? {} : { uuid: dashed(uuid) }),
      kind: this.#kind(),
      vcpusMax,
      vcpusAtStartup,
      ...this.#memory(vnuma),
      vcpusParams: shares === undefined ? {} : { weight: String(this.#number(this.#at('cputune/shares'), shares, 1, 65_535)) },
      ...(hard === undefined ? {} : { xlHardCpus: hard, xlHardCpusForm: 'list' }),
      ...(vnuma.length === 0 ? {} : { vnuma }),
      ...(boot === undefined ? {} : { boot }),
      ...(this.#notes.length === 0 ? {} : { notes: this.#notes }),
    };
  }

  #fault(at: XmlElement, message: string, mend: string): InputError {
    return new InputError(`<${at.name}>: ${message}`, { file: this.#file, line: at.line }, mend);
  }

  /** The element must exist. */
  #at(path: string): XmlElement {
    return childAt(this.#domain, path)!;
  }

  #text(path: string): string | undefined {
    return childAt(this.#domain, path)?.text.trim();
  }

  #number(at: XmlElement, text: string, least: number, most: number): number {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw this.#fault(at, `expected a whole number from ${least} to ${most}, got '${text.slice(0, 40)}'`, 'correct it');
  }

  #name(): string {
    const name = childAt(this.#domain, 'name')?.text ?? '';
    if (name.trim() === '') throw this.#fault(this.#domain, 'expected a <name>, got none', 'give the domain a name');
    if (name.length > 200) throw this.#fault(this.#at('name'), 'expected at most 200 characters', 'shorten the name');
    if (hasControls(name)) {
      throw this.#fault(this.#at('name'), 'expected a name without control characters', 'write it in letters, digits and signs');
    }
    return name;
  }

  /** <os><type machine='xenpvh'>xen</type>; 'linux' is an old word for 'xen'. */
  #kind(): VmKind {
    const type = childAt(this.#domain, 'os/type');
    // A domain with a bootloader needs no <os>: it is PV.
    const word = type?.text.trim() ?? 'xen';
    if (word === 'xenpvh' || (word !== 'hvm' && type?.attributes.machine === 'xenpvh')) return 'pvh';
    if (word === 'hvm') return 'hvm';
    if (word === 'xen' || word === 'linux') return 'pv';
    throw this.#fault(type!, `expected hvm, xen, linux or xenpvh, got '${word.slice(0, 40)}'`, 'correct <os><type>');
  }

  #vcpus(): { vcpusMax: number; vcpusAtStartup: number } {
    const vcpu = childAt(this.#domain, 'vcpu');
    if (vcpu === undefined) return { vcpusMax: 1, vcpusAtStartup: 1 };
    const vcpusMax = this.#number(vcpu, vcpu.text.trim(), 1, LIMITS.vcpusPerVm);
    const { current } = vcpu.attributes;
    // <vcpus> says of each whether it is online, and wins.
    const listed = childrenAt(this.#domain, 'vcpus/vcpu');
    const online = listed.filter(({ attributes }) => attributes.enabled === 'yes').length;
    if (listed.length > 0) return { vcpusMax, vcpusAtStartup: Math.min(vcpusMax, Math.max(1, online)) };
    return { vcpusMax, vcpusAtStartup: current === undefined ? vcpusMax : this.#number(vcpu, current, 1, vcpusMax) };
  }

  /** Xen takes whole MiB, so libvirt rounds up. The memory of <cpu><numa> wins over <memory>. */
  #memory(vnuma: readonly VirtualNode[]): Pick<VmSpec, 'memoryStaticMaxBytes' | 'memoryTargetBytes'> {
    const memory = childAt(this.#domain, 'memory');
    if (memory === undefined && vnuma.length === 0)
      throw this.#fault(this.#domain, 'expected <memory>, got none', 'say how much memory it has');
    const totalBytes = vnuma.length > 0 ? vnuma.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0) : this.#bytes(memory!);
    const roundUp = (bytes: number) => Math.ceil(bytes / MIB) * MIB;
    const most = roundUp(totalBytes);
    const now = childAt(this.#domain, 'currentMemory');
    const target = now === undefined ? most : roundUp(this.#bytes(now));
    return { memoryStaticMaxBytes: most, memoryTargetBytes: target === 0 ? most : Math.min(most, target) };
  }

  #bytes(at: XmlElement, text = at.text): number {
    const bytes = parseMemoryBytes(text, at.attributes.unit);
    if (bytes === undefined) {
      const unit = at.attributes.unit ?? 'KiB';
      throw this.#fault(
        at,
        `expected a size, got '${text.trim().slice(0, 40)}' in '${unit.slice(0, 20)}'`,
        "write a whole number, and a unit such as unit='GiB'",
      );
    }
    if (bytes > MOST_BYTES || (bytes < KIB && at.name !== 'currentMemory')) {
      throw this.#fault(at, `expected from 1 KiB to ${MOST_BYTES / 2 ** 40} TiB`, 'correct the size');
    }
    return bytes;
  }

  /**
   * Hard affinity by vCPU, as a list: it stops libxl's automatic placement. vCPUs without a pin may
   * run on all CPUs. Undefined when nothing is pinned.
   */
  #pins(vcpusMax: number): number[][] | undefined {
    const vcpu = childAt(this.#domain, 'vcpu');
    const { cpuset, placement } = vcpu?.attributes ?? {};
    if (placement === 'auto') {
      this.#notes.push("<vcpu placement='auto'>: libvirt's driver for Xen asks no numad, and pins nothing");
    }
    const common = cpuset === undefined || placement === 'auto' ? undefined : this.#cpus(vcpu!, cpuset);
    if (common !== undefined) {
      this.#notes.push(
        '<vcpu cpuset>: planned as a pin of each vCPU without <vcpupin>; recent versions of libvirt hand only <vcpupin> to libxl',
      );
    }
    const pins = new Map<number, number[]>();
    for (const pin of childrenAt(this.#domain, 'cputune/vcpupin')) {
      const id = this.#number(pin, pin.attributes.vcpu ?? '', 0, 65_535);
      if (id >= vcpusMax) {
        this.#notes.push(`<vcpupin vcpu='${id}'>: the domain has ${vcpusMax} vCPUs, and libvirt passes over it`);
        continue;
      }
      if (pins.has(id)) throw this.#fault(pin, `vCPU ${id} is pinned twice`, 'leave one of them out');
      pins.set(id, this.#cpus(pin, pin.attributes.cpuset ?? ''));
    }
    if (pins.size === 0 && common === undefined) return undefined;
    const all = this.#host.cpus.map(({ id }) => id);
    return Array.from({ length: vcpusMax }, (_, id) => pins.get(id) ?? common ?? all);
  }

  #cpus(at: XmlElement, text: string): number[] {
    const cpus = parseCpuSet(text);
    if (cpus === undefined) {
      throw this.#fault(
        at,
        `expected CPUs such as '0-3,^2,8', got '${text.slice(0, 40)}'`,
        'write numbers and ranges, separated by commas',
      );
    }
    const last = presentCpus(this.#host).at(-1)?.id ?? 0;
    if (cpus.some((cpu) => cpu > last)) {
      const note = `<${at.name} cpuset> names CPUs that ${this.#host.name} has not; libvirt leaves them out`;
      if (!this.#notes.includes(note)) this.#notes.push(note);
    }
    return cpus.filter((cpu) => cpu <= last);
  }

  /** <cpu><numa>: cell N is on physical node N; all are on node 0 where the host has too few. */
  #virtualNodes(): VirtualNode[] {
    const cells = childrenAt(this.#domain, 'cpu/numa/cell');
    const ordered = cells.map((cell, index) => ({
      cell,
      id: this.#number(cell, cell.attributes.id ?? String(index), 0, LIMITS.nodes - 1),
    }));
    ordered.sort((a, b) => a.id - b.id);
    const wrong = ordered.find(({ id }, index) => id !== index);
    if (wrong !== undefined) throw this.#fault(wrong.cell, 'expected ids from 0 on, each once', 'number the cells 0, 1, 2 ...');
    const fits = cells.length <= this.#host.nodes.length;
    if (!fits)
      this.#notes.push(`<numa>: ${cells.length} cells on a host of ${this.#host.nodes.length} nodes; libvirt puts all of them on node 0`);
    return ordered.map(({ cell, id }) => {
      const vcpus = parseCpuSet(cell.attributes.cpus ?? '');
      if (vcpus === undefined || vcpus.length === 0) throw this.#fault(cell, 'expected vCPUs in cpus=, got none', "write cpus='0-3'");
      const siblings = new Map(childrenAt(cell, 'distances/sibling').map((one) => [Number(one.attributes.id), one] as const));
      return {
        pnode: fits ? id : 0,
        memoryBytes: this.#bytes(cell, cell.attributes.memory ?? ''),
        vcpus,
        distances: ordered.map(({ id: other }) => {
          const opposite = siblings.get(other);
          if (opposite === undefined) return other === id ? 10 : 20;
          return this.#number(opposite, opposite.attributes.value ?? '', 10, 255);
        }),
      };
    });
  }

  #boot(): VmBoot | undefined {
    const kernel = this.#text('os/kernel');
    if (kernel === undefined || kernel === '') return undefined;
    const [ramdisk, cmdline] = [this.#text('os/initrd'), this.#text('os/cmdline')];
    return {
      kernel,
      ...(ramdisk === undefined || ramdisk === '' ? {} : { ramdisk }),
      ...(cmdline === undefined ? {} : { cmdline }),
    };
  }

  /** What bears on placement, and libvirt's driver for Xen does not look at. */
  #noteIgnored(): void {
    for (const [path, what] of [
      ['numatune', '<numatune>: it chooses no nodes; pin the vCPUs, or use <cpu><numa>'],
      ['cputune/emulatorpin', '<emulatorpin>'],
      ['cputune/iothreadpin', '<iothreadpin>'],
      ['memoryBacking/hugepages', '<hugepages>'],
    ] as const) {
      if (childAt(this.#domain, path) !== undefined) this.#notes.push(`libvirt's driver for Xen ignores ${what}`);
    }
  }
}

function dashed(uuid: string): string {
  const hex = uuid.replaceAll('-', '').toLowerCase();
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
