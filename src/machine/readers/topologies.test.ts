// Readers tested on real machines. The files belong to others and are outside the tree. Without
// them the tests are skipped, with a message.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../base/errors.js';
import type { Host } from '../model.js';
import { asXenSees } from '../xen-sees.js';
import { assembleHost } from './assemble.js';
import { detectAndRead } from './detect.js';

const folder = fileURLToPath(new URL('../../../../shared/topologies/', import.meta.url));
const there = existsSync(`${folder}index.json`);
if (!there) console.warn(`skipped: no real machines in ${folder}`);

interface Entry {
  readonly file: string;
  readonly kind: string;
  readonly nodes: number;
  readonly cpus: number;
  readonly hasDistances: boolean;
  readonly cpulessNodes: number[];
  readonly memorylessNodes: number[];
  readonly distanceValues: number[];
  readonly sparseNodeIds: boolean;
}
interface Digest {
  readonly nodes: { id: number; memTotalKiB: number | null; memFreeKiB: number | null; distances: number[] | null }[];
  readonly cpus: { id: number; node: number; package: number | null; core: number | null }[];
}

const text = (file: string) => readFileSync(folder + file, 'utf8');
const index: Entry[] = there ? JSON.parse(text('index.json')) : [];

/**
 * A fake tree lists CPUs under nested nodes; a real CPU is on one: the node with the fewest CPUs,
 * as in the XML reader.
 */
function onOneNode(digest: Digest): Digest['cpus'] {
  const size = (node: number) => digest.cpus.filter((cpu) => cpu.node === node).length;
  const nearest = new Map([...digest.cpus].sort((a, b) => size(b.node) - size(a.node)).map((cpu) => [cpu.id, cpu]));
  return [...nearest.values()];
}

function fromDigest(file: string): Host {
  const digest: Digest = JSON.parse(text(file));
  const ids = digest.nodes.map((node) => node.id);
  const rows = digest.nodes.map((node) => node.distances);
  return assembleHost({
    name: file,
    source: `${file} (digest of sysfs)`,
    file,
    nodes: digest.nodes.map(({ id, memTotalKiB, memFreeKiB }) => ({
      id,
      memoryBytes: (memTotalKiB ?? 0) * 1024,
      freeBytes: memFreeKiB === null ? undefined : memFreeKiB * 1024,
    })),
    cpus: onOneNode(digest).map((cpu) => ({ id: cpu.id, nodeId: cpu.node, core: cpu.core, socket: cpu.package })),
    distances: rows.every((row) => row !== null) ? { ids, rows } : undefined,
    oddDistances: 'drop',
    notes: [],
  });
}

const emptyNodes = (host: Host) =>
  host.nodes.filter((_, position) => !host.cpus.some((cpu) => cpu.node === position)).map((node) => node.id);
const values = (host: Host) => [...new Set(host.distances.flat())].sort((a, b) => a - b);

