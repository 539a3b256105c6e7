// Sentences from hand-made records: they contain what an administrator needs, and nothing twice.
import { describe, expect, it } from 'vitest';
import { affinityCall, landingNote, placement } from '../../../test/support/flow-records.js';
import { FlowRecord } from '../record.js';
import { SURPRISES } from '../surprises.js';
import { explain } from './explain.js';

function recordOf(fill: (record: FlowRecord) => void): FlowRecord {
  const record = new FlowRecord('start a');
  fill(record);
  return record;
}
const record = (fill: (record: FlowRecord) => void) => explain(recordOf(fill)).details.join('\n');

describe('affinity calls', () => {
  it('are summarised for vCPUs with the same call', () => {
    const text = record((r) => {
      for (const vcpu of [0, 1, 2, 3]) r.node('XEN_VCPUAFFINITY_HARD', affinityCall(vcpu, '0-3'));
      r.node('XEN_VCPUAFFINITY_HARD', affinityCall(4, '0-9', { effective: '0-3' }));
      r.node('XEN_VCPUAFFINITY_SOFT', affinityCall(5, '8', { effective: '' }));
      r.node('XEN_VCPUAFFINITY_HARD', affinityCall(6, '', { effective: null, errno: 'EINVAL' }));
    });
    expect(text.split('\n')).toEqual([
      'vCPUs 0-3: hard affinity set to CPUs 0-3.',
      'vCPU 4: hard affinity set to CPUs 0-9, of which Xen can use 0-3.',
      'vCPU 5: soft affinity set to CPU 8, of which Xen can use none.',
      'vCPU 6: Xen refused the hard affinity (no CPU) with EINVAL.',
    ]);
  });

  it('end with the node affinity: where it began, where it ended, and whether only the last vCPU changed it', () => {
    const nodes = (...after: string[]) =>
      record((r) => {
        for (const one of after) r.node('domain_node_affinity', { domid: 1, before: '0-3', after: one, auto: true });
      });
    expect(nodes('0-3', '1')).toBe(
      'Xen derived the node affinity from the vCPUs: node 1 (before: nodes 0-3). The memory comes from there. It changed only with the last vCPU: Xen takes the union of all of them.',
    );
    expect(nodes('1', '1')).toBe('Xen derived the node affinity from the vCPUs: node 1 (before: nodes 0-3). The memory comes from there.');
    expect(nodes('0-3', '0-3')).toBe('Xen derived the node affinity from the vCPUs: nodes 0-3, as before.');
    expect(record((r) => r.node('domain_node_affinity', { domid: 1, read: '0-3' }))).toBe('');
    expect(record((r) => r.node('domain_node_affinity', { domid: 1, before: '0-3', after: '1', auto: false }))).toMatch(
      /^The node affinity was set explicitly: node 1/,
    );
  });
});

