// Texts that people paste, read as one host.

import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { TWO_NODES_DUMP, twoNodesInfo, twoNodesList, twoNodesVcpus } from '../../../test/support/two-nodes.js';
import { GIB, PAGES_PER_GIB } from '../../base/units.js';
import { domainFigures } from '../../map/figures.js';
import { judgeDomains } from '../../map/judge.js';
import { explainRunning } from '../explain-running.js';
import { readCapture } from './captured-host.js';

const GUEST = 'web server';
const INFO = twoNodesInfo({
  more: { max_cpu_id: 7, cores_per_socket: 4, threads_per_core: 1, free_memory: 4096, free_cpus: 1 },
  tail: { xen_version: '4.17' },
});
const LIST = twoNodesList(GUEST);
const VCPUS = twoNodesVcpus(GUEST);
const DUMP = TWO_NODES_DUMP;
const POOLS = `Name               CPU list
Pool-0             0,1,2,3,4,5,7`;

const read = (...texts: string[]) => readCapture(texts.map((text, at) => ({ file: `paste-${at}.txt`, text })));
const everything = [INFO, LIST, VCPUS, POOLS, DUMP].join('\n');

describe('a host from listings', () => {
  it('uses each listing, in any order and in any number of texts', () => {
    const whole = read(everything);
    expect(whole.live.map.domains).toMatchObject([
      { domid: 0, name: 'Domain-0', state: 'running', nodeAffinity: [0], pages: [2 * PAGES_PER_GIB, 0] },
      { domid: 7, name: 'web server', state: 'blocked', nodeAffinity: [1], pages: [PAGES_PER_GIB, 3 * PAGES_PER_GIB] },
    ]);
    expect(whole.live.map.domains[1]!.vcpus).toEqual([
      { id: 0, online: true, hard: [0, 1, 2, 3, 4, 5, 6, 7], soft: [4, 5, 6, 7] },
      { id: 1, online: false, hard: [4, 5, 7], soft: [4, 5, 6, 7] },
    ]);
    // CPU 6 is in no pool's list: it is offline.
    expect(whole.live.map.cpus.map((cpu) => cpu!.online)).toEqual([true, true, true, true, true, true, false, true]);
    expect(whole.live.map.nodes.map(({ memoryBytes, freePages }) => [memoryBytes / GIB, freePages / PAGES_PER_GIB])).toEqual([
      [8, 1],
      [8, 3],
    ]);
    expect(whole.live.notes).toEqual([]);
    const parts = read(DUMP, POOLS, VCPUS, LIST, INFO);
    expect(parts.live.map.domains).toEqual(whole.live.map.domains);
  });

  it('sees through prompts, quoting marks, colours, fences and prose', () => {
    const quoted = [
      'Hi all,',
      '```',
      ...['# xl info -n', INFO, '[root@alpha ~]# xl list -n', LIST, 'alpha:~# xl vcpu-list', VCPUS]
        .join('\n')
        .split('\n')
        .map((line) => `> ${line}`),
      '```',
      'and this is the dump, as asked:',
      ...`root@alpha:/tmp# xl debug-keys u; xl dmesg\n\u001b[1m${DUMP}\u001b[0m`.split('\n').map((line) => `>> ${line}\r`),
      'Thanks!',
      POOLS,
    ].join('\n');
    expect(read(quoted).live.map.domains).toEqual(read(everything).live.map.domains);
  });

  it('joins a heading that was wrapped', () => {
    const wrapped = everything.replace('Time(s) Affinity (Hard', 'Time(s)\nAffinity (Hard').replace('Time(s) NODE', 'Time(s)\n NODE');
    expect(wrapped).not.toBe(everything);
    expect(read(wrapped).live.map.domains).toEqual(read(everything).live.map.domains);
  });

  it('joins rows that were wrapped', () => {
    const wrapped = everything
      .replace('Time(s) NODE Affinity', 'Time(s) NODE Affinity')
      .replace(
        'web server                           7     0    5   -b-       5.0  all / 4-7',
        'web server                           7     0    5\n   -b-       5.0  all / 4-7',
      )
      .replace('4-5,7 / 4-7', '4-5,7 /\n4-7')
      .replace('10,21', '10,\n21');
    expect(read(wrapped).live.map.domains).toEqual(read(everything).live.map.domains);
    expect(read(wrapped).live.map.distances).toEqual([
      [10, 21],
      [21, 10],
    ]);
  });

  it.each([
    ['xl vcpu-list', [INFO, LIST, POOLS, DUMP], 'run `xl vcpu-list`'],
    ['the dump', [INFO, LIST, VCPUS, POOLS], 'run `xl debug-keys u; xl dmesg`'],
    ['the pools', [INFO, LIST, VCPUS, DUMP], '`xl cpupool-list -c` prints them'],
    ['the domains', [INFO, POOLS, DUMP.slice(0, 0)], 'run `xl list -n` and `xl vcpu-list`'],
  ])('names what is missing without %s', (_, texts, command) => {
    expect(read(texts.join('\n')).live.notes.join('\n')).toContain(command);
  });

  it('keeps the node affinity of `xl list -n` where `xl list -v` follows', () => {
    const long = `Name                                        ID   Mem VCPUs\tState\tTime(s)   UUID                            Reason-Code\tSecurity Label
Domain-0                                     0  2048     2     r-----     813.4 00000000-0000-0000-0000-000000000000        -                -
web server                                   7  4096     2     -b----       9.9 0b1c2d3e-0000-4000-8000-000000000007        -                -`;
    const { live } = read(`${everything}\n${long}`);
    expect(live.map.domains).toEqual(read(everything).live.map.domains);
    expect(live.uuids.get(7)).toBe('0b1c2d3e-0000-4000-8000-000000000007');
    // Another domain has the number by now.
    const reused = long.replace('web server', 'other      ');
    expect(read(`${everything}\n${reused}`).live.map.domains[1]).toMatchObject({ name: 'other', nodeAffinityInferred: true });
  });

  it('does not judge a node affinity that no listing has', () => {
    // Memory on node 0 alone, soft affinity node 1, no `xl list -n`.
    const dump = DUMP.replace('Node 0: 262144', 'Node 0: 1048576').replace('Node 1: 786432', 'Node 1: 0');
    const codes = (text: string) => {
      const { live } = read(text);
      const [verdict] = judgeDomains(live.map, new Map(), new Set([7]));
      return { codes: verdict!.drifts.map(({ code }) => code), said: explainRunning(live.map, verdict!).join(' ') };
    };
    const without = codes([INFO, VCPUS, POOLS, dump].join('\n'));
    expect(without.codes).toContain('soft-not-memory');
    expect(without.codes).not.toContain('memory-outside-node-affinity');
    expect(without.said).toContain('Its node affinity is not known; the affinity of its vCPUs gives node 1');
    expect(codes([INFO, LIST, VCPUS, POOLS, dump].join('\n')).codes).toContain('memory-outside-node-affinity');
  });

  it('refuses a text without the topology, and names what it found', () => {
    expect(() => read(`${LIST}\n${VCPUS}`)).toThrow('found `xl list`, `xl vcpu-list`, not `xl info -n`');
    expect(() => read('hello')).toThrow('expected the output of Xen tools');
  });

  it('names the line of a damaged row', () => {
    expect(() => read(everything.replace('all / 4-7', 'all / 4-x'))).toThrow("expected an affinity such as 'all' or '0-3,8'");
  });

  it("takes names, kinds and uuids from XenStore, and masks given to xl from libxl's data", () => {
    const store = `/local/domain/7/name = "web\\040server"
/local/domain/7/vm = "/vm/0b1c2d3e-0000-4000-8000-000000000007"
/libxl/7/type = "pvh"`;
    const long = `[
  {
    "domid": 7,
    "config": {"c_info": {"name": "web server", "type": "pvh"}, "b_info": {"vcpu_hard_affinity": [[4, 5], [4, 5]]}}
  }
]`;
    const captured = read(`${everything}\n${store}\n${long}\n`);
    expect(captured.live.map.domains[1]).toMatchObject({ kind: 'pvh', name: 'web server' });
    expect(captured.live.uuids.get(7)).toBe('0b1c2d3e-0000-4000-8000-000000000007');
    expect(JSON.parse(captured.userdata.get(7)!)).toMatchObject({
      b_info: {
        vcpu_hard_affinity: [
          [4, 5],
          [4, 5],
        ],
      },
    });
  });
});

const report = new URL('../../../../shared/reports/paste.txt', import.meta.url);
it.skipIf(!existsSync(report))('a paste as seen in forums: three quarters of the memory is remote', () => {
  const { live } = readCapture([{ file: 'paste.txt', text: readFileSync(report, 'utf8') }]);
  const [dom0, db] = live.map.domains;
  expect(live.map.cpus).toHaveLength(8);
  expect(dom0!.pages).toEqual([4 * PAGES_PER_GIB, 0]);
  expect(db).toMatchObject({ name: 'db', pages: [6 * PAGES_PER_GIB, 2 * PAGES_PER_GIB], nodeAffinity: [1] });
  expect(domainFigures(live.map, db!)).toMatchObject({ remotePages: 6 * PAGES_PER_GIB, totalPages: 8 * PAGES_PER_GIB });
  const [verdict] = judgeDomains(live.map, new Map(), new Set([3]));
  expect(verdict!.drifts.length).toBeGreaterThan(0);
});
