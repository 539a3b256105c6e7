// `virsh capabilities` and `virsh nodeinfo` as descriptions of a host.
import { describe, expect, it } from 'vitest';
import { InputError } from '../../../base/errors.js';
import { readCapture } from '../../../live/capture/captured-host.js';
import { detectAndRead } from '../detect.js';

/** In the form of libvirt's docs/formatcaps.rst. */
const cell = (id: number, cpus: readonly number[], distances: string) => `
        <cell id='${id}'>
          <memory unit='KiB'>8388608</memory>
          <pages unit='KiB' size='4'>2097152</pages>
          <distances>${distances}</distances>
          <cpus num='${cpus.length}'>
            ${cpus.map((cpu) => `<cpu id='${cpu}' socket_id='${id}' die_id='0' core_id='${cpu % 2}' siblings='${cpu}'/>`).join('\n')}
          </cpus>
        </cell>`;
const siblings = (...values: number[]) => values.map((value, id) => `<sibling id='${id}' value='${value}'/>`).join('');
const CAPABILITIES = `<capabilities>
  <host>
    <cpu><arch>x86_64</arch><topology sockets='1' cores='2' threads='1'/></cpu>
    <topology>
      <cells num='2'>${cell(0, [0, 2], siblings(10, 21))}${cell(1, [1, 3], siblings(21, 10))}
      </cells>
    </topology>
  </host>
  <guest><os_type>xen</os_type><arch name='x86_64'><wordsize>64</wordsize><domain type='xen'/></arch></guest>
</capabilities>`;
const NODEINFO = `CPU model:           x86_64
CPU(s):              4
CPU frequency:       2394 MHz
CPU socket(s):       1
Core(s) per socket:  4
Thread(s) per core:  1
NUMA cell(s):        1
Memory size:         4194304 KiB
`;
const read = (text: string) => detectAndRead([{ file: 'host', text }]);
const refusal = (text: string) => {
  try {
    return read(text).name;
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return String(error);
  }
};

describe('virsh capabilities', () => {
  it.each([
    ['behind a prompt', `root@host:~# virsh capabilities\n${CAPABILITIES}\n\nroot@host:~# \n`],
    ['behind a prompt and a declaration', `$ virsh capabilities\n<?xml version='1.0'?>\n${CAPABILITIES}`],
    ['quoted', `> # virsh capabilities\n${CAPABILITIES.replace(/^/gm, '> ')}`],
  ])('%s is the same host', (_, text) => {
    const { nodes, cpus, distances } = read(CAPABILITIES);
    expect(read(text)).toMatchObject({ nodes, cpus, distances });
    const { live } = readCapture([{ file: 'paste', text }]);
    expect(live.map.nodes.map(({ memoryBytes }) => memoryBytes)).toEqual(nodes.map(({ memoryBytes }) => memoryBytes));
    expect(live.map.distances).toEqual(distances);
  });

  it("takes the firmware's numbers of cores and sockets, which have no limit", () => {
    const offset = (text: string, key: string) =>
      text.replace(new RegExp(`${key}='(\\d)'`, 'g'), (_, id) => `${key}='${Number(id) * 256 + 70144}'`);
    const { cpus } = read(CAPABILITIES);
    expect(cpus.map(({ core }) => core)).not.toContain(70144);
    expect(read(offset(offset(CAPABILITIES, 'core_id'), 'socket_id')).cpus).toEqual(cpus);
    expect(read(CAPABILITIES.replace("core_id='1'", "core_id='4294967295'")).cpus).toHaveLength(4);
    expect(refusal(CAPABILITIES.replace("core_id='1'", "core_id='4294967296'"))).toMatch(/expected core_id of <cpu> from 0 to 4294967295/);
  });

  it('of an old libvirt, without memory, names other commands', () => {
    expect(refusal(CAPABILITIES.replace(/<memory.*<\/memory>/, ''))).toMatch(/the cell has no <memory>; old versions .*xl info -n/);
  });

  it('behind a prompt is an error of its own line', () => {
    expect(refusal(`$ virsh capabilities\n${CAPABILITIES.replace("id='3'", "id='x'")}`)).toMatch(/^host:\d+: expected id of <cpu>/);
  });

  it('has nodes, memory, distances, CPUs, cores and sockets', () => {
    const host = read(CAPABILITIES);
    expect(host.nodes.map(({ memoryBytes }) => memoryBytes / 2 ** 30)).toStrictEqual([8, 8]);
    expect(host.cpus.map(({ node, socket, core }) => [node, socket, core])).toStrictEqual([
      [0, 0, 0],
      [1, 1, 1],
      [0, 0, 0],
      [1, 1, 1],
    ]);
    expect(host.distances).toStrictEqual([
      [10, 21],
      [21, 10],
    ]);
    expect(host.notes.join()).toMatch(/how much memory is free/);
  });
  it('without distances, as from old versions: those of Xen without a SLIT, said so', () => {
    const host = read(CAPABILITIES.replaceAll(/<distances>.*?<\/distances>/g, ''));
    expect(host.distances[0]).toStrictEqual([10, 20]);
    expect(host.notes.join()).toMatch(/has no distances/);
  });
  it.each([
    [CAPABILITIES.replaceAll(/<memory unit.*?<\/memory>/g, ''), /host:6: the cell has no <memory>/],
    [CAPABILITIES.replace("cpu id='2'", "cpu id='x'"), /expected id of <cpu> from 0 to \d+, got 'x'/],
    [CAPABILITIES.replace(/<cells[\s\S]*<\/cells>/, ''), /expected NUMA cells .* got none/],
    [CAPABILITIES.slice(0, 400), /not well-formed XML/],
  ])('a damaged one is refused with its place: %#', (text, message) => expect(refusal(text)).toMatch(message));
});

describe('virsh nodeinfo', () => {
  it('is a host of one node', () => {
    const host = read(NODEINFO);
    expect([host.nodes.length, host.cpus.length, host.nodes[0]!.memoryBytes]).toStrictEqual([1, 4, 2 ** 32]);
  });
  it('of several nodes is not enough', () =>
    expect(refusal(NODEINFO.replace('NUMA cell(s):        1', 'NUMA cell(s):        2'))).toMatch(
      /counts 2 NUMA cells, and does not say .* give the output of `virsh capabilities`/,
    ));
});

describe("lstopo's text", () => {
  it('is refused with the way to XML', () =>
    expect(refusal('Machine (16GB total)\n  NUMANode L#0 (P#0 8GB)\n  Package L#0\n    Core L#0 + PU L#0 (P#0)')).toMatch(
      /lstopo --of xml/,
    ));
});
