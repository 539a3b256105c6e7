// All readers: our own samples, damaged ones, hostile ones.

import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cases } from '../../../test/support/cases.js';
import { InputError } from '../../base/errors.js';
import { GIB, parseSizeBytes } from '../../base/units.js';
import { LIMITS, UNREACHABLE } from '../model.js';
import { asXenSees, hostSummary } from '../xen-sees.js';
import { detectAndRead, detectAndReadAll } from './detect.js';
import { detectAndReadVms } from './detect-vms.js';
import { hostJsonSchema } from './host-file.js';
import type { InputText } from './input-text.js';
import { INPUT_LIMITS } from './input-text.js';
import { vmsJsonSchema } from './vm-file.js';

const root = new URL('../../../', import.meta.url);
const sample = (path: string) => ({ file: path, text: readFileSync(new URL(path, root), 'utf8') });
const hostSample = (name: string) => sample(`examples/hosts/${name}`);
const yaml = (text: string) => ({ file: 'h.yaml', text });

function errorOf(action: () => unknown): InputError {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return error as InputError;
  }
  throw new Error('expected an InputError, got none');
}

describe('our own samples', () => {
  it('reads the EPYC 7763 with NPS4 as published: 8 nodes, 128 cores, 256 threads, 512 GiB', () => {
    const host = detectAndRead([hostSample('epyc-7763-nps4.yaml')]);
    expect(host.nodes).toHaveLength(8);
    expect(host.cpus).toHaveLength(256);
    expect(new Set(host.cpus.map((cpu) => `${cpu.socket}/${cpu.core}`)).size).toBe(128);
    const [first, sibling] = [host.cpus[5]!, host.cpus[133]!];
    expect([sibling.socket, sibling.core, sibling.node]).toStrictEqual([first.socket, first.core, first.node]);
    expect(host.nodes.reduce((sum, node) => sum + node.memoryBytes, 0)).toBe(512 * GIB);
    expect(host.nodes[0]!.freeBytes).toBe(60 * GIB);
    expect(host.distances[0]).toStrictEqual([10, 12, 12, 12, 32, 32, 32, 32]);
  });

  it.each(['two-sockets.xml', 'two-sockets.v1.xml'])('reads %s: 2 nodes of 32 GiB, 8 cores, 16 threads', (name) => {
    const host = detectAndRead([hostSample(name)]);
    expect(host.nodes.map((node) => node.memoryBytes / GIB)).toStrictEqual([32, 32]);
    expect(host.cpus.map((cpu) => cpu.node)).toStrictEqual([0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
    expect(host.cpus.slice(8, 11).map((cpu) => [cpu.socket, cpu.core])).toStrictEqual([
      [1, 0],
      [1, 0],
      [1, 1],
    ]);
  });

  it('puts no CPU on a node that only adds memory to the whole machine', () => {
    const host = detectAndRead([hostSample('memory-only-node.xml')]);
    expect(host.nodes.map((node) => node.memoryBytes / GIB)).toStrictEqual([32, 32, 64]);
    expect(new Set(host.cpus.map((cpu) => cpu.node))).toStrictEqual(new Set([0, 1]));
  });

  it('reads numactl with lscpu in any order, and alone without cores', () => {
    const pair = [hostSample('xeon-2s.lscpu.txt'), hostSample('xeon-2s.numactl.txt')];
    const host = detectAndRead(pair);
    expect(host).toStrictEqual(detectAndRead([...pair].reverse()));
    expect(host.cpus.slice(0, 2)).toStrictEqual([
      { id: 0, node: 0, core: 0, socket: 0 },
      { id: 1, node: 1, core: 1, socket: 1 },
    ]);
    expect(host.nodes[0]).toStrictEqual({ id: 0, memoryBytes: 64215 * 2 ** 20, freeBytes: 60110 * 2 ** 20 });
    expect(detectAndRead([pair[1]!]).cpus[0]!.core).toBeNull();
    expect(errorOf(() => detectAndRead([pair[0]!])).mend).toContain('numactl');
  });

  it('reads xl info -n alone and with xenpm', () => {
    const [info, xenpm] = [hostSample('two-nodes.xl-info.txt'), hostSample('two-nodes.xenpm.txt')];
    const host = detectAndRead([info]);
    expect(host.xenVersion).toBe('4.17');
    expect(host.nodes.map((node) => [node.memoryBytes / GIB, node.freeBytes / GIB])).toStrictEqual([
      [32, 27.75],
      [32, 31.75],
    ]);
    expect(detectAndRead([xenpm, info]).cpus).toStrictEqual(host.cpus);
    const elsewhere = { ...xenpm, text: xenpm.text.replace('CPU15\t 3\t 1\t 1', 'CPU15\t 3\t 1\t 0') };
    expect(errorOf(() => detectAndRead([info, elsewhere])).message).toContain('CPU 15');
    expect(errorOf(() => detectAndRead([info, info])).message).toContain('this text is given twice');
  });

  it('takes the CPUs from a second source if the CPU table of xl info is empty, and reports that there is none', () => {
    const info = hostSample('two-nodes.xl-info.txt');
    const empty = { ...info, text: info.text.replace(/^ +\d+: +\d+ +\d+ +\d+\n/gm, '') };
    const error = errorOf(() => detectAndRead([empty]));
    expect(error.message).toContain('second source');
    expect(error.mend).toContain('xenpm get-cpu-topology');
    expect(detectAndRead([empty, hostSample('two-nodes.xenpm.txt')]).cpus).toHaveLength(16);
    const dump = { file: 'dmesg', text: '(XEN) CPU0...7 -> NODE0\n(XEN) CPU8...15 -> NODE1\n' };
    expect(detectAndRead([empty, dump]).cpus.filter((cpu) => cpu.node === 1)).toHaveLength(8);
    const own = (text: string) => detectAndRead([{ ...empty, text }]).notes.find((note) => note.startsWith('The CPU table'));
    expect(own(`${empty.text}\n${hostSample('two-nodes.xenpm.txt').text}`)).toContain('the CPUs come from another section of the file');
    const header = { file: 'xenpm.txt', text: 'CPU\tcore\tsocket\tnode\n' };
    expect(errorOf(() => detectAndRead([empty, header])).message).toContain('xenpm.txt lists none either');
  });

  it('gives the schemas that are shipped', () => {
    expect(JSON.parse(sample('schemas/host.schema.json').text)).toStrictEqual(hostJsonSchema());
    expect(JSON.parse(sample('schemas/vms.schema.json').text)).toStrictEqual(vmsJsonSchema());
  });
});

describe('several machines in one list of files', () => {
  const sample = (name: string) => ({ file: name, text: readFileSync(`examples/hosts/${name}`, 'utf8') });
  const names = (...files: string[]) => detectAndReadAll(files.map(sample)).map(({ nodes, cpus }) => [nodes.length, cpus.length]);
  const alone = (...files: string[]) => {
    const { nodes, cpus } = detectAndRead(files.map(sample));
    return [nodes.length, cpus.length];
  };

  it('are told apart by the texts that need no other; what completes one follows it', () => {
    const [xl, numactl] = [
      ['two-nodes.xl-info.txt', 'two-nodes.xenpm.txt'],
      ['xeon-2s.numactl.txt', 'xeon-2s.lscpu.txt'],
    ];
    const all = names('four-nodes.yaml', ...xl, ...numactl, 'two-sockets.xml', 'two-nodes.yaml');
    expect(all).toStrictEqual([
      alone('four-nodes.yaml'),
      alone(...xl),
      alone(...numactl),
      alone('two-sockets.xml'),
      alone('two-nodes.yaml'),
    ]);
  });

  it('a machine that is given twice is refused; an equal one with a name of its own is another', () => {
    const yaml = (file: string, name: string, memory = '8GiB') => ({
      file,
      text: `${name}nodes:\n  - { memory: ${memory}, cpus: "0-3" }\n`,
    });
    const both = (...texts: { file: string; text: string }[]) => detectAndReadAll(texts).map(({ name }) => name);
    const a = yaml('a.yaml', 'name: a\n');
    expect(errorOf(() => both(a, a)).message).toContain("the host 'a' is given twice");
    expect(errorOf(() => both(a, yaml('b.yaml', 'name: a\n# another file\n'))).message).toBe("the host 'a' is given twice, also as a.yaml");
    expect(errorOf(() => both(yaml('c.yaml', ''), yaml('./c.yaml', ''))).message).toContain('is given twice');
    expect(both(a, yaml('b.yaml', 'name: b\n'))).toStrictEqual(['a', 'b']);
    expect(both(yaml('c.yaml', ''), yaml('d.yaml', ''))).toStrictEqual(['c.yaml', 'd.yaml']);
    // Two machines may share a name: the daemon tells them apart.
    expect(both(a, yaml('b.yaml', 'name: a\n', '16GiB'))).toStrictEqual(['a', 'a']);
  });

  it('no text of one machine is left out without a word', () => {
    const [info, xenpm] = ['two-nodes.xl-info.txt', 'two-nodes.xenpm.txt'].map(sample) as [InputText, InputText];
    const table = { file: 'pools.txt', text: 'Name               CPU list\nPool-0             0-15\n' };
    const other = { file: 'other.txt', text: `${xenpm.text}\n` };
    expect(detectAndReadAll([info, xenpm, table]).map(({ cpus }) => cpus.length)).toStrictEqual([16]);
    expect(() => detectAndReadAll([info, xenpm, table, table])).toThrow('this text is given twice');
    expect(() => detectAndReadAll([info, xenpm, other, table])).toThrow('do not belong together');
  });

  it('one machine comes in any order, and a part that completes none is refused', () => {
    expect(names('xeon-2s.lscpu.txt', 'xeon-2s.numactl.txt')).toStrictEqual([alone('xeon-2s.numactl.txt', 'xeon-2s.lscpu.txt')]);
    expect(() => names('two-nodes.xenpm.txt', 'four-nodes.yaml', 'two-sockets.xml')).toThrow('a CPU table alone has no memory sizes');
    expect(() => names('four-nodes.yaml', 'xeon-2s.lscpu.txt', 'two-sockets.xml')).toThrow('do not belong together');
  });
});

describe('lstopo XML of other kinds', () => {
  const machine = (inner: string, after = '') =>
    detectAndRead([
      {
        file: 'm.xml',
        text: `<?xml version="1.0"?><topology version="2.0"><object type="Machine" cpuset="0x3">${inner}</object>${after}</topology>`,
      },
    ]);
  const pus = '<object type="PU" os_index="0"/><object type="PU" os_index="1"/>';

  it('reads the relative latencies of format 1', () => {
    const latencies = ['1.0', '2.1', '2.1', '1.0'].map((value) => `<latency value="${value}"/>`).join('');
    const node = (id: number) =>
      `<object type="NUMANode" os_index="${id}" cpuset="0x${id + 1}" local_memory="1024"><object type="PU" os_index="${id}"/></object>`;
    const text = `<topology><object type="Machine"><distances nbobjs="2" relative_depth="1" latency_base="10.000000">${latencies}</distances>${node(0)}${node(1)}</object></topology>`;
    expect(detectAndRead([{ file: 'v1.xml', text }]).distances).toStrictEqual([
      [10, 21],
      [21, 10],
    ]);
  });

  it('puts HBM after ordinary memory, whatever their order', () => {
    const host = machine(
      `<object type="NUMANode" subtype="HBM" os_index="0" cpuset="0x3" local_memory="8"/><object type="NUMANode" os_index="1" cpuset="0x3" local_memory="16"/>${pus}`,
    );
    expect(host.cpus.map((cpu) => cpu.node)).toStrictEqual([1, 1]);
  });

  it('orders distances by their indexes, scales other units, and drops a matrix that is not a SLIT', () => {
    const nodes = `<object type="NUMANode" os_index="3" cpuset="0x1" local_memory="8"/><object type="NUMANode" os_index="7" cpuset="0x2" local_memory="16"/>${pus}`;
    const matrix = (values: string) =>
      `<distances2 type="NUMANode" nbobjs="2" kind="5" indexing="os"><indexes>7 3 </indexes><u64values>${values}</u64values></distances2>`;
    const host = machine(nodes, matrix('10 15 25 10'));
    expect(host.nodes.map((node) => node.id)).toStrictEqual([3, 7]);
    expect(host.distances).toStrictEqual([
      [10, 25],
      [15, 10],
    ]);
    expect(machine(nodes, matrix('100 210 210 100')).distances).toStrictEqual([
      [10, 21],
      [21, 10],
    ]);
    const broken = machine(nodes, matrix('10 10 10 10'));
    expect(broken.distances).toStrictEqual([
      [10, 20],
      [20, 10],
    ]);
    expect(broken.notes.join()).toContain('not a valid SLIT');
    expect(machine(nodes, matrix('10 255 255 10')).distances[0]![1]).toBe(UNREACHABLE);
    expect(errorOf(() => machine(nodes, matrix('10 20 10'))).place.line).toBe(1);
  });

  it('sums pages if local_memory is missing, and is one node without NUMA data', () => {
    const node = '<object type="NUMANode" os_index="0" cpuset="0x3"><page_type size="4096" count="3"/></object>';
    expect(machine(node + pus).nodes[0]!.memoryBytes).toBe(12288);
    expect(machine(pus).nodes).toHaveLength(1);
  });
});

describe('impossible machines', () => {
  it.each([
    ['nodes: [{memory: 1GiB}]', 'at least one CPU', undefined],
    ['nodes:\n  - {memory: 1GiB, cpus: 0}\n  - {memory: 1GiB, cpus: 0}', 'CPU 0 is given twice', 3],
    ['nodes:\n  - {id: 1, memory: 1GiB, cpus: 0}\n  - {id: 1, memory: 1GiB, cpus: 1}', 'node 1 is given twice', 3],
    ['nodes:\n  - memory: 1GiB\n    used: 2GiB\n    cpus: 0', 'used (2GiB) exceeds the memory of the node', 3],
    ['nodes:\n  - memory: lots\n    cpus: 0', 'expected a size', 2],
    ['nodes:\n  - memory: [1]\n    cpus: 0', 'expected a size', 2],
    ['nodes:\n  - memory: 1GiB\n    cpus: {a: 0}', 'expected CPUs such as', 3],
    ['nodes:\n  - {memory: 1GiB, cpus: 0}\ndistances:\n  - [10, 20]', 'expected 1 distances, got 2', 4],
    ['nodes:\n  - {memory: 1GiB, cpus: 0}\ndistances:\n  - [11]', 'expected 10', 4],
    ['nodes:\n  - {memory: 1GiB, cpus: 0}\ncpus:\n  - {id: 9, core: 0, socket: 0}', 'CPU 9 is on no node', 4],
    ['name: "a\\e[2Jb"\nnodes:\n  - {memory: 1GiB, cpus: 0}', 'expected a name without control characters', 1],
    ['nodes: &a\n  - {memory: 1GiB, cpus: 0}\n  - *a', '*a is inside the part that it names', 3],
    ['nodes:\n  - {memory: 1GiB, cpus: 0}\nnodes:\n  - {memory: 1GiB, cpus: 0}', "'nodes' is given twice", 3],
    ['nodes:\n  - {memory: 1GiB, cpu: 0}', "'cpu'", 2],
  ])('refuses %j', (text, message, line) => {
    const error = errorOf(() => detectAndRead([yaml(text)]));
    expect(error.message).toContain(message);
    expect(error.place.file).toBe('h.yaml');
    expect(error.place.line).toBe(line);
    expect(error.mend).not.toBe('');
  });

  it('keeps its limits: the last that fits and the first that does not', () => {
    const nodes = (count: number) =>
      yaml(`nodes:\n${Array.from({ length: count }, (_, i) => `  - {memory: 1GiB, cpus: ${i}}\n`).join('')}`);
    expect(detectAndRead([nodes(LIMITS.nodes)]).nodes).toHaveLength(64);
    expect(errorOf(() => detectAndRead([nodes(LIMITS.nodes + 1)])).message).toMatch(/64/);
    const cpus = (count: number) => yaml(`nodes: [{memory: 1GiB, cpus: "0-${count - 1}"}]`);
    expect(detectAndRead([cpus(LIMITS.pcpus)]).cpus).toHaveLength(4096);
    expect(errorOf(() => detectAndRead([cpus(LIMITS.pcpus + 1)])).message).toContain('at most 4096 CPUs, got 4097');
  });

  it('reads sizes only with units that are not ambiguous', () => {
    expect([parseSizeBytes('64GiB'), parseSizeBytes('512 MiB'), parseSizeBytes('1.5TiB'), parseSizeBytes(77)]).toStrictEqual([
      2 ** 36,
      2 ** 29,
      1.5 * 2 ** 40,
      77,
    ]);
    for (const bad of ['64G', '64 GB', '-1', '1e3', '', '0.3B', '99999999TiB']) expect(parseSizeBytes(bad)).toBeUndefined();
  });
});

describe('asXenSees and hostSummary', () => {
  it('numbers nodes with CPUs first and densely, and moves distances along', () => {
    const source =
      'nodes:\n  - {id: 2, memory: 1GiB}\n  - {id: 4, memory: 2GiB, cpus: 0}\n  - {id: 9, memory: 3GiB, cpus: 1}\ndistances: [[10,11,12],[13,10,14],[15,16,10]]';
    const host = asXenSees(detectAndRead([yaml(source)]));
    expect(host.nodes.map((node) => [node.id, node.memoryBytes / GIB])).toStrictEqual([
      [0, 2],
      [1, 3],
      [2, 1],
    ]);
    expect(host.cpus.map((cpu) => cpu.node)).toStrictEqual([0, 1]);
    expect(host.distances).toStrictEqual([
      [10, 14, 13],
      [16, 10, 15],
      [11, 12, 10],
    ]);
    expect(asXenSees(host)).toBe(host);
  });

  it('shows a summary for people', () => {
    const text = hostSummary(detectAndRead([hostSample('epyc-7763-nps4.yaml')])).join('\n');
    expect(text).toContain('8 nodes, 2 sockets, 128 cores, 256 CPUs, 512 GiB (508 GiB free)');
    expect(text).toContain('10 12 12 12 32 32 32 32');
    expect(text).toContain('112-127,240-255');
  });

  it.each([40, 80, 200])('fits %i columns, with every distance and CPU, also of 64 nodes', (width) => {
    const all = Array.from({ length: 64 }, (_, id) => id);
    const nodes = all.map((id) => ({ id, memoryBytes: 64 * GIB, freeBytes: 60 * GIB }));
    const cpus = all.flatMap((node) => [0, 1, 2, 3].map((one) => ({ id: one * 64 + node, node, core: node, socket: node % 4 })));
    const distances = all.map((i) => all.map((j) => (i === j ? 10 : 11 + ((i + j) % 7))));
    const lines = hostSummary({ name: 'big', source: 'test', nodes, cpus, distances, notes: ['a note '.repeat(30).trim()] }, width);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
    expect(lines.join(' ').replaceAll(/\s+/g, ' ')).toContain('63,127,191,255');
    const eight = hostSummary(detectAndRead([hostSample('epyc-7763-nps4.yaml')]), width)
      .join(' ')
      .replaceAll(/\s+/g, ' ');
    expect(eight.match(/32 32 32 32/g)).toHaveLength(8);
  });
});

describe('damaged and hostile input', () => {
  const host = detectAndRead([hostSample('two-nodes.xl-info.txt')]);
  const hosts = readdirSync(new URL('examples/hosts/', root)).map(hostSample);
  const vms = readdirSync(new URL('examples/vms/', root)).map((name) => sample(`examples/vms/${name}`));
  const readsOrRefuses = (action: () => unknown): void => {
    try {
      action();
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
    }
  };

  it.each([...hosts.map((input) => ({ input, vm: false })), ...vms.map((input) => ({ input, vm: true }))])(
    'gives a result or an InputError wherever $input.file is cut or overwritten',
    ({ input, vm }) => {
      const read = (text: string) => (vm ? detectAndReadVms([{ ...input, text }], host) : detectAndRead([{ ...input, text }]));
      const place = fc.double({ min: 0, max: 1, noNaN: true });
      fc.assert(
        fc.property(
          place,
          fc.constantFrom('cut' as const, 'drop' as const, 'put' as const),
          fc.string({ maxLength: 6 }),
          (at, how, put) => {
            const from = Math.floor(at * input.text.length);
            const rest = { cut: '', drop: input.text.slice(from + 3), put: put + input.text.slice(from) }[how];
            readsOrRefuses(() => read(input.text.slice(0, from) + rest));
          },
        ),
        { seed: 42, numRuns: input.text.length > 20_000 ? cases(10, 40) : cases(40, 150) },
      );
      expect(() => read(input.text)).not.toThrow(/Cannot|undefined/);
    },
  );

  it.each([
    ['brackets in YAML', `nodes: ${'['.repeat(200_000)}`],
    ['dashes in YAML', `nodes:\n${'- '.repeat(200_000)}`],
    [
      'aliases in YAML',
      `nodes: &a [1,1,1,1,1,1,1,1,1]\n${'bcdefgh'.replace(/./g, (c, i) => `${c}: &${c} [${Array(9).fill(`*${'abcdefg'[i]}`)}]\n`)}`,
    ],
    ['nesting in XML', `<topology>${'<object type="Group">'.repeat(100_000)}`],
    [
      'entities in XML',
      '<!DOCTYPE t [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><topology><object type="Machine"><info name="HostName" value="&b;"/></object></topology>',
    ],
    ['no known format', 'hello'],
    ['an empty file', ' \n'],
    ['a binary file', 'nodes:\u0000\u0001'],
    ['a scalar', 'nodes: 3'],
    ['a very long text', ' '.repeat(INPUT_LIMITS.textChars + 1)],
    ['a very long YAML', `nodes:\n${'#'.repeat(INPUT_LIMITS.structuredChars)}`],
    ['overlapping ranges', `nodes: [{memory: 1GiB, cpus: "${'0-65535,'.repeat(100_000)}0"}]`],
    ['many keys', `nodes:\n${Array.from({ length: 200_000 }, (_, i) => `  k${i}: 1`).join('\n')}`],
    ['blank lines', `${'\n'.repeat(1_000_000)}x`],
    ['many lines', '\n'.repeat(INPUT_LIMITS.lines + 1)],
    ['many items', `nodes: [${'1,'.repeat(INPUT_LIMITS.marks)}1]`],
    ['numactl without NUMA', 'No NUMA available on this system'],
  ])('refuses %s with one clear error', (_, text) => {
    const error = errorOf(() => detectAndRead([{ file: 'bad', text }]));
    expect(error.place.file).toBe('bad');
    expect(error.mend).not.toBe('');
    expect(error.toString().length).toBeLessThan(600);
    expect(error.toString()).not.toContain('\n');
  });
});
