// vnuma= as xl reads it (Xen 4.17, tools/xl/xl_parse.c, parse_vnuma_config): what counts, what is
// ignored without a word, and what is refused.
import { describe, expect, it } from 'vitest';
import { XlSettings } from './settings.js';
import { parseVnuma } from './vnuma.js';

const MACHINE = { maxCpus: 12, onlineCpus: 12, nodes: 2, cpusOfNode: (node: number) => (node < 2 ? [node] : []) };

function read(lines: string, maxVcpus = 8) {
  const settings = new XlSettings({ file: 'g.cfg', text: `${lines}\n` });
  return { vnuma: parseVnuma(settings, MACHINE, maxVcpus), warnings: settings.warnings };
}
const nodesOf = (lines: string, maxVcpus?: number) => read(lines, maxVcpus).vnuma!.nodes;
const one = (...options: string[]) => nodesOf(`vnuma = [[${options.map((option) => `"${option}"`).join(', ')}]]`)[0]!;
const refused = (lines: string, message: string): void => expect(() => read(lines)).toThrow(message);

describe('virtual nodes', () => {
  it('have a physical node, a size in MiB, vCPUs and distances', () => {
    const { vnuma } = read('vnuma = [["pnode=1","size=512","vcpus=0-2,5","vdistances=10,20"], ["size=256","vcpus=3","vdistances=20,10"]]');
    expect(vnuma).toStrictEqual({
      nodes: [
        { pnode: 1, sizeKib: 512 * 1024, vcpus: [0, 1, 2, 5], distances: [10, 20] },
        { pnode: 0, sizeKib: 256 * 1024, vcpus: [3], distances: [20, 10] },
      ],
      vcpus: 5,
      sizeKib: 768 * 1024,
      hasPnode: true,
    });
  });

  it('are none without the setting, for an empty list and for a string', () => {
    for (const lines of ['vcpus = 1', 'vnuma = []', 'vnuma = "pnode=0"']) expect(read(lines).vnuma).toBeUndefined();
  });

  it('may leave out everything: node 0 without a size, vCPUs and distances of 0', () => {
    const { vnuma } = read('vnuma = [["vcpus=1"], ["vdistances=5"]]');
    expect(vnuma!.nodes).toStrictEqual([
      { pnode: 0, sizeKib: undefined, vcpus: [1], distances: [0, 0] },
      { pnode: 0, sizeKib: undefined, vcpus: [], distances: [5, 0] },
    ]);
    expect([vnuma!.hasPnode, vnuma!.sizeKib, vnuma!.vcpus]).toStrictEqual([false, 0, 1]);
  });

  it('are lists of options of the form name=value', () => {
    refused('vnuma = ["size=512"]', 'expected a list for each virtual node, got a string');
    for (const option of ['size', 'size=', '=512', '']) refused(`vnuma = [["${option}"]]`, 'expected an option such as "size=1024"');
    // strtok passes over marks that follow each other, and what is behind the second part.
    expect(one('size==512').sizeKib).toBe(512 * 1024);
    expect(one('size=512=7').sizeKib).toBe(512 * 1024);
    expect(one(' size = 512 ').sizeKib).toBe(512 * 1024);
    // A list within is passed over.
    expect(nodesOf('vnuma = [[["size=1"], "size=2"]]')[0]!.sizeKib).toBe(2048);
  });

  it('with an option that xl does not know are read, with a warning', () => {
    const { vnuma, warnings } = read('vnuma = [["nodes=1","size=4"]]');
    expect(vnuma!.nodes[0]!.sizeKib).toBe(4096);
    expect(warnings).toStrictEqual(["vnuma: xl does not know the option 'nodes' and ignores it."]);
    expect(read('vnuma = [["size=4"]]').warnings).toStrictEqual([]);
  });
});

describe('numbers', () => {
  it('are read up to the first other character, and without any are refused', () => {
    expect(one('size=12x').sizeKib).toBe(12 * 1024);
    for (const value of ['x', '-', 'x12']) refused(`vnuma = [["size=${value}"]]`, `expected a number, got '${value}'`);
    // ULONG_MAX is strtoul's word for out of range.
    for (const value of ['18446744073709551615', '18446744073709551616', '-1']) {
      refused(`vnuma = [["size=${value}"]]`, `expected a number, got '${value}'`);
    }
  });

  it("of physical nodes are below the host's", () => {
    expect(one('pnode=1').pnode).toBe(1);
    refused('vnuma = [["pnode=2"]]', 'node 2 does not exist; the host has nodes 0-1');
  });

  it('of distances are as many as there are virtual nodes at most, cut to 32 bits', () => {
    refused('vnuma = [["vdistances=10,20"]]', 'expected at most 1 distances, one a virtual node, got 2');
    expect(one('vdistances=4294967306').distances).toStrictEqual([10]);
    expect(one('vdistances=,10,').distances).toStrictEqual([10]);
    expect(one('vdistances= 10 ').distances).toStrictEqual([10]);
    refused('vnuma = [["vdistances=x"]]', "expected a number, got 'x'");
  });
});

describe('vCPUs', () => {
  it('are ranges and numbers, in any order, once each; text that xl misreads is as xl reads it', () => {
    expect(one('vcpus=5,0-1,1').vcpus).toStrictEqual([0, 1, 5]);
    expect(one('vcpus=,3,').vcpus).toStrictEqual([3]);
    expect(one('vcpus=x').vcpus).toStrictEqual([0]);
    expect(one('vcpus=3x').vcpus).toStrictEqual([3]);
    expect(one('vcpus=5-2').vcpus).toStrictEqual([]);
    expect(one('vcpus=2-x').vcpus).toStrictEqual([]);
  });

  it('count towards the maximum of the guest each time, also those past the mask', () => {
    const lines = 'vnuma = [["vcpus=0-3"], ["vcpus=2-3"]]';
    expect(read(lines).vnuma!.vcpus).toBe(6);
    // The mask has whole bytes: 8 bits for maxvcpus=5, and 16 for the host's 12 CPUs without it.
    expect(nodesOf('vnuma = [["vcpus=6-9"]]', 5)[0]!.vcpus).toStrictEqual([6, 7]);
    expect(read('vnuma = [["vcpus=6-9"]]', 5).vnuma!.vcpus).toBe(4);
    expect(nodesOf('vnuma = [["vcpus=6-9"]]', 9)[0]!.vcpus).toStrictEqual([6, 7, 8, 9]);
    expect(nodesOf('vnuma = [["vcpus=14-17"]]', 0)[0]!.vcpus).toStrictEqual([14, 15]);
  });

  it('are no more than any guest may have', () => {
    expect(one('vcpus=0-65536').vcpus).toHaveLength(8);
    refused('vnuma = [["vcpus=0-65537"]]', "'0-65537' is more vCPUs than any guest may have");
  });
});

it('what is refused names the setting and its line', () => {
  try {
    read('vcpus = 1\nvnuma = [["pnode=9"]]');
    expect.unreachable();
  } catch (error) {
    expect((error as { place: unknown }).place).toStrictEqual({ file: 'g.cfg', line: 2, path: 'vnuma' });
  }
});
