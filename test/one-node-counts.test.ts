// `xl info` of a host of one node, taken without -n: the table of CPUs is missing, and the counts
// do not tell which numbers are online. Laptops and Qubes, with smt=off.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { InputError } from '../src/base/errors.js';
import { readCapture } from '../src/live/capture/captured-host.js';
import { renderHostMapText } from '../src/view/host-map-text.js';
import { temporaryFolder } from './support/temporary.js';
import { xennuma } from './xennuma.js';

const folder = temporaryFolder('xennuma-one-node-');

interface Counts {
  readonly cpus?: number;
  readonly last?: number;
  readonly cores?: number;
  readonly options?: string;
  readonly total?: string;
}

const info = ({ cpus = 4, last = 7, cores = cpus, options = '', total = 'total_memory           : 16000\n' }: Counts = {}) =>
  `host                   : dom0
release                : 6.6.48-1.qubes.fc37.x86_64
machine                : x86_64
nr_cpus                : ${cpus}
max_cpu_id             : ${last}
nr_nodes               : 1
cores_per_socket       : ${cores}
threads_per_core       : 1
${total}free_memory            : 9000
xen_version            : 4.17.5
xen_commandline        : placeholder dom0_mem=max:4096M ${options}
`;
const POOL = (cpus: string) => `\nName               CPU list\nPool-0             ${cpus}\n`;
const vcpus = (...cpus: number[]) =>
  `\nName                                ID  VCPU   CPU State   Time(s) Affinity (Hard / Soft)\n${cpus
    .map(
      (cpu, vcpu) =>
        `Domain-0                             0  ${String(vcpu).padStart(4)}  ${String(cpu).padStart(4)}   -b-      11.9  all / all\n`,
    )
    .join('')}`;
const live = (text: string) => readCapture([{ file: 'paste.txt', text }]).live;
const online = (text: string) => live(text).map.cpus.flatMap((cpu) => (cpu?.online === true ? [cpu.id] : []));
const failure = (text: string) => {
  try {
    live(text);
  } catch (error) {
    return (error as InputError).message;
  }
  return 'none';
};

describe('which CPUs are online', () => {
  it.each([
    ['the list of the CPU pools says it', info({ options: 'smt=off' }) + POOL('0,2,4,5'), [0, 2, 4, 5]],
    ['as many vCPUs were seen on CPUs', info() + vcpus(0, 3, 5, 6), [0, 3, 5, 6]],
    ['no number is left over', info({ cpus: 8 }), [0, 1, 2, 3, 4, 5, 6, 7]],
  ])('is certain where %s', (_, text, expected) => {
    expect(online(text)).toEqual(expected);
    expect(live(text).notes.join('\n')).not.toMatch(/guess/);
  });

  it.each([
    ['smt=off: one thread of each core', info({ options: 'ucode=scan smt=off' }), [0, 2, 4, 6]],
    ['smt=0', info({ options: 'smt=0' }), [0, 2, 4, 6]],
    ['no-smt', info({ options: 'no-smt' }), [0, 2, 4, 6]],
    ['smt=on: numbers for CPUs that are not there', info({ options: 'smt=on' }), [0, 1, 2, 3]],
    ['far more numbers than CPUs', info({ last: 127, options: 'smt=off' }), [0, 1, 2, 3]],
    ['smt=off, and a vCPU on a second thread', info({ options: 'smt=off' }) + vcpus(3), [0, 2, 3, 4]],
    ['some CPUs seen', info() + vcpus(0, 7), [0, 1, 2, 7]],
  ])('is a guess that a note calls one: %s', (_, text, expected) => {
    expect(online(text)).toEqual(expected);
    expect(live(text).notes.join('\n')).toMatch(/Which 4 CPUs are online is not in the listings: \S+ is a guess/);
  });

  it('is refused where vCPUs run on more CPUs than Xen counts', () => {
    expect(failure(info() + vcpus(0, 1, 2, 3, 4))).toMatch(/expected 4 CPUs \(nr_cpus\), but vCPUs run on 5/);
  });
});

describe('such a host', () => {
  const qubes = info({ options: 'smt=off' });
  it('shows the cores that it has, and no more', () => {
    expect(renderHostMapText(live(qubes).map, { width: 100, color: false })).toContain('CPUs 0-6, 4 cores, socket 0, offline 1,3,5\n');
  });

  it('takes cores from the table of xenpm', () => {
    const table = `CPU\tcore\tsocket\tnode\n${[0, 0, 1, 1].map((core, cpu) => `CPU${cpu}\t ${core}\t 0\t 0\n`).join('')}`;
    const { map } = live(info({ cpus: 4, last: 3, cores: 2 }) + table);
    expect(map.cpus.map((cpu) => cpu?.core)).toEqual([0, 0, 1, 1]);
  });

  it.each(['xapi-25.6', 'xapi-26.3', 'xl'])('starts VMs under %s: all CPUs have that node', (profile) => {
    writeFileSync(join(folder, 'vms.yaml'), 'vms: [{ name: a, vcpus: 2, memory: 1GiB }, { name: b, vcpus: 4, memory: 2GiB }]');
    const words = ['plan', '--from', '-', '--vms', join(folder, 'vms.yaml'), '--profile', profile, '--policy', 'best_effort'];
    const { code, out } = xennuma(words, { input: qubes });
    expect(out).toContain('2 VMs running, 2 on one node');
    expect(code).toBe(0);
  });

  it.each([
    ['total_memory', info({ total: '' })],
    ['nr_cpus', info().replace(/nr_cpus.*\n/, '')],
  ])('needs %s, and the error says so', (field, text) => {
    expect(failure(text)).toMatch(new RegExp(`of a host of one node, found no ${field}$`));
  });
});
