// Advice on domains of a host that was read: the commands are those of the toolstack that runs it.
import { describe, expect, it } from 'vitest';
import { runningAdvice } from '../src/cli/answers/advice/running-advice.js';
import { readCapture } from '../src/live/capture/captured-host.js';
import { migrationCommands } from '../src/live/rebalance/move-commands.js';
import { TWO_NODES_DUMP, twoNodesInfo } from './support/two-nodes.js';
import { xennuma } from './xennuma.js';

const LIST = (name: string) => `Name                                        ID   Mem VCPUs\tState\tTime(s) NODE Affinity
Domain-0                                     0  2048     2     r-----     812.4 all
${name.padEnd(40)}     7  4096     2     -b----       9.9 0`;
/** Its vCPUs prefer node 0, and three quarters of its memory are on node 1. */
const VCPUS = (name: string) => `Name                                ID  VCPU   CPU State   Time(s) Affinity (Hard / Soft)
Domain-0                             0     0    0   r--     402.0  all / all
Domain-0                             0     1    2   -b-     410.4  all / all
${name.padEnd(33)}    7     0    1   -b-       5.0  all / 0-3
${name.padEnd(33)}    7     1    2   -b-       4.9  all / 0-3`;
const text = (more: Readonly<Record<string, string>>, name = 'web', rest = '') =>
  [twoNodesInfo({ more }), LIST(name), VCPUS(name), TWO_NODES_DUMP, rest].join('\n');
const XE = `uuid ( RO)            : 6e0b8dd3-9c5a-4c0a-8d15-2f0d3c1b7a11
     name-label ( RW): web
     dom-id ( RO): 7
     VCPUs-params (MRW): weight: 256`;
const HOSTS = {
  xl: text({ release: '6.1.0-18-amd64' }),
  qubes: text({ release: '6.6.48-1.qubes.fc37.x86_64' }),
  xapi: text({ release: '4.19.0+1' }, 'web', XE),
  unknown: text({}),
};
const adviceOf = (host: string) => {
  const captured = readCapture([{ file: 'p.txt', text: host }]);
  return runningAdvice(captured, captured.live.map.domains);
};
const TEMPLATE = '/etc/qubes/templates/libvirt/xen/by-name/web.xml';

describe('advice on a running domain with its vCPUs away from its memory', () => {
  it.each([
    ['xl', ['xl vcpu-pin 7 all - 4-7'], /write into the config: `cpus_soft = "4-7"`/, /xe vm-param|by-name|xapi/],
    ['qubes', ['xl vcpu-pin 7 all - 4-7', expect.stringContaining(TEMPLATE)], /template of the qube/, /xl create|cpus_soft|xe vm-param/],
    [
      'xapi',
      ['xl vcpu-pin 7 all - 4-7', 'xe vm-param-set uuid=6e0b8dd3-9c5a-4c0a-8d15-2f0d3c1b7a11 VCPUs-params:mask=4,5,6,7'],
      /command of `xe` makes it last/,
      /cpus_soft|by-name/,
    ],
    [
      'unknown',
      ['xl vcpu-pin 7 all - 4-7', 'xe vm-param-set uuid=$(xe vm-list name-label=web --minimal) VCPUs-params:mask=4,5,6,7'],
      /where xl runs the host, .*`cpus_soft = "4-7"`.* Where xapi does/,
      /by-name/,
    ],
  ] as const)('%s', (host, commands, said, not) => {
    const advice = adviceOf(HOSTS[host]);
    expect(advice?.commands).toEqual(commands);
    expect(advice?.text).toMatch(said);
    expect(`${advice?.text} ${advice?.commands.join(' ')}`).not.toMatch(not);
  });

  it('pins each vCPU in the template of Qubes, because libvirt ignores the cpuset of <vcpu>', () => {
    const template = adviceOf(HOSTS.qubes)?.commands[1] ?? '';
    expect(template).toContain('{% extends "libvirt/xen.xml" %}');
    expect(template).toContain('{{ super() }}');
    expect(template).toMatch(/for i in range\(vm\.vcpus\).*<vcpupin vcpu="\{\{ i \}\}" cpuset="4-7"\/>/);
  });

  it('has no template for a stub domain', () => {
    const host = text({ release: '6.6.48-1.qubes.fc37.x86_64' }, 'web-dm');
    expect(adviceOf(host)?.commands).toEqual(['xl vcpu-pin 7 all - 4-7']);
  });

  it('is none on a host where it would not help', () => {
    const near = HOSTS.xl.replaceAll('all / 0-3', 'all / 4-7');
    expect(adviceOf(near)?.commands).toEqual([]);
    expect(adviceOf(near)?.text).toMatch(/No affinity brings the vCPUs nearer.*xennuma rebalance/);
    const local = near.replace('Node 0: 262144', 'Node 0: 0').replace('Node 1: 786432', 'Node 1: 1048576');
    expect(adviceOf(local)).toBeNull();
  });

  it.each(['explain', 'verify'])('is the end of %s', (command) => {
    const words = command === 'explain' ? ['explain', 'web', '--from', '-'] : ['verify', '--from', '-'];
    const { out } = xennuma(words, { input: HOSTS.xl });
    expect(out.replace(/\s+/g, ' ')).toMatch(/Recommendation: Soft affinity 4-7 brings .*xl vcpu-pin 7 all - 4-7 ?$/);
    const json = JSON.parse(xennuma([...words, '--json'], { input: HOSTS.xl }).out) as { recommendation: { commands: string[] } };
    expect(json.recommendation.commands).toEqual(['xl vcpu-pin 7 all - 4-7']);
  });
});

describe('other commands on a host of Qubes', () => {
  it('place names the template, and no config of xl', () => {
    const { out } = xennuma(['place', 'web', '--from', '-'], { input: HOSTS.qubes });
    expect(out).toContain(TEMPLATE);
    expect(out).not.toMatch(/xl create|cpus_soft|web\.cfg/);
  });

  it('rebalance restarts the qube: Qubes has no migration to the same host', () => {
    const commands = migrationCommands({ toolstack: 'qubes', name: 'web' }, { cpus: [4, 5, 6, 7] });
    expect(commands).toEqual([expect.stringContaining(TEMPLATE), 'qvm-shutdown --wait web && qvm-start web']);
  });
});