describe.skipIf(!there)('real machines', () => {
  it.each(index.filter((entry) => entry.kind === 'hwloc XML'))('lstopo XML $file', (entry) => {
    const host = detectAndRead([{ file: entry.file, text: text(entry.file) }]);
    expect(host.nodes).toHaveLength(entry.nodes);
    expect(host.cpus).toHaveLength(entry.cpus);
    expect(host.notes.some((note) => note.includes('no distances'))).toBe(!entry.hasDistances && entry.nodes > 1);
    // The source's own text holds the values in matrix order; the rows sum to the same whatever the
    // order of nodes.
    const matrix = /<distances2 type="NUMANode"[^>]*>.*?<\/distances2>/s.exec(text(entry.file))?.[0];
    const given = [...(matrix ?? '').matchAll(/<u64values[^>]*>([^<]*)</g)].flatMap((match) => match[1]!.trim().split(' ').map(Number));
    const sorted = (numbers: number[]) => [...numbers].sort((a, b) => a - b);
    if (given.length > 0) expect(sorted(host.distances.flat())).toStrictEqual(sorted(given));
  });

  it.each(index.filter((entry) => entry.kind === 'sysfs digest'))('digest $file', (entry) => {
    const host = fromDigest(entry.file);
    expect(host.nodes).toHaveLength(entry.nodes);
    // The index counts the CPUs of nested nodes once a node (32 entries for 20 CPUs, in
    // fakeheterocpunuma only).
    const nested = entry.file.endsWith('/fakeheterocpunuma.json');
    expect(host.cpus).toHaveLength(nested ? 20 : entry.cpus);
    expect(emptyNodes(host)).toStrictEqual(entry.cpulessNodes);
    expect(host.nodes.filter((node) => node.memoryBytes === 0).map((node) => node.id)).toStrictEqual(entry.memorylessNodes);
    expect(host.nodes.some((node, position) => node.id !== position)).toBe(entry.sparseNodeIds);
    if (entry.hasDistances) expect(values(host)).toStrictEqual(entry.distanceValues);
    const seen = asXenSees(host);
    expect(seen.nodes.map((node) => node.id)).toStrictEqual(seen.nodes.map((_, position) => position));
    expect(emptyNodes(seen)).toStrictEqual(seen.nodes.map((node) => node.id).slice(seen.nodes.length - entry.cpulessNodes.length));
  });

  it('finds the same in the XML and the sysfs of one machine', () => {
    const xml = detectAndRead([{ file: 'm.xml', text: text('hwloc-xml/xml--memorysidecaches.xml') }]);
    const sysfs = fromDigest('sysfs/memorysidecaches.json');
    expect(xml.distances).toStrictEqual(sysfs.distances);
    expect(xml.cpus.map((cpu) => [cpu.id, cpu.node, cpu.socket])).toStrictEqual(sysfs.cpus.map((cpu) => [cpu.id, cpu.node, cpu.socket]));
    expect(xml.nodes.map((node) => node.memoryBytes)).toStrictEqual(sysfs.nodes.map((node) => node.memoryBytes));
  });

  it.each(there ? readdirSync(`${folder}rig`) : [])('xl info -n and xenpm of %s agree with libxenctrl', (name) => {
    const parts = text(`rig/${name}`).split(/^# /m);
    const part = (title: string) => ({ file: title, text: parts.find((candidate) => candidate.startsWith(title))!.replace(/^.*\n/, '') });
    const probe: { free: number[]; size: number[]; dist: number[][]; topo: number[][] } = JSON.parse(part('probe -t').text);
    const [info, xenpm, dump] = [part('xl info -n'), part('xenpm'), part('xl debug-keys')];
    const emptyTable = /cpu:\s+core\s+socket\s+node\ndevice/.test(info.text);
    if (emptyTable) expect(() => detectAndRead([info])).toThrow(/second source/);
    if (emptyTable) expect(() => detectAndRead([info, xenpm])).toThrow(InputError);
    const host = detectAndRead(emptyTable ? [dump, info] : [xenpm, info]);
    expect(detectAndRead([{ file: name, text: text(`rig/${name}`) }]).cpus).toStrictEqual(host.cpus);
    expect(host.distances).toStrictEqual(probe.dist);
    // The probe has what each node spans, with the hole for devices in node 0; the host has
    // total_memory in all.
    const spanned = probe.size.map((bytes) => Math.floor(bytes / 2 ** 20));
    const sizes = host.nodes.map((node) => node.memoryBytes / 2 ** 20);
    expect(sizes.slice(1)).toStrictEqual(spanned.slice(1));
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(Number(/^total_memory *: (\d+)$/m.exec(text(`rig/${name}`))![1]));
    expect(host.nodes.map((node) => node.freeBytes / 2 ** 20)).toStrictEqual(probe.free.map((bytes) => Math.floor(bytes / 2 ** 20)));
    expect(host.cpus.map((cpu) => cpu.node)).toStrictEqual(probe.topo.map((entry) => entry[2]));
    if (!emptyTable) expect(host.cpus.map((cpu) => [cpu.core, cpu.socket])).toStrictEqual(probe.topo.map((entry) => entry.slice(0, 2)));
    expect(host.xenVersion).toBe('4.17');
    expect(asXenSees(host)).toBe(host);
  });

  it('numbers nodes as the running Xen did when one of six had no CPU', () => {
    const rig = text('rig/six-nodes-one-cpuless.txt');
    const [, topo, dist] = /TOPO="([^"]*)" DIST="([^"]*)"/.exec(rig)!;
    let next = 0;
    const nodes = topo!.split(' ').map((word) => {
      const [mib, cpus] = word.split(':').map(Number) as [number, number];
      next += cpus;
      return { memory: `${mib}MiB`, cpus: Array.from({ length: cpus }, (_, i) => next - cpus + i) };
    });
    const distances = dist!.split(';').map((row) => row.split(' ').map(Number));
    const described = asXenSees(detectAndRead([{ file: 'asked.json', text: JSON.stringify({ nodes, distances }) }]));
    const seen = detectAndRead([{ file: 'seen', text: rig }]);
    expect(described.distances).toStrictEqual(seen.distances);
    expect(described.cpus.map((cpu) => cpu.node)).toStrictEqual(seen.cpus.map((cpu) => cpu.node));
  });

  it('numactl --hardware, with lscpu in the same text for the machine whose listing has no CPUs', () => {
    const samples = text('numactl-samples.txt').split(/^### /m).slice(1);
    const hosts = samples.map((sample, number) => detectAndRead([{ file: `sample ${number + 1}`, text: sample }]));
    expect(hosts.map((host) => [host.nodes.length, host.cpus.length])).toStrictEqual([
      [8, 112],
      [4, 96],
      [4, 72],
      [8, 96],
      [2, 128],
    ]);
    expect(hosts[1]!.distances[1]).toStrictEqual([12, 10, 22, 24]);
    expect(hosts[2]!.cpus.filter((cpu) => cpu.node === 1).map((cpu) => cpu.id)).toStrictEqual([
      9, 10, 11, 12, 13, 14, 15, 16, 17, 45, 46, 47, 48, 49, 50, 51, 52, 53,
    ]);
    expect(hosts[3]!.nodes.filter((node) => node.memoryBytes === 0).map((node) => node.id)).toStrictEqual([0, 2, 3, 4, 6, 7]);
    expect(hosts[4]!.nodes.map((node) => node.id)).toStrictEqual([0, 8]);
    expect(hosts[4]!.distances).toStrictEqual([
      [10, 40],
      [40, 10],
    ]);
    expect(hosts[4]!.cpus[64]).toStrictEqual({ id: 64, node: 1, core: 0, socket: 1 });
    const all = { file: 'all', text: text('numactl-samples.txt') };
    expect(() => detectAndRead([all])).toThrow(/second listing/);
  });
});
