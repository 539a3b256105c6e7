// libvirt's XML as its Xen driver reads it: sizes, CPUs, kinds, vNUMA, ignored elements, and
// hostile input.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../../base/errors.js';
import { GIB, MIB } from '../../../base/units.js';
import { detectAndRead } from '../detect.js';
import { detectAndReadVms } from '../detect-vms.js';
import { INPUT_LIMITS } from '../input-text.js';
import { parseCpuSet, parseMemoryBytes } from './values.js';

const sample = (path: string) => readFileSync(new URL(`../../../../examples/${path}`, import.meta.url), 'utf8');
// CPUs 0-7 on node 0, 8-15 on node 1.
const host = detectAndRead([{ file: 'h', text: sample('hosts/two-nodes.xl-info.txt') }]);
const all = Array.from({ length: 16 }, (_, cpu) => cpu);
const read = (text: string) => detectAndReadVms([{ file: 'vm.xml', text }], host);
const domain = (body: string, attributes = "type='xen'") =>
  `<domain ${attributes}>\n<name>web</name><memory unit='GiB'>1</memory><vcpu>2</vcpu>\n${body}\n</domain>\n`;
const one = (body: string) => read(domain(body))[0]!;

function errorOf(text: string): string {
  try {
    read(text);
  } catch (error) {
    if (error instanceof InputError) return error.toString();
    throw error;
  }
  throw new Error('expected an InputError, got none');
}

describe('a domain', () => {
  it('of the example: pins by vCPU, and all CPUs for the vCPU without one', () => {
    const [vm] = read(sample('vms/libvirt.xml'));
    expect(vm).toMatchObject({
      ...{ name: 'db', uuid: '5c7b7b6e-3d43-4c2f-9a0e-7f4f3b1f6a10', kind: 'pvh', vcpusMax: 4, vcpusAtStartup: 4 },
      ...{ memoryStaticMaxBytes: 4 * GIB, memoryTargetBytes: 4 * GIB, xlHardCpusForm: 'list' },
      xlHardCpus: [[2, 3], [2, 3], [1, 3], all],
      boot: { kernel: '/var/lib/xen/images/vmlinuz' },
    });
    expect(vm!.notes).toStrictEqual([expect.stringContaining('ignores <numatune>')]);
  });

  it('with nothing but a name and memory: PV, one vCPU, no affinity', () => {
    const [vm] = read("<domain type='xen'><name>a</name><memory>2048</memory></domain>");
    expect(vm).toStrictEqual({
      ...{ name: 'a', kind: 'pv', vcpusMax: 1, vcpusAtStartup: 1, vcpusParams: {} },
      ...{ memoryStaticMaxBytes: 2 * MIB, memoryTargetBytes: 2 * MIB },
    });
  });

  it.each([
    ['<os><type>hvm</type></os>', 'hvm'],
    ["<os><type machine='xenpv'>linux</type></os>", 'pv'],
    ['<os><type>xen</type></os>', 'pv'],
    ["<os><type machine='xenpvh'>xen</type></os>", 'pvh'],
    ['<os><type>xenpvh</type></os>', 'pvh'],
  ])('%s is %s', (body, kind) => expect(one(body).kind).toBe(kind));

  it('memory is rounded up to MiB, and the current one is at most all of it', () => {
    const memory = (text: string) => {
      const vm = read(`<domain type='xen'><name>a</name>${text}</domain>`)[0]!;
      return [vm.memoryStaticMaxBytes / MIB, vm.memoryTargetBytes / MIB];
    };
    expect(memory("<memory unit='b'>1048577</memory>")).toStrictEqual([2, 2]);
    expect(memory('<memory>1048576</memory><currentMemory>524289</currentMemory>')).toStrictEqual([1024, 513]);
    expect(memory("<memory unit='M'>512</memory><currentMemory unit='G'>1</currentMemory>")).toStrictEqual([512, 512]);
    expect(memory("<memory unit='M'>512</memory><currentMemory>0</currentMemory>")).toStrictEqual([512, 512]);
  });

  it('vCPUs that start: current=, or those that <vcpus> says are on', () => {
    const counts = (text: string) => {
      const vm = read(`<domain type='xen'><name>a</name><memory>4096</memory>${text}</domain>`)[0]!;
      return [vm.vcpusMax, vm.vcpusAtStartup];
    };
    expect(counts("<vcpu current='2'>8</vcpu>")).toStrictEqual([8, 2]);
    const vcpus = "<vcpus><vcpu id='0' enabled='yes'/><vcpu id='1' enabled='no'/></vcpus>";
    expect(counts(`<vcpu current='2'>2</vcpu>${vcpus}`)).toStrictEqual([2, 1]);
  });

  it('cpuset of <vcpu> is the pin of the vCPUs without <vcpupin>; CPUs beyond the host are left out', () => {
    const [vm] = read(
      "<domain type='xen'><name>a</name><memory>4096</memory><vcpu cpuset='8-20,^9'>2</vcpu><cputune><shares>512</shares><vcpupin vcpu='1' cpuset='0'/></cputune></domain>",
    );
    expect(vm!.xlHardCpus).toStrictEqual([[8, 10, 11, 12, 13, 14, 15], [0]]);
    expect(vm!.vcpusParams).toStrictEqual({ weight: '512' });
    expect(vm!.notes).toStrictEqual([expect.stringContaining('names CPUs that'), expect.stringContaining('recent versions of libvirt')]);
  });

  it('cells of <numa> are virtual nodes: on the node of their number, with their memory in place of <memory>', () => {
    const cell = (id: number, cpus: string, rest = '/>') => `<cell id='${id}' cpus='${cpus}' memory='1' unit='GiB'${rest}`;
    const far = "><distances><sibling id='0' value='10'/><sibling id='1' value='31'/></distances></cell>";
    const vm = one(`<os><type>hvm</type></os><cpu><numa>${cell(1, '1')}${cell(0, '0', far)}</numa></cpu>`);
    expect(vm.memoryStaticMaxBytes).toBe(2 * GIB);
    expect(vm.vnuma).toStrictEqual([
      { pnode: 0, memoryBytes: GIB, vcpus: [0], distances: [10, 31] },
      { pnode: 1, memoryBytes: GIB, vcpus: [1], distances: [20, 10] },
    ]);
    const three = one(`<cpu><numa>${cell(0, '0')}${cell(1, '1')}${cell(2, '2')}</numa></cpu>`);
    expect(three.vnuma!.map(({ pnode }) => pnode)).toStrictEqual([0, 0, 0]);
    expect(three.notes).toStrictEqual([expect.stringContaining('puts all of them on node 0')]);
  });

  it('says what does nothing on Xen', () => {
    const tuned = one(
      "<cputune><emulatorpin cpuset='0'/><vcpupin vcpu='7' cpuset='0'/></cputune><memoryBacking><hugepages/></memoryBacking><numatune/>",
    );
    expect(tuned.xlHardCpus).toBeUndefined();
    expect(tuned.notes!.join('\n')).toMatch(/vcpu='7'(?=[\s\S]*<numatune>)(?=[\s\S]*<emulatorpin>)(?=[\s\S]*<hugepages>)/);
    const auto = read("<domain type='xen'><name>a</name><memory>4096</memory><vcpu placement='auto'>2</vcpu></domain>")[0]!;
    expect(auto.notes).toStrictEqual([expect.stringContaining('numad')]);
  });
});

