// A host on which nothing is installed, read from outside: over ssh, from a status report and from
// a paste. The answers are those of `--on xen` inside its dom0, and reading changes nothing. Run by
// node:test outside of the rig (npm run test:xen -- afar).

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { MIB } from '../../../src/base/units.js';
import { type Ended, folder, inDom0, inside, outside, overSsh, rigHome, SOURCE, share } from './far-side.js';

/** A guest of 12 KB that blocks for ever. */
const KERNEL = join(rigHome, 'images/mini');
const XL_DOMAINS: Readonly<Record<string, readonly string[]>> = {
  'xl-hard': ['type = "pvh"', 'memory = 64', 'vcpus = 2', 'cpus = ["4-5", "4-5"]'],
  // As a string it does not stop xl's placement: memory and soft affinity are on another node.
  'xl-torn': ['type = "pvh"', 'memory = 48', 'vcpus = 1', 'cpus = "node:3"'],
  'xl-soft': ['type = "pv"', 'memory = 32', 'vcpus = 3', 'cpus_soft = "2-3"'],
};
const OURS = {
  vms: [
    { name: 'placed', kind: 'pvh', vcpus: 2, memory: '64MiB', boot: { kernel: KERNEL } },
    { name: 'masked', kind: 'pv', vcpus: 2, memory: '32MiB', params: { mask: '1,2,3' }, boot: { kernel: KERNEL } },
  ],
};
const ALL = ['masked', 'placed', 'xl-hard', 'xl-soft', 'xl-torn'];
const QUESTIONS = {
  show: ['show'],
  verify: ['verify'],
  explainXl: ['explain', 'xl-torn'],
  explainOurs: ['explain', 'masked'],
  place: ['place', 'xl-soft', 'placed', '--dry-run'],
} as const;
type Question = keyof typeof QUESTIONS;
const NAMES = Object.keys(QUESTIONS) as Question[];

interface Shown {
  readonly name: string;
  readonly domid: number;
  readonly vcpus: number;
  readonly hard: readonly string[];
  readonly soft: readonly string[];
  readonly nodeAffinity: readonly number[];
  readonly pagesByNode: readonly number[];
}

const parse = ({ out }: Ended) => JSON.parse(out);

/**
 * An answer without the words on how it was read: the door in `hypervisor`, in explain's titles the
 * place, and the source of a request, which for a VM of xennuma's own is its state folder inside,
 * and XenStore outside. Only inside is a domain's start known.
 */
function facts(answer: { host?: { hypervisor?: string } | string; hypervisor?: string; runs?: { title: string }[]; commands?: unknown }) {
  const host = typeof answer.host === 'object' ? { ...answer.host, hypervisor: '' } : answer.host;
  const last = answer.runs?.at(-1);
  const runs = last === undefined ? undefined : [{ ...last, title: last.title.replace(/ (?:as it is now|as \S+ has it)$/, '') }];
  const told = { ...answer, host, hypervisor: '', runs, commands: undefined };
  return JSON.parse(JSON.stringify(told).replaceAll("xennuma's state", 'XenStore'));
}

/** What a reader could disturb. Domain-0 runs, so its time, state and CPU change by themselves. */
function everything(): readonly string[] {
  const rows = inDom0('xenstore-ls -fp; echo ====; xl list; echo ====; xl vcpu-list').split('====');
  return rows.map((text) =>
    text
      .split('\n')
      .map((row) => (row.startsWith('Domain-0 ') ? row.replace(/\s(?:\d+|-)?\s+[-r][-b][-ps]\S*\s+[\d.]+/, '') : row))
      .join('\n'),
  );
}

const cpusOf = (domain: string) =>
  inDom0(`xl vcpu-list ${domain}`)
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((row) => /(\S+ \/ \S+)$/.exec(row)?.[1]);

let untouched: readonly string[];
let told: Readonly<Record<Question, Ended>>;

