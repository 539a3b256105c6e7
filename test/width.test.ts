// The text of every reading command fits the terminal: 40, 80 and 200 columns.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../src/cli/command-table.js';
import { xennuma } from './xennuma.js';

const dir = mkdtempSync(join(tmpdir(), 'xn-'));
afterAll(() => rmSync(dir, { recursive: true }));

const WIDTHS = [40, 80, 200];

/** A running host with two VMs of which one is spread, in the form of a paste. */
const PASTE = join(dir, 'p.txt');
writeFileSync(
  PASTE,
  `host : alpha
nr_cpus : 8
nr_nodes : 2
total_memory : 32768
cpu_topology :
cpu:    core    socket     node
${Array.from({ length: 8 }, (_, cpu) => `  ${cpu}:  ${cpu % 4}  ${cpu >> 2}  ${cpu >> 2}`).join('\n')}
numa_info :
node:    memsize    memfree    distances
   0:    16384      2048      10,21
   1:    16384      9216      21,10
xen_version : 4.17
Name                                        ID   Mem VCPUs      State   Time(s) NODE Affinity
Domain-0                                     0  4096     2     r-----  9281.3 all
a-database-with-a-long-name                  3  8192     4     -b----   102.9 1
web                                          4  2048     2     -b----    10.9 0
Name                                ID  VCPU   CPU State   Time(s) Affinity (Hard / Soft)
Domain-0                             0     0    0   -b-    2222.8  all / all
Domain-0                             0     1    5   -b-    2262.0  all / all
${[0, 1, 2, 3].map((vcpu) => `a-database-with-a-long-name  3  ${vcpu}  ${vcpu + 4}   -b-  30.9  all / 4-7`).join('\n')}
web                                  4     0    1   -b-      30.9  0-3 / all
web                                  4     1    2   -b-      30.9  0,2,3 / all
(XEN) Memory location of each domain:
(XEN) Domain 0 (total: 1048576):
(XEN)     Node 0: 1048576
(XEN)     Node 1: 0
(XEN) Domain 3 (total: 2097152):
(XEN)     Node 0: 1572864
(XEN)     Node 1: 524288
(XEN) Domain 4 (total: 524288):
(XEN)     Node 0: 524288
(XEN)     Node 1: 0
Name CPU list
Pool-0 0-7
`,
);

const EPYC = '--host examples/hosts/epyc-7763-nps4.yaml --vms examples/vms/dozen.yaml';
const FROM = `--from ${PASTE}`;
const REPLAY = 'replay examples/traces/office.csv --hosts 2 --host examples/hosts/four-nodes.yaml';
const RUNS = [
  'demo',
  'doctor',
  `show ${EPYC}`,
  'show --host examples/hosts/epyc-7763-nps4.yaml',
  `show ${FROM}`,
  `verify ${FROM}`,
  'verify --scenario examples/scenarios/drift.yaml',
  `explain 3 ${FROM}`,
  `explain 3 ${FROM} --details`,
  `explain warehouse ${EPYC}`,
  `explain warehouse ${EPYC} --policy best_effort --details`,
  `plan ${EPYC}`,
  `plan ${EPYC} --policy best_effort --rows spread`,
  `plan ${EPYC} --policy tight --batch --rows none`,
  `plan ${FROM} --vms examples/vms/dozen.yaml --policy best_effort`,
  `compare ${EPYC}`,
  `compare ${EPYC} --bound`,
  `compare ${FROM} --vms examples/vms/in-pool.yaml`,
  `rebalance ${FROM}`,
  `rebalance ${FROM} --bound`,
  `place 3 ${FROM}`,
  'place lost --scenario examples/scenarios/lost-affinity.yaml',
  'run examples/scenarios/chart.yaml',
  'run examples/scenarios/maintenance.yaml',
  'run examples/scenarios/race.yaml --summary',
  REPLAY,
  `${REPLAY} --policy tight,any --scale 1,2`,
  `${REPLAY} --bound`,
];
/** What reads nothing, or whose text is for programs, another program's form, or needs a daemon. */
const OTHERS = ['agent', 'capture', 'completion', 'console', 'fleet', 'serve', 'vm', 'xe', 'xenstored'];

/** A line that no break would help: what must be copied whole, or one word that is wider. */
function mayBeWide(line: string, columns: number): boolean {
  const isCommand = /^ *(?:npx )?(?:xennuma|xl|xe|cd) /.test(line) || / \| (?:npx )?xennuma /.test(line);
  return (
    isCommand ||
    line
      .trim()
      .split(' ')
      .some((word) => word.length > columns - 10)
  );
}

describe('the text of a command fits', () => {
  it.each(RUNS)('%s', (run) => {
    for (const width of WIDTHS) {
      const { code, out, err } = xennuma(run.split(' '), { env: { COLUMNS: String(width) } });
      expect(code, err).toBeLessThan(2);
      expect(out.trim()).not.toBe('');
      expect(
        out.split('\n').filter((line) => [...line].length > width && !mayBeWide(line, width)),
        `${width} columns`,
      ).toEqual([]);
    }
  });

  it('is tried with every command', () => {
    const tried = new Set([...RUNS.map((run) => run.split(' ')[0]), ...OTHERS]);
    expect(COMMANDS.map(({ name }) => name).filter((name) => !tried.has(name))).toEqual([]);
  });
});
