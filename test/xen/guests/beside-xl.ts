// Domains that xl started, as xennuma sees them, beside what Debian's own tools and Xen's debug key
// say; and that looking changes nothing.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { asWere, bench, eventually, MINI, start, stop, traces, using, vm, xl } from './host.js';
import { listDomains, listVcpus, pagesOnNodes } from './xl-output.js';

const NODES = 4;
const CPUS_OF_NODE = ['0-1', '2-3', '4-5', '6-7'];

interface Shown {
  readonly name: string;
  readonly domid: number;
  readonly vcpus: number;
  readonly hard: readonly string[];
  readonly soft: readonly string[];
  readonly nodeAffinity: readonly number[];
  readonly pagesByNode: readonly number[];
}

interface Verified extends Shown {
  readonly asked: { readonly source: string; readonly hard: string | readonly string[] | null } | null;
  readonly drifts: readonly { readonly code: string }[];
}

function xennuma(...words: string[]) {
  const { stdout, stderr, status } = spawnSync('node', ['dist/xennuma.js', ...words], { encoding: 'utf8' });
  assert.ok(status === 0 || status === 1, `xennuma ${words.join(' ')}: exit ${status}\n${stderr}`);
  return { status, answer: JSON.parse(stdout) };
}

/** xl and Xen's own tools of what a reader could disturb. */
function everything(): string {
  const vcpus = [...listVcpus().values()];
  return JSON.stringify([execFileSync('xenstore-ls', ['-fp'], { encoding: 'utf8' }), [...listDomains().values()], vcpus]);
}

const perVcpu = (lists: readonly string[], vcpus: number) => Array.from({ length: vcpus }, (_, vcpu) => lists[vcpu] ?? lists[0]);

/** `show` says of each domain what `xl vcpu-list`, `xl list -n` and debug key 'u' say. */
function agrees(vms: readonly Shown[]): void {
  const domains = listDomains();
  const vcpus = listVcpus();
  const pages = pagesOnNodes(NODES);
  assert.deepEqual(vms.map(({ name }) => name).sort(), [...domains.keys()].filter((name) => name !== 'Domain-0').sort());
  for (const one of vms) {
    const { domid, affinity } = domains.get(one.name)!;
    const theirs = vcpus.get(one.name)!;
    assert.equal(one.domid, domid, one.name);
    assert.equal(one.vcpus, theirs.length, one.name);
    assert.deepEqual(
      perVcpu(one.hard, one.vcpus),
      theirs.map(({ hard }) => hard),
      one.name,
    );
    assert.deepEqual(
      perVcpu(one.soft, one.vcpus),
      theirs.map(({ soft }) => soft),
      one.name,
    );
    assert.deepEqual(
      one.nodeAffinity.filter((node) => node < NODES),
      affinity === 'all' ? [0, 1, 2, 3] : affinity,
      one.name,
    );
    assert.deepEqual(one.pagesByNode, pages.get(domid), one.name);
  }
}