test('over ssh, show, verify, explain and place say what they say inside dom0', () => {
  const configs = Object.entries(XL_DOMAINS).map(([name, lines]) => {
    const config = [`name = "${name}"`, `kernel = "${KERNEL}"`, ...lines].join('\n');
    return `cat > /tmp/${name}.cfg << 'END'\n${config}\nEND\nxl create -q /tmp/${name}.cfg\n`;
  });
  inDom0(configs.join(''));
  inDom0('cat > /tmp/ours.json', JSON.stringify(OURS));
  const [created, started] = inside(
    ['vm', 'create', '--on', 'xen', '--vms', '/tmp/ours.json'],
    ['vm', 'start', 'placed', 'masked', '--on', 'xen', '--policy', 'best_effort'],
  );
  assert.deepEqual([created!.code, started!.code], [0, 0], `${created!.out}${started!.out}`);
  const within = inside(...NAMES.map((name) => [...QUESTIONS[name], '--on', 'xen', '--json']));
  told = Object.fromEntries(NAMES.map((name, index) => [name, within[index]])) as typeof told;
  assert.deepEqual(overSsh('command -v node || command -v npx || echo none'), { code: 0, out: 'none\n' });

  untouched = everything();
  const answers = NAMES.map((name) => outside(...QUESTIONS[name], '--from', SOURCE, '--json'));
  for (const [index, name] of NAMES.entries()) {
    assert.equal(answers[index]!.code, told[name].code, name);
    assert.deepEqual(facts(parse(answers[index]!)), facts(parse(told[name])), name);
  }
  const { vms } = parse(told.show) as { vms: Shown[] };
  assert.deepEqual(vms.map(({ name }) => name).sort(), ALL);
  // One of each kind of answer, so that two empty ones are not taken for agreement.
  assert.equal(told.verify.code, 1);
  assert.match(told.verify.out, /memory-unreachable/);
  assert.match(parse(told.explainOurs).runs.at(-1).sentences.join(' '), /1-3/);
});

test('without Python there, the listings of xl say the same, in whole MiB; nothing was changed', () => {
  overSsh("bash -c 'rm -f $(type -ap python3)'");
  assert.equal(overSsh('command -v python3').out, '');
  const [show, verify] = (['show', 'verify'] as const).map((name) => facts(parse(outside(...QUESTIONS[name], '--from', SOURCE, '--json'))));
  // After everything that was read by ssh, in both ways.
  assert.deepEqual(everything(), untouched);
  assert.deepEqual(verify, facts(parse(told.verify)));
  interface Sized {
    readonly nodes: readonly { readonly memoryBytes: number; readonly freeBytes: number }[];
  }
  const [host, exact] = [show, facts(parse(told.show))].map((answer) => answer!.host as unknown as Sized);
  for (const [node, { memoryBytes, freeBytes }] of host!.nodes.entries()) {
    const { memoryBytes: memory, freeBytes: free } = exact!.nodes[node]!;
    // Each of the four nodes is printed without its part of a MiB.
    assert.ok(Math.abs(memoryBytes - memory) <= 4 * MIB, `node ${node}: ${memoryBytes}, ${memory} exactly`);
    assert.equal(freeBytes, Math.floor(free / MIB) * MIB);
  }
  const unsized = (answer: object, { nodes }: Sized) => ({
    ...answer,
    host: nodes.map((node) => ({ ...node, memoryBytes: 0, freeBytes: 0 })),
  });
  assert.deepEqual(unsized(show!, host!), unsized(facts(parse(told.show)), exact!));
});

/** Names as xen-bugtool makes them: dashes for blanks, one for two, and .out. */
const REPORT: Readonly<Record<string, string>> = {
  'xl-info.out': 'xl info',
  'xl-info-n.out': 'xl info -n',
  'xl-dmesg.out': 'xl dmesg',
  'xl-vcpu-list.out': 'xl vcpu-list',
  'xenpm-get-cpu-topology.out': 'xenpm get-cpu-topology',
  'xenstore-ls-f.out': 'xenstore-ls -f',
  'list_domains.out': 'true',
  'proc/cpuinfo': 'cat /proc/cpuinfo',
  'proc/cmdline': 'cat /proc/cmdline',
  'process-tree.out': 'ps ax',
};
/** What a report has of each domain. Requests and node affinity are in none of its entries. */
const reported = ({ name, domid, vcpus, hard, soft, pagesByNode }: Shown) => ({ name, domid, vcpus, hard, soft, pagesByNode });

