// Output of tools that tells no nodes is named, by --host and by --from, with what to give instead.
import { describe, expect, it } from 'vitest';
import { readCapture } from '../../live/capture/captured-host.js';
import { plainHost } from '../../live/capture/text/plain-host.js';
import { detectAndRead } from './detect.js';

const xml = (element: string, content: string) => `<?xml version="1.0"?>\n<!-- of a test -->\n<${element}>\n  ${content}\n</${element}>\n`;
const TEXTS: readonly (readonly [what: string, text: string, instead: RegExp])[] = [
  ['`xentop`', '      NAME  STATE   CPU(sec) CPU(%)     MEM(k)\n  Domain-0 -----r       9128   12.0    2097152\n', /`xl info -n`/],
  [
    '`xenpm`',
    'Max C-state: Unlimited\n\ncpu id               : 0\ntotal C-states       : 3\nidle time(ms)        : 4711\n',
    /`xl info -n`/,
  ],
  ['`xl sched-credit`', 'Cpupool Pool-0: tslice=30ms\nName          ID Weight  Cap\nDomain-0       0    512    0\n', /`xl info -n`/],
  ['`xl uptime`', 'Name              ID Uptime\nDomain-0           0  1 days,  2:03:04\n', /`xl info -n`/],
  ['`xe host-cpu-info`', '          cpu_count : 12\n       socket_count: 2\n             vendor: AuthenticAMD\n', /`xl info -n`/],
  ['boot log', '(XEN) SRAT: PXM 0 -> APIC 00 -> Node 0\n(XEN) SRAT: Node 0 PXM 0 0-a0000\n', /`xl info -n`/],
  ['`numactl --show`', 'policy: default\npreferred node: current\nphyscpubind: 0 1 2 3\ncpubind: 0\n', /`numactl --hardware`/],
  ['`virsh vcpuinfo`', 'VCPU:           0\nCPU:            3\nState:          running\nCPU Affinity:   yyyy----\n', /`virsh capabilities`/],
  ['`virsh vcpupin`', ' VCPU   CPU Affinity\n----------------------\n 0      0-3\n', /`virsh capabilities`/],
  ['`virsh list`', ' Id   Name       State\n-----------------------\n 3    mail       running\n', /`virsh capabilities`/],
  ['dmidecode', '# dmidecode 3.3\nHandle 0x0004, DMI type 4, 48 bytes\n', /`xl info -n`/],
  ['/proc/cpuinfo', 'processor\t: 0\nvendor_id\t: AuthenticAMD\n\nprocessor\t: 1\n', /`xl info -n`/],
  ['meminfo', 'Node 0 MemTotal:       16384000 kB\nNode 0 MemFree:         1024000 kB\n', /`xl info -n`/],
  ['`free`', '              total        used        free\nMem:           7976        2048        5928\n', /`xl info -n`/],
  ['`virsh domcapabilities`', xml('domainCapabilities', '<domain>xen</domain>'), /`virsh capabilities`/],
  ['`virsh sysinfo`', xml('sysinfo', "<processor><entry name='version'>EPYC</entry></processor>"), /`virsh capabilities`/],
];

function refusal(read: () => unknown): { message: string; mend: string } {
  try {
    read();
  } catch (error) {
    return error as { message: string; mend: string };
  }
  throw new Error('was read');
}

describe.each(TEXTS)('the output of %s', (what, text, instead) => {
  it.each([
    ['as it is', text],
    ['with Windows line ends', text.replaceAll('\n', '\r\n')],
  ])('%s is named', (_, given) => {
    const described = refusal(() => detectAndRead([plainHost({ file: 'f.txt', text: given })]));
    expect(described.message).toMatch(/^expected the nodes of a host, got .*, which does not list them$/);
    expect(described.message).toContain(what);
    expect(`${described.message} ${described.mend}`).toMatch(instead);
    const captured = refusal(() => readCapture([{ file: 'f.txt', text: given }]));
    expect(captured.message).toContain(what);
    expect(`${captured.message} ${captured.mend}`).toContain('add the output of `xl info -n`');
  });
});
