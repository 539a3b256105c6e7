// Output of well-known tools that tells no nodes of a host: errors name it, and what to give
// instead.

import { InputError } from '../../base/errors.js';

export interface OtherOutput {
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

// Blanks are blanks of a line: a run of empty lines would be looked through from each of them.
const TEXTS: readonly OtherOutput[] = [
  { what: 'the output of `xentop`', form: /^[ \t]*NAME[ \t]+STATE[ \t]+CPU\(sec\)/m, instead: XEN },
  { what: 'the output of `xenpm`', form: /^cpu id[ \t]*: \d+[ \t\r]*$/m, instead: XEN },
  { what: 'the output of `xl sched-credit`', form: /^[ \t]*Name[ \t]+ID[ \t]+Weight[ \t]+Cap\b/m, instead: XEN },
  { what: 'the output of `xl uptime`', form: /^[ \t]*Name[ \t]+ID[ \t]+Uptime\b/m, instead: XEN },
  { what: 'the output of `xl cpupool-list`', form: /^[ \t]*Name[ \t]+CPUs[ \t]+Sched\b/m, instead: XEN },
  { what: 'the output of list_domains', form: /^[ \t]*id[ \t]+\|[ \t]+uuid[ \t]+\|[ \t]+state\b/m, instead: XEN },
  { what: 'the output of `xe`', form: /^[ \t]*[\w-]+ \( ?[SM]?R[OW]\)[ \t]*:/m, instead: XEN },
  {
    what: 'the output of `xe host-cpu-info`',
    form: /^[ \t]*cpu_count[ \t]*: \d+[ \t\r]*$[\s\S]{0,200}^[ \t]*socket_count[ \t]*:/m,
    instead: XEN,
  },
  { what: 'the boot log of Xen or Linux', form: /\bSRAT: (?:PXM|Node) \d+ /, instead: XEN },
  { what: 'the output of `numactl --show`', form: /^physcpubind:/m, instead: '`numactl --hardware`' },
  {
    what: 'the output of `virsh vcpuinfo`',
    form: /^VCPU:[ \t]+\d+[ \t\r]*$[\s\S]{0,300}^CPU Affinity:[ \t]+[y-]+[ \t\r]*$/m,
    instead: LIBVIRT,
  },
  { what: 'the output of `virsh vcpupin`', form: /^[ \t]*VCPU[ \t]+CPU Affinity[ \t\r]*$/m, instead: LIBVIRT },
  { what: 'the output of `virsh list`', form: /^[ \t]*Id[ \t]+Name[ \t]+State[ \t\r]*$/m, instead: LIBVIRT },
  { what: 'the output of `virsh dominfo`', form: /^Max memory:[ \t]+\d+ KiB[ \t\r]*$/m, instead: LIBVIRT },
  { what: 'the output of dmidecode', form: /^# dmidecode \d|^Handle 0x[0-9A-F]{4}, DMI type \d/m },
  { what: '/proc/cpuinfo', form: /^processor[ \t]*:[ \t]*\d+[ \t\r]*$/m },
  { what: 'the file meminfo of /proc or of a node', form: /^(?:Node \d+ )?MemTotal:[ \t]+\d+ kB[ \t\r]*$/m },
  { what: 'the output of `free`', form: /^[ \t]+total[ \t]+used[ \t]+free\b/m },
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

export function refusalOf({ what }: OtherOutput, file: string, mend: string): InputError {
  return new InputError(`expected the nodes of a host, got ${what}, which does not list them`, { file }, mend);
}
