// Output of well-known tools that tells no nodes of a host: errors name it, and what to give
// instead.

interface OtherOutput {
  /** With its article. */
  readonly what: string;
  readonly form: RegExp;
  /** The command whose output has the nodes, where one is nearer than all others. */
  readonly instead?: string;
}

const LIBVIRT = '`virsh capabilities`';
const XEN = '`xl info -n`';

/** Documents of libvirt, by their first element. */
const DOCUMENTS: readonly OtherOutput[] = [
  { what: 'the output of `virsh domcapabilities`', form: /^<domainCapabilities\b/, instead: LIBVIRT },
  { what: 'the output of `virsh sysinfo`', form: /^<sysinfo\b/, instead: LIBVIRT },
  { what: 'the description of a CPU', form: /^<cpu\b/, instead: LIBVIRT },
  { what: 'the output of `virsh nodedev-dumpxml`', form: /^<device\b/, instead: LIBVIRT },
];

const TEXTS: readonly OtherOutput[] = [
  { what: 'the output of `xentop`', form: /^\s*NAME\s+STATE\s+CPU\(sec\)/m, instead: XEN },
  { what: 'the output of `xenpm`', form: /^cpu id\s*: \d+\s*$/m, instead: XEN },
  { what: 'the output of `xl sched-credit`', form: /^\s*Name\s+ID\s+Weight\s+Cap\b/m, instead: XEN },
  { what: 'the output of `xl uptime`', form: /^\s*Name\s+ID\s+Uptime\b/m, instead: XEN },
  { what: 'the output of `xl cpupool-list`', form: /^\s*Name\s+CPUs\s+Sched\b/m, instead: XEN },
  { what: 'the output of list_domains', form: /^\s*id\s+\|\s+uuid\s+\|\s+state\b/m, instead: XEN },
  { what: 'the output of `xe`', form: /^\s*[\w-]+ \( ?[SM]?R[OW]\)\s*:/m, instead: XEN },
  { what: 'the output of `xe host-cpu-info`', form: /^\s*cpu_count\s*: \d+\s*$[\s\S]{0,200}^\s*socket_count\s*:/m, instead: XEN },
  { what: 'the boot log of Xen or Linux', form: /\bSRAT: (?:PXM|Node) \d+ /, instead: XEN },
  { what: 'the output of `numactl --show`', form: /^physcpubind:/m, instead: '`numactl --hardware`' },
  { what: 'the output of `virsh vcpuinfo`', form: /^VCPU:\s+\d+\s*$[\s\S]{0,300}^CPU Affinity:\s+[y-]+\s*$/m, instead: LIBVIRT },
  { what: 'the output of `virsh vcpupin`', form: /^\s*VCPU\s+CPU Affinity\s*$/m, instead: LIBVIRT },
  { what: 'the output of `virsh list`', form: /^\s*Id\s+Name\s+State\s*$/m, instead: LIBVIRT },
  { what: 'the output of `virsh dominfo`', form: /^Max memory:\s+\d+ KiB\s*$/m, instead: LIBVIRT },
  { what: 'the output of dmidecode', form: /^# dmidecode \d|^Handle 0x[0-9A-F]{4}, DMI type \d/m },
  { what: '/proc/cpuinfo', form: /^processor\s*:\s*\d+\s*$/m },
  { what: 'the file meminfo of /proc or of a node', form: /^(?:Node \d+ )?MemTotal:\s+\d+ kB\s*$/m },
  { what: 'the output of `free`', form: /^\s+total\s+used\s+free\b/m },
];

/** Documents are told by their first element, so that nothing else is taken for one. */
export function otherDocument(text: string): OtherOutput | null {
  const start = text.slice(0, 4096).replace(/^\uFEFF?(?:\s|<\?[^>]*\?>|<!--(?:(?!-->)[\s\S])*-->)*/, '');
  return DOCUMENTS.find(({ form }) => form.test(start)) ?? null;
}

/** For a text that no reader takes. */
export function otherText(text: string): OtherOutput | null {
  return TEXTS.find(({ form }) => form.test(text)) ?? null;
}
