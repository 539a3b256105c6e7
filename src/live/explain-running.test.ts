// Explanations of running domains, on maps of embedded hosts, where the cause of each setting is
// known.
import { expect, it } from 'vitest';
import { machine, vm } from '../../test/support/toolstack.js';
import type { VmSpec } from '../machine/vm.js';
import type { Expected } from '../map/drift.js';
import { judgeDomains } from '../map/judge.js';
import { embeddedHost } from '../xenopsd/hosts/embedded-host.js';
import { createToolstack } from '../xenopsd/life/toolstack.js';
import { explainRunning } from './explain-running.js';

async function started(spec: Partial<VmSpec> = {}) {
  const host = await embeddedHost(machine([2048, 2048], 2), { profile: 'xapi-25.6' });
  const toolstack = await createToolstack(host, { profile: 'xapi-25.6', policy: 'best_effort', seed: 1 });
  await toolstack.add(vm('web', 2, 256, spec));
  const { domid, failure } = await toolstack.start('web');
  expect(failure).toBeNull();
  const explained = (expected: Expected | null) => {
    const map = toolstack.snapshot();
    const [verdict] = judgeDomains(map, new Map(expected === null ? [] : [[domid!, expected]]), new Set([domid!]));
    return explainRunning(map, verdict!);
  };
  return { toolstack, explained, domid: domid!, xc: host.xc };
}

const NOTHING: Expected = { source: "libxl's userdata", hard: 'all', soft: null };

it('a placed domain: nothing was requested, a placement set the affinity, and nothing has drifted', async () => {
  const { explained } = await started();
  expect(explained(NOTHING)).toEqual([
    "Requested, according to libxl's userdata: no hard affinity, no soft affinity.",
    'Its soft affinity, 0-1, was not requested: it is all CPUs of node 0, as a placement sets it.',
    expect.stringMatching(/^Its memory is on node 0: [\d.]+ MiB \(100%\)\.$/),
    'vCPUs 0-1: CPUs 0-3 allowed, 0-1 preferred: node 0.',
    'All of its memory is on the nodes of its vCPUs (node 0).',
    'Its node affinity is node 0, as the affinity of its vCPUs gives it: memory allocated from now on comes from there first.',
    'Nothing has drifted.',
  ]);
});

it('a domain with a mask has the requested affinity, and is not reported as placed', async () => {
  const { explained } = await started({ vcpusParams: { mask: '2,3' } });
  const sentences = explained({
    source: 'XenStore',
    hard: [
      [2, 3],
      [2, 3],
    ],
    soft: null,
  });
  expect(sentences[0]).toBe('Requested, according to XenStore: hard affinity 2-3, no soft affinity.');
  expect(sentences.join('\n')).not.toMatch(/was not requested/);
});

it('a manual change is reported as such, and as drift', async () => {
  const { toolstack, explained, domid, xc } = await started();
  await toolstack.pin('web', 'all', { hard: [3] });
  const sentences = explained(NOTHING);
  expect(sentences).toContain('Its hard affinity, 3, was not requested, and no placement sets such a mask: it was set manually.');
  expect(sentences.filter((sentence) => sentence.startsWith('Drift: hard affinity differs'))).toHaveLength(1);
  expect(sentences).not.toContain('Nothing has drifted.');
  await toolstack.setNodeAffinity('web', [0]);
  expect(explained(NOTHING).join('\n')).toMatch(/node affinity is node 0, which the affinity of its vCPUs does not give/);
  xc.domainShutdown(domid, 0);
  expect(explained(null).slice(0, 2)).toEqual([
    'Its guest has shut down, and its domain is still to be destroyed.',
    "The requested affinity is not recorded: not in xennuma's state, not by xenopsd in XenStore, and not by libxl.",
  ]);
});

it('masks that differ by vCPU are listed by vCPU', async () => {
  const { explained } = await started();
  expect(
    explained({
      source: 'XenStore',
      hard: [[0], null],
      soft: [
        [1, 0],
        [0, 1],
      ],
    })[0],
  ).toBe('Requested, according to XenStore: hard affinity 0 (vCPU 0), ? (vCPU 1), soft affinity 0-1.');
});
