// The worker of the page: the bundle itself, in a realm without Node's globals, answers what
// `xennuma plan --json` prints, byte for byte.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import vm from 'node:vm';
import { inflateRawSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { Random } from '../src/base/random.js';
import { readHost, readVms } from '../src/cli/input/open-host.js';
import { VERSION } from '../src/cli/output/version.js';
import { hostFigures } from '../src/map/figures.js';
import type { PageData } from '../src/page/page-data.js';
import { decodeMap } from '../src/page/page-map.js';
import type { PageReport } from '../src/page/page-report.js';
import type { PageWorkload } from '../src/page/page-workload.js';
import { DEFAULT_PROFILE, POLICIES, PROFILES, profileOf } from '../src/xenopsd/api/profiles.js';
import type { Change, WhatIfAnswer } from '../web/src/lib/what-if.js';
import { cases, oneIn } from './support/cases.js';
import { root, xennuma } from './xennuma.js';

const folder = mkdtempSync(join(tmpdir(), 'xennuma-worker-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Reply {
  readonly answer?: WhatIfAnswer;
  readonly error?: string;
}

/** What a browser has, and nothing of Node. */
function openWorker(): (workload: PageWorkload, change: Change) => Promise<Reply> {
  const ask = openRaw<Reply>();
  return (workload, change) => ask({ version: VERSION, workload, change });
}

function openRaw<R>(): (request: object) => Promise<R> {
  let replied: (reply: R) => void = () => {};
  const postMessage = (reply: R & { started?: number }) => {
    if (reply.started === undefined) replied(JSON.parse(JSON.stringify(reply)));
  };
  const {
    setTimeout,
    clearTimeout,
    TextEncoder,
    TextDecoder,
    AbortController,
    AbortSignal,
    Event,
    EventTarget,
    queueMicrotask,
    performance,
  } = globalThis;
  const scope: Record<string, unknown> = {
    ...{ postMessage, setTimeout, clearTimeout, TextEncoder, TextDecoder, queueMicrotask, performance },
    ...{ AbortController, AbortSignal, Event, EventTarget },
  };
  scope.self = scope;
  vm.runInNewContext(readFileSync(join(root, 'dist/page/worker.js'), 'utf8'), scope);
  return (request) =>
    new Promise((done) => {
      replied = done;
      const text = JSON.stringify({ id: 1, ...request });
      (scope.onmessage as (event: { data: unknown }) => void)({ data: vm.runInNewContext('JSON.parse(text)', { text }) });
    });
}

const WORKLOADS = cases(40, 200);
const NOTHING: Change = { masks: {}, added: [], drained: [] };

/** @returns what is wrong; '' = nothing */
async function compare(
  plan: ReturnType<typeof openWorker>,
  host: string,
  vms: string,
  words: readonly string[],
  change: Change,
): Promise<string> {
  const printed = xennuma(['plan', '--host', host, '--vms', vms, '--json', ...words]);
  const read = readHost([host]);
  const workload: PageWorkload = {
    ...{ host: read, vms: readVms([vms], read), domids: {} },
    settings: { profile: 'xapi-25.6', policy: 'default_policy', seed: 1 },
  };
  const { answer, error } = await plan(workload, change);
  if (printed.code === 2) return error === undefined ? 'the worker plans what plan refuses' : '';
  if (error !== undefined) return `${error}, where plan prints ${printed.out.slice(0, 100)}`;
  return `${JSON.stringify(answer!.plan, null, 2)}\n` === printed.out ? '' : 'another plan';
}

const HOSTS = ['epyc-7763-nps4.yaml', 'four-nodes.yaml', 'memory-only-node.xml', 'two-nodes.yaml', 'two-sockets.xml'];
const TOOLSTACKS = ['xapi-25.6', 'xapi-26.3', 'xl'] as const;
const VMS = readdirSync(join(root, 'examples/vms'));

describe("the page's worker", { timeout: 300_000 }, () => {
  it.each(HOSTS)('plans all example VMs on %s as plan does, as three toolstacks between them', async (host) => {
    const plan = openWorker();
    for (const [at, vms] of VMS.entries()) {
      const first = (at + HOSTS.indexOf(host)) % TOOLSTACKS.length;
      for (const profile of oneIn(TOOLSTACKS.length, [...TOOLSTACKS.slice(first), ...TOOLSTACKS.slice(0, first)])) {
        const policy = profileOf(profile).policies.best_effort === undefined ? 'default_policy' : 'best_effort';
        const words = ['--profile', profile, '--policy', policy];
        expect(
          await compare(plan, `examples/hosts/${host}`, `examples/vms/${vms}`, words, { ...NOTHING, profile, policy }),
          `${vms} ${profile}`,
        ).toBe('');
      }
    }
  });

  it(`plans ${WORKLOADS} workloads at random as plan does, with changes of policy, masks and VMs`, async () => {
    const random = new Random(17);
    const plan = openWorker();
    const one = <T>(list: readonly T[]): T => list[random.below(list.length)]!;
    const faults: string[] = [];
    for (let at = 0; at < WORKLOADS; at++) {
      const [profile, policy] = [one(PROFILES), one(POLICIES)];
      const mask = () => one([null, null, '0,1', '0-3', '2;3', '4,5;6', '99', '1, 2', '']);
      const specs = Array.from({ length: 1 + random.below(8) }, (_, index) => ({
        ...{ name: `vm${index}`, vcpus: 1 + random.below(6), memory: one([512, 1024, 2048, 3072, 6144]), mask: mask() },
      }));
      const hostMask = one([null, null, null, '0,1,2,3', 'x']);
      const file = join(folder, `${at}.json`);
      const described = specs.map(({ mask: text, memory, ...vmOf }) => ({
        ...vmOf,
        kind: 'hvm',
        memory: `${memory}MiB`,
        params: text === null ? {} : { mask: text },
      }));
      writeFileSync(file, JSON.stringify({ vms: described }));
      const words = ['--profile', profile, '--policy', policy, ...(hostMask === null ? [] : ['--host-mask', hostMask])];
      // The workload of the page has the same VMs without their masks; the last is added.
      const change: Change = {
        profile,
        policy,
        hostMask,
        masks: Object.fromEntries(specs.map((spec) => [spec.name, spec.mask])),
        added: [],
        drained: [],
      };
      const fault = await compare(plan, `examples/hosts/${one(HOSTS)}`, file, words, change);
      if (fault !== '') faults.push(`${at}: ${fault}: ${words.join(' ')} ${JSON.stringify(specs)}`);
    }
    expect(faults).toEqual([]);
  });

  it('refuses what the profile does not have, and is there for the next request', async () => {
    const plan = openWorker();
    const host = readHost(['examples/hosts/two-nodes.yaml']);
    const workload: PageWorkload = { host, vms: [], domids: {}, settings: { profile: 'xapi-25.6', policy: 'default_policy', seed: 1 } };
    expect((await plan(workload, { ...NOTHING, policy: 'prio_mem_only' })).error).toContain('xapi-25.6 has no policy');
    expect((await plan(workload, NOTHING)).answer?.plan.vms).toEqual([]);
  });

  it('takes neither memory nor CPUs from a drained node', async () => {
    const host = readHost(['examples/hosts/epyc-7763-nps4.yaml']);
    const vms = readVms(['examples/vms/dozen.yaml'], host);
    const workload: PageWorkload = { host, vms, domids: {}, settings: { profile: 'xapi-25.6', policy: 'best_effort', seed: 1 } };
    for (const policy of ['best_effort', 'any'] as const) {
      const { answer, error } = await openWorker()(workload, { ...NOTHING, policy, drained: [2, 3] });
      expect(error).toBeUndefined();
      expect(answer!.plan.totals.running).toBeGreaterThan(0);
      for (const { pagesByNode } of answer!.plan.vms) expect(pagesByNode!.slice(2, 4)).toEqual([0, 0]);
      const map = decodeMap(answer!.map);
      const gone = map.cpus.filter((cpu) => cpu?.node === 2 || cpu?.node === 3);
      expect(gone.map((cpu) => cpu!.pool)).toEqual(Array(64).fill(null));
      for (const { domid, vcpuNodes } of hostFigures(map).domains)
        if (domid !== 0) expect(vcpuNodes.filter((node) => node === 2 || node === 3)).toEqual([]);
    }
    // The boot CPU cannot leave its pool.
    const { answer } = await openWorker()(workload, { ...NOTHING, drained: [0] });
    expect(decodeMap(answer!.map).cpus.flatMap((cpu) => (cpu?.node === 0 && cpu.pool !== null ? [cpu.id] : []))).toEqual([0]);
  });

  it('finds the moves that rebalance finds, with its commands', async () => {
    const words = ['--host', 'examples/hosts/four-nodes.yaml', '--vms', 'examples/vms/dozen.yaml', '--profile', 'xl', '--policy', 'any'];
    const { freeMoves, migrations } = JSON.parse(xennuma(['rebalance', ...words, '--json']).out);
    const shown = join(folder, 'shown.html');
    expect(xennuma(['show', ...words, '--html', shown]).code).toBeLessThan(2);
    const html = readFileSync(shown, 'utf8');
    const { hosts } = JSON.parse(/id="xennuma-data">(.*?)<\/script>/s.exec(html)![1]!);
    const packed = /id="xennuma-workloads">([^<]*)</.exec(html)![1]!;
    const [workload] = JSON.parse(inflateRawSync(Buffer.from(packed, 'base64')).toString());
    const ask = openRaw<{ answer?: PageReport; error?: string }>();
    const { answer, error } = await ask({ moves: { map: hosts[0].map, workload } });
    expect(error).toBeUndefined();
    const commands = [
      ...freeMoves.map(({ command }: { command: string }) => command),
      ...migrations.flatMap(({ commands: lines }: { commands: string[] }) => lines),
    ];
    expect(commands.length).toBeGreaterThan(0);
    expect(answer!.commands.map(({ text }) => text)).toEqual(commands);
  });

  it('starts the VMs of a described host as plan does', async () => {
    const host = readHost(['examples/hosts/two-nodes.yaml']);
    const vms = readVms(['examples/vms/libvirt.xml'], host);
    const planned = xennuma(['plan', '--host', 'examples/hosts/two-nodes.yaml', '--vms', 'examples/vms/libvirt.xml', '--json']);
    const ask = openRaw<{ answer?: { data: PageData } }>();
    const { answer } = await ask({ version: VERSION, described: { host, vms, profile: DEFAULT_PROFILE } });
    const domains = decodeMap(answer!.data.hosts[0]!.map).domains.filter(({ domid }) => domid !== 0);
    const wanted = JSON.parse(planned.out).vms as { name: string; domid: number; pagesByNode: number[] }[];
    expect(domains.map(({ name, domid, pages }) => [name, domid, [...pages]])).toEqual(
      wanted.map(({ name, domid, pagesByNode }) => [name, domid, pagesByNode]),
    );
  });
});