test('a status report has the same domains, masks and memory', () => {
  const report = join(share, 'bug-report-20260101120000');
  const entries = Object.entries(REPORT).map(([file, command]) => `${command} > ${report}/${file}`);
  inDom0(`mkdir -p ${report}/proc ${report}/var/log/xen; xl debug-keys u; sleep 1; ${entries.join('; ')}`);
  // An older dump in the hypervisor's log: the ring is newer.
  const older = readFileSync(join(report, 'xl-dmesg.out'), 'utf8').replaceAll(/Node (\d): \d+/g, 'Node $1: 7');
  writeFileSync(join(report, 'var/log/xen/hypervisor.log'), older);
  writeFileSync(join(report, 'inventory.xml'), '<?xml version="1.0" ?>\n<system-status-inventory/>\n');
  const busybox = join(rigHome, 'root/bin/busybox');
  for (const [file, option] of [
    ['report.tar.bz2', 'j'],
    ['report.tgz', 'z'],
  ] as const) {
    const archive = join(folder, file);
    assert.equal(spawnSync(busybox, ['tar', '-C', share, `-c${option}f`, archive, 'bug-report-20260101120000']).status, 0, file);
    const shown = parse(outside('show', '--from', archive, '--json'));
    assert.deepEqual(shown.vms.map(reported), parse(told.show).vms.map(reported), file);
    assert.equal(shown.host.name, 'dom0');
    assert.deepEqual(shown.host.distances, parse(told.show).host.distances);
    const codes = (answer: { domains: { name: string; drifts: { code: string }[] }[] }) =>
      answer.domains.map(({ name, drifts }) => [name, drifts.map(({ code }) => code).filter((code) => code !== 'node-affinity-by-hand')]);
    assert.deepEqual(codes(parse(outside('verify', '--from', archive, '--json'))), codes(parse(told.verify)), file);
  }
});

test('a paste of four commands is explained', () => {
  const commands = ['xl info -n', 'xl list -n', 'xl vcpu-list', 'xl dmesg'];
  const text = commands.map((command) => `[root@dom0 ~]# ${command}\n${inDom0(command)}`).join('');
  const paste = join(folder, 'paste.txt');
  mkdirSync(folder, { recursive: true });
  writeFileSync(paste, text);
  const { sentences } = parse(outside('explain', 'xl-torn', '--from', paste, '--json')).runs.at(-1);
  const exact = parse(told.explainXl).runs.at(-1).sentences as string[];
  // The request is in libxl's own record, which is in none of these.
  const unknown = (sentence: string) => /request|record|CPU pools are not in the listings/i.test(sentence);
  assert.deepEqual(
    sentences.filter((one: string) => !unknown(one)),
    exact.filter((one) => !unknown(one)),
  );
});

test('place --yes from outside sets what xl vcpu-list then shows', () => {
  const [soft] = parse(told.place).domains.filter(({ name }: Shown) => name === 'placed');
  inDom0('xl vcpu-pin placed all - 6-7');
  const away = cpusOf('placed');
  const placed = outside('place', 'placed', '--from', SOURCE, '--yes', '--json');
  assert.equal(placed.code, 0);
  const { commands, domains, dryRun } = parse(placed);
  assert.equal(dryRun, false);
  assert.deepEqual(
    commands.map(({ state }: { state: string }) => state),
    ['done'],
  );
  const [list] = domains[0].after.soft as string[];
  assert.deepEqual(cpusOf('placed'), [`all / ${list}`, `all / ${list}`]);
  assert.notDeepEqual(cpusOf('placed'), away);
  assert.deepEqual(domains[0].after.soft, soft.after.soft);
});