describe('a placement', () => {
  it("comes with the decision before it, the planner's view, and each verdict", () => {
    const text = record((r) => {
      r.edge('is_xe_vCPUparams_mask_set? -> is_Host.numa_affinity_policy_set?');
      r.node('is_xe_vCPUparams_mask_set?', { mask: null, hostMask: null, set: false, affinity: [] });
      r.edge('is_Host.numa_affinity_policy_set? -> has_hard_affinity?');
      r.node(
        'numa_placement',
        placement({
          vcpus: 4,
          freeBytes: [2 ** 31, 2 ** 32],
          availableBytes: [2 ** 29, 2 ** 32],
          usageBefore: [0, 1],
          weighed: [
            { nodes: [0], averageDistance: 10, freeBytes: 2 ** 29, cpus: 8, verdict: 'too little memory' },
            { nodes: [1], averageDistance: 10, freeBytes: 2 ** 32, cpus: 8, verdict: 'chosen' },
          ],
        }),
      );
    });
    expect(text).toContain('mask set: no > placement wanted: yes');
    expect(text).toContain('The placement needs 4 vCPUs and 1 GiB.');
    expect(text).toContain('node 0: 512 MiB free (really 2 GiB), counted as used 0 times; node 1: 4 GiB free, counted as used 1 time');
    expect(text).toContain('{0} (distance 10, 512 MiB, 8 CPUs) too little memory; {1} (distance 10, 4 GiB, 8 CPUs) chosen');
    expect(text).toContain('It chose node 1, CPUs 8-15.');
  });

  it('names cores if they count, and reports that nothing fits or there is no NUMA', () => {
    const of = (...change: Parameters<typeof placement>) => record((r) => r.node('numa_placement', placement(...change)));
    expect(of({ cores: 2, vcpus: 4 })).toContain('The placement needs 4 vCPUs on 2 cores and 1 GiB.');
    expect(of({ nodes: null, cpus: null })).toContain('No set of nodes fits, so nothing was set');
    expect(record((r) => r.node('numa_placement', { domid: 1, numa: false }))).toBe('');
  });

  it('includes the chosen set even if it is far down the list', () => {
    const weighed = Array.from({ length: 12 }, (_, node) => ({
      nodes: [node],
      averageDistance: 10 + node,
      freeBytes: 2 ** 30,
      cpus: 8,
      verdict: node === 11 ? ('chosen' as const) : ('too few CPUs' as const),
    }));
    const run = recordOf((r) => r.node('numa_placement', placement({ weighed })));
    const [sentence] = explain(run, { candidates: 2 }).details.filter((one) => one.startsWith('Weighed'));
    expect(sentence).toBe(
      'Weighed, nearest first: {0} (distance 10, 1 GiB, 8 CPUs) too few CPUs; {1} (distance 11, 1 GiB, 8 CPUs) too few CPUs; {11} (distance 21, 1 GiB, 8 CPUs) chosen; 9 more.',
    );
  });
});

describe('where it is', () => {
  it('is listed by node, with the share near its vCPUs', () => {
    const text = record((r) => r.note('landed', landingNote({ pages: [262_144, 0, 786_432] })));
    expect(text.split('\n')).toEqual([
      'Its memory came from node 0: 1 GiB (25%), node 2: 3 GiB (75%).',
      'vCPU 0: CPUs 0-15 allowed, 0-3 preferred: node 0.',
      '25% of its memory is on the nodes of its vCPUs (node 0).',
    ]);
  });

  it('is all of it if none is elsewhere', () => {
    expect(record((r) => r.note('landed', landingNote()))).toContain('All of its memory is on the nodes of its vCPUs (node 0).');
  });
});

describe('surprises', () => {
  it('are each named once, with the numbers of the run, the advice, and a numbered source', () => {
    const { details, sources } = explain(
      recordOf((r) => {
        r.surprise('mask-ignored', { mask: '1, 2', reason: 'white space' });
        r.surprise('mask-ignored', { mask: '1, 2', reason: 'white space' });
        r.surprise('memory-alternates', { domid: 7, nodes: [0, 1] });
        r.surprise('host-mask-ignored', { mask: '1;2', reason: 'a semicolon' });
      }),
    );
    expect(details).toHaveLength(3);
    expect(details[0]).toBe(
      `Surprise: the mask is ignored by xapi ('1, 2': white space): ${SURPRISES['mask-ignored'].happens}. ${SURPRISES['mask-ignored'].advice} [1]`,
    );
    expect(details[1]).toMatch(/^Surprise: memory alternates .* \(nodes 0-1\): .* \[2\]$/);
    expect(details[2]).toMatch(/ \[1\]$/);
    expect(sources).toEqual([SURPRISES['mask-ignored'].source, SURPRISES['memory-alternates'].source]);
  });

  it('names at most eight CPUs that the host does not have', () => {
    const text = (cpus: number[]) => record((r) => r.surprise('cpus-beyond-host', { cpus, pcpus: 16 }));
    expect(text([16])).toContain('(1 number not in 0-15: 16)');
    expect(text([16, 17, 18, 19, 20, 21, 22, 23, 24])).toContain('(9 numbers not in 0-15: 16, 17, 18, 19, 20, 21, 22, 23, ...)');
  });
});

it('is empty for an empty record', () => {
  expect(explain(new FlowRecord('nothing'))).toEqual({ summary: [], details: [], sources: [] });
});