describe('a file', () => {
  it('with several domains, declarations, comments, CDATA, a zero byte at its end', () => {
    const text = `<?xml version='1.0'?>\n<!-- made by virsh -->\n${domain('')}<?xml version='1.0'?>${domain('').replace('web', '<![CDATA[a&b]]>')}\0`;
    expect(read(text).map(({ name }) => name)).toStrictEqual(['web', 'a&b']);
    expect(read(`<domstatus state='running'>${domain('')}</domstatus>`)).toHaveLength(1);
  });

  it.each([
    [domain('', "type='kvm'"), "vm.xml:1: <domain>: expected a domain of type 'xen', got 'kvm'"],
    [domain('<os><type>exe</type></os>'), "vm.xml:3: <type>: expected hvm, xen, linux or xenpvh, got 'exe'"],
    [domain("<cputune><vcpupin vcpu='0' cpuset='3-1'/></cputune>"), "vm.xml:3: <vcpupin>: expected CPUs such as '0-3,^2,8', got '3-1'"],
    [domain("<cputune><vcpupin vcpu='0' cpuset='1'/><vcpupin vcpu='0' cpuset='2'/></cputune>"), 'vCPU 0 is pinned twice'],
    [domain('').replace('>2<', '>0<'), "<vcpu>: expected a whole number from 1 to 8192, got '0'"],
    [domain('').replace("unit='GiB'", "unit='nibble'"), "<memory>: expected a size, got '1' in 'nibble'"],
    [domain('').replace('GiB', 'EiB'), '<memory>: expected from 1 KiB to 16 TiB'],
    [domain('').replace('web', '&#9;'), 'expected a <name>, got none'],
    [domain('').replace('web', 'a&#10;b'), 'expected a name without control characters'],
    [domain('').replace('</domain>', ''), 'not well-formed XML'],
    [domain('&bomb;'), 'not well-formed XML'],
    [`<!DOCTYPE d [<!ENTITY a "aaaa">]>${domain('<x>&a;</x>')}`, 'not well-formed XML'],
    [domain('<a>'.repeat(300) + '</a>'.repeat(300)), 'nested more than 256 deep'],
    [domain('<a/>'.repeat(200_001)), 'expected at most 200000 elements'],
    [domain(' '.repeat(INPUT_LIMITS.structuredChars)), 'expected at most 8.0 MiB of text'],
    ['<pool><domain/></pool>', "expected a domain of type 'xen', got 'undefined'"],
    [`${domain('')}${domain('')}`.replace('<domains>', ''), "'web' is also in vm.xml"],
  ])('is refused: case %#', (text, message) => expect(errorOf(text)).toContain(message));
});

it.each([
  ['1', undefined, 1024],
  ['3', 'b', 3],
  ['3', 'bytes', 3],
  ['3', 'k', 3072],
  ['3', 'KB', 3000],
  ['3', 'mib', 3 * MIB],
  ['3', 'GB', 3_000_000_000],
  ['1', 'T', 1024 * GIB],
  ['1.5', 'GiB', undefined],
  ['-1', 'GiB', undefined],
  ['1', 'GiBi', undefined],
  ['1', '', 1024],
])('%s in %s is %s bytes', (text, unit, bytes) => expect(parseMemoryBytes(text, unit)).toBe(bytes));

it.each([
  ['0', [0]],
  [' 1 - 3 , 8', [1, 2, 3, 8]],
  ['0-3,^2', [0, 1, 3]],
  ['^2,0-3', [0, 1, 2, 3]],
  ['0,^0', undefined],
  ['^0-1', undefined],
  ['', undefined],
  ['0,', undefined],
  ['16384', undefined],
  [`16383,${'0-16383,'.repeat(40)}0`, undefined],
])('the set %s', (text, cpus) => expect(parseCpuSet(text)).toStrictEqual(cpus));
