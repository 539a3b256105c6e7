import { describe, expect, it } from 'vitest';
import { EDGES } from '../flow/chart.js';
import { explain } from '../flow/explain/explain.js';
import { detectAndRead } from '../machine/readers/detect.js';
import type { VmSpec } from '../machine/vm.js';
import { asXenSees } from '../machine/xen-sees.js';
import type { Toolstack } from '../xenopsd/api/toolstack.js';
import { embeddedHost } from '../xenopsd/hosts/embedded-host.js';
import { createToolstack } from '../xenopsd/life/toolstack.js';
import { failedVms, runsOfVms } from './host-runs.js';
import { pageRun } from './page-run.js';

const GIB = 2 ** 30;
const HOST = `name: two
nodes:
  - {memory: 16GiB, cpus: "0-3", socket: 0}
  - {memory: 16GiB, cpus: "4-7", socket: 1}
smt: {threads: 1, numbering: adjacent}
distances: [[10, 21], [21, 10]]
`;

async function started(...specs: (Partial<VmSpec> & { readonly name: string })[]): Promise<Toolstack> {
  const host = asXenSees(detectAndRead([{ file: 'two.yaml', text: HOST }]));
  const toolstack = await createToolstack(await embeddedHost(host), { profile: 'xapi-25.6', policy: 'best_effort', seed: 1 });
  for (const spec of specs) {
    const size = { vcpusMax: 4, vcpusAtStartup: 4, memoryStaticMaxBytes: GIB, memoryTargetBytes: GIB };
    await toolstack.add({ kind: 'pvh', vcpusParams: {}, ...size, ...spec });
    await toolstack.start(spec.name);
  }
  return toolstack;
}

describe('a run on its way to the page', () => {
  it('has the edges of the record, and steps of each vCPU once', async () => {
    const toolstack = await started({ name: 'a' });
    const { record } = toolstack.vms()[0]!.outcomes[0]!;
    const run = pageRun(record);
    expect(run.edges.map(([place]) => EDGES[place]!.id)).toEqual(record.edgesTaken());
    expect(run.summary).toEqual(explain(record).summary);
    const soft = run.steps.filter(({ name }) => name === 'XEN_VCPUAFFINITY_SOFT');
    expect(soft).toMatchObject([{ times: 4, values: expect.stringContaining('requested: ') }]);
  });

  it("gives each decision its answer: the label of the chart's edge that the run took", async () => {
    const toolstack = await started({ name: 'masked', vcpusParams: { mask: '0,1' } });
    const { steps } = pageRun(toolstack.vms()[0]!.outcomes[0]!.record);
    const answers = (box: string) => steps.find(({ name }) => name === box)!.edges.map((place) => EDGES[place]!.label);
    expect(answers('is_xe_vCPUparams_mask_set?')).toEqual(['yes']);
    expect(answers('is_Host.numa_affinity_policy_set?')).toEqual(['best_effort']);
    expect(answers('has_hard_affinity?')).toEqual(['yes']);
  });

  it('says of a surprise what was expected and what happens', async () => {
    const toolstack = await started({ name: 'odd', vcpusParams: { mask: '0, 1' } });
    const found = pageRun(toolstack.vms()[0]!.outcomes[0]!.record).steps.filter(({ kind }) => kind === 'surprise');
    expect(found.map(({ name }) => name)).toContain('The mask is ignored by xapi');
    expect(found.every(({ more }) => /^Expected: .+ What happens: .+\.$/.test(more))).toBe(true);
  });
});

describe('the runs of a host', () => {
  it('have VMs that could not start below zero, with the reason', async () => {
    const toolstack = await started(
      { name: 'fits' },
      { name: 'large', memoryStaticMaxBytes: 64 * GIB, memoryTargetBytes: 64 * GIB },
      { name: 'larger', memoryStaticMaxBytes: 65 * GIB, memoryTargetBytes: 65 * GIB },
    );
    const { failed, runs } = runsOfVms(toolstack.vms());
    expect(failed.map(({ key, name }) => [key, name])).toEqual([
      [-1, 'large'],
      [-2, 'larger'],
    ]);
    expect(failed[0]!.reason).not.toBe('');
    expect([...runs.keys()].sort((a, b) => a - b)).toEqual([-2, -1, 1]);
    expect(runs.get(-1)![0]!.summary[0]).toBe('It did not start, and holds no memory.');
    expect(failedVms(toolstack.vms()).map(({ vm }) => vm.spec.name)).toEqual(['large', 'larger']);
  });

  it('have what changed a VM since its start after it', async () => {
    const toolstack = await started({ name: 'a' });
    await toolstack.pin('a', 'all', { hard: [0] });
    expect(
      runsOfVms(toolstack.vms())
        .runs.get(1)!
        .map(({ title }) => title),
    ).toEqual(['start a', expect.stringContaining('a')]);
  });
});