// Longer than 70 lines: one host in the rig, where each step begins with what the one before left.
test('domains of xl show up right in show and verify; what reads changes nothing; place sets what Xen then has', () =>
  using(bench(), async (one) => {
    const unused = await traces(one.doors.xc, one.doors.xs);
    const folder = await mkdtemp('/tmp/xennuma-xl-');
    const create = async (name: string, lines: readonly string[]) => {
      const file = join(folder, `${name}.cfg`);
      await writeFile(file, [`name = "${name}"`, `kernel = "${MINI.kernel}"`, ...lines, ''].join('\n'));
      xl('create', file);
    };
    await create('xl-hard', ['type = "pvh"', 'memory = 64', 'vcpus = 2', 'cpus = ["4-5", "4-5"]']);
    // As a string it does not stop xl's placement: memory and soft affinity are on another node.
    await create('xl-torn', ['type = "pvh"', 'memory = 48', 'vcpus = 1', 'cpus = "node:3"']);
    await create('xl-soft', ['type = "pv"', 'memory = 32', 'vcpus = 3', 'cpus_soft = "2-3"']);
    await create('xl-placed', ['type = "pvh"', 'memory = 48', 'vcpus = 1']);
    await start(one, vm('ours', 'pvh', 2, 64));

    const vms = join(folder, 'new.json');
    await writeFile(vms, JSON.stringify({ vms: [{ name: 'new', kind: 'pvh', vcpus: 2, memory: '64MiB', boot: MINI }] }));
    const before = everything();
    const shown = xennuma('show', '--on', 'xen', '--json');
    const verified = xennuma('verify', '--on', 'xen', '--json');
    const planned = xennuma('plan', '--on', 'xen', '--vms', vms, '--policy', 'best_effort', '--json');
    xennuma('explain', '--on', 'xen', '--vms', vms, '--policy', 'best_effort', '--json', 'new');
    xennuma('place', 'xl-soft', 'xl-placed', '--on', 'xen', '--dry-run', '--json');
    assert.equal(everything(), before);

    assert.equal(shown.status, 0);
    agrees(shown.answer.vms);
    const found = new Map<string, Verified>(verified.answer.domains.map((domain: Verified) => [domain.name, domain]));
    assert.equal(verified.status, 1);
    const drifts = [...found.values()].map(({ name, drifts }) => [name, drifts.map(({ code }) => code).sort()] as const);
    assert.deepEqual(
      drifts.filter(([, codes]) => codes.length > 0),
      [['xl-torn', ['memory-unreachable', 'node-affinity-by-hand', 'soft-ignored']]],
    );
    assert.deepEqual([found.get('xl-hard')?.asked?.source, found.get('xl-hard')?.asked?.hard], ["libxl's userdata", ['4-5']]);
    for (const { name, hard, soft, nodeAffinity, pagesByNode } of shown.answer.vms as Shown[]) {
      const { hard: h, soft: s, nodeAffinity: n, pagesByNode: p } = found.get(name)!;
      assert.deepEqual({ h, s, n, p }, { h: hard, s: soft, n: nodeAffinity, p: pagesByNode }, name);
    }

    // Drift by xl's hand is found and named.
    xl('vcpu-pin', 'xl-hard', '0', '6');
    const drifted = xennuma('verify', 'xl-hard', '--on', 'xen', '--json');
    assert.equal(drifted.status, 1);
    assert.ok(drifted.answer.domains[0].drifts.some(({ code }: { code: string }) => code === 'hard-differs'));

    // A plan of the live host is what a start by a new process then does.
    const [plan] = planned.answer.vms.filter(({ name }: Shown) => name === 'new') as Shown[];
    await using(bench(), async (another) => {
      await start(another, vm('new', 'pvh', 2, 64));
      const soft = listVcpus()
        .get('new')
        ?.map((vcpu) => vcpu.soft);
      assert.deepEqual(soft, perVcpu(plan!.soft, 2));
      await stop(another, 'new');
    });

    // Preferring other CPUs than the memory's is mended, and xl sees it.
    const memoryNode = found.get('ours')!.pagesByNode.findIndex((pages) => pages > 0);
    xl('vcpu-pin', 'ours', 'all', '-', CPUS_OF_NODE[(memoryNode + 1) % NODES]!);
    assert.equal(xennuma('verify', 'ours', '--on', 'xen', '--json').status, 1);
    assert.equal(xennuma('place', 'ours', '--on', 'xen', '--json').status, 0);
    assert.deepEqual(
      listVcpus()
        .get('ours')
        ?.map(({ soft }) => soft),
      perVcpu([CPUS_OF_NODE[memoryNode]!], 2),
    );
    assert.equal(xennuma('verify', 'ours', '--on', 'xen', '--json').status, 0);
    agrees(xennuma('show', '--on', 'xen', '--json').answer.vms);

    await stop(one, 'ours');
    for (const name of ['xl-hard', 'xl-torn', 'xl-soft', 'xl-placed']) xl('destroy', name);
    await eventually(() => asWere(one.doors, unused));
    await rm(folder, { recursive: true });
  }));
