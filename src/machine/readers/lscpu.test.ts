// lscpu in other languages and as JSON, as a source of CPUs for `numactl --hardware`.
import { describe, expect, it } from 'vitest';
import { detectAndRead } from './detect.js';

const NUMACTL = `available: 2 nodes (0-1)
node 0 size: 8000 MB
node 0 free: 4000 MB
node 1 size: 8000 MB
node 1 free: 4000 MB
node distances:
node   0   1
  0:  10  21
  1:  21  10`;
const read = (lscpu: string) =>
  detectAndRead([
    { file: 'numactl', text: NUMACTL },
    { file: 'lscpu', text: lscpu },
  ]).cpus.map(({ id, node, core }) => [id, node, core]);

/** Translations of util-linux 2.38: the number of CPUs, that of nodes, and the CPUs of node %d. */
const LANGUAGES: Readonly<Record<string, readonly [string, string, string]>> = {
  cs: ['Počet CPU:', 'Uzly NUMA:', 'CPU NUMA uzlu %d:'],
  da: ["CPU'er:", 'NUMA-knuder:', "NUMA-knuder%d CPU'er:"],
  de: ['CPU(s):', 'NUMA-Knoten:', 'NUMA-Knoten%d CPU(s):'],
  es: ['CPU(s):', 'Modo(s) NUMA:', 'CPU(s) del nodo NUMA %d:'],
  fr: ['Processeur(s)\u00a0:', 'Nœud(s) NUMA\u00a0:', 'Nœud NUMA\u00a0%d de processeur(s)\u00a0:'],
  ja: ['CPU:', 'NUMA ノード数:', 'NUMA ノード %d CPU:'],
  nl: ["CPU's:", 'NUMA-nodes:', "NUMA-node%d CPU('s):"],
  pl: ['CPU:', 'Węzłów NUMA:', 'Procesory węzła NUMA %d:'],
  pt_BR: ['CPU(s):', 'Nó(s) de NUMA:', 'CPU(s) de nó%d NUMA:'],
  sv: ['CPU(er):', 'NUMA nod(er):', 'NUMA-nod%d CPU(er):'],
  tr: ['İşlemciler:', 'NUMA düğümü(leri):', 'NUMA düğüm%d işlemci:'],
  uk: ['Процесори:', 'Вузли NUMA:', 'Процесори вузла%d NUMA:'],
  vi: ['CPU:', 'Nút NUMA:', 'CPU nút%d NUMA:'],
  zh_CN: ['CPU:', 'NUMA 节点：', 'NUMA 节点%d CPU：'],
};

describe('lscpu', () => {
  const cpus = [
    [0, 0, null],
    [1, 0, null],
    [2, 1, null],
    [3, 1, null],
  ];
  it.each(Object.entries(LANGUAGES))('in %s', (_, [all, nodes, node]) => {
    const row = (heading: string, value: string) => `${heading.padEnd(40)}${value}`;
    const text = [
      row(all, '4'),
      row('NUMA:', ''),
      row(nodes, '2'),
      row(node.replace('%d', '0'), '0,1'),
      `  ${row(node.replace('%d', '1'), '2-3')}`,
    ];
    expect(read(text.join('\n'))).toStrictEqual(cpus);
  });

  it('as JSON, with nested fields and without', () => {
    const fields = ['0,1', '2-3'].map((data, node) => ({ field: `NUMA node${node} CPU(s):`, data }));
    const head = [{ field: 'CPU(s):', data: '4' }];
    expect(read(JSON.stringify({ lscpu: [...head, ...fields] }, null, 3))).toStrictEqual(cpus);
    expect(read(JSON.stringify({ lscpu: [...head, { field: 'NUMA:', data: null, children: fields }] }))).toStrictEqual(cpus);
  });

  it('-e -J, with cores', () => {
    const rows = cpus.map(([cpu, node]) => ({ cpu, node, socket: node, core: cpu, 'l1d:l1i:l2:l3': '0:0:0:0', online: true }));
    expect(read(JSON.stringify({ cpus: rows }, null, 3))).toStrictEqual(cpus.map(([cpu, node]) => [cpu, node, cpu]));
  });

  it('damaged JSON is refused', () => expect(() => read('{"lscpu": [')).toThrow(/expected the JSON of .lscpu -J., got damaged JSON/));
});
