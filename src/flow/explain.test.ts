// Sentences by hand-made records: what an administrator must find in them, and that nothing is said twice.
import { describe, expect, it } from 'vitest';
import { explain } from './explain.js';
import { FlowRecord } from './record.js';
import { SURPRISES } from './surprises.js';

function record(fill: (record: FlowRecord) => void): string {
  const made = new FlowRecord('start a');
  fill(made);
  return explain(made).join('\n');
}

describe('explain', () => {
  it('tells the same call of many vCPUs once', () => {
    const text = record((r) => {
      for (const vcpu of [0, 1, 2, 3]) r.node('XEN_VCPUAFFINITY_HARD', { domid: 1, vcpu, requested: '0-3', effective: '0-3' });
      r.node('XEN_VCPUAFFINITY_HARD', { domid: 1, vcpu: 4, requested: '0-9', effective: '0-3' });
      r.node('XEN_VCPUAFFINITY_SOFT', { domid: 1, vcpu: 5, requested: '8', effective: '' });
    });
    expect(text.split('\n')).toEqual([
      'vCPUs 0-3: hard affinity set to CPUs 0-3.',
      'vCPU 4: hard affinity set to CPUs 0-9; of these Xen can use 0-3.',
      'vCPU 5: soft affinity set to CPUs 8; of these Xen can use none.',
    ]);
  });

  it('tells where node affinity began and where it ended', () => {
    const text = record((r) => {
      r.node('domain_node_affinity', { domid: 1, before: '0-3', after: '0-3', auto: true });
      r.node('domain_node_affinity', { domid: 1, before: '0-3', after: '1', auto: true });
    });
    expect(text).toBe(
      "Xen worked out the domain's node affinity: node 1 (before: 0-3). Its memory comes from there. It changed only with the last vCPU: Xen takes the union of all of them.",
    );
  });

  it('tells the decision, what the planner saw, and each verdict', () => {
    const text = record((r) => {
      r.edge('is_xe_vCPUparams_mask_set? -> is_Host.numa_affinity_policy_set?');
      r.node('is_xe_vCPUparams_mask_set?', { mask: null, hostMask: null, set: false, affinity: [] });
      r.edge('is_Host.numa_affinity_policy_set? -> has_hard_affinity?');
      r.node('numa_placement', {
        numa: true,
        vcpus: 4,
        cores: 0,
        memoryBytes: 2 ** 30,
        freeBytes: [2 ** 31, 2 ** 32],
        availableBytes: [2 ** 29, 2 ** 32],
        usageBefore: [0, 1],
        weighed: [
          { nodes: [0], averageDistance: 10, freeBytes: 2 ** 29, cpus: 8, verdict: 'too little memory' },
          { nodes: [1], averageDistance: 10, freeBytes: 2 ** 32, cpus: 8, verdict: 'chosen' },
        ],
        nodes: [1],
        cpus: '8-15',
      });
    });
    expect(text).toContain('mask set: no > placement wanted: yes');
    expect(text).toContain('4 vCPUs and 1 GiB');
    expect(text).toContain('node 0: 512 MiB free (really 2 GiB), counted as used 0 times; node 1: 4 GiB free, counted as used 1 time');
    expect(text).toContain('{0} (distance 10, 512 MiB, 8 CPUs) too little memory; {1} (distance 10, 4 GiB, 8 CPUs) chosen');
    expect(text).toContain('It chose node 1, CPUs 8-15.');
  });

  it('tells where memory and vCPUs came to lie', () => {
    const text = record((r) => {
      r.note('landed', {
        domid: 1,
        pages: [262144, 0, 786432],
        nodeAffinity: [0],
        vcpus: [{ vcpu: 0, hard: '0-15', soft: '0-3', nodes: [0] }],
        freePages: [0, 0, 0],
      });
    });
    expect(text).toContain('node 0: 1 GiB (25 %), node 2: 3 GiB (75 %)');
    expect(text).toContain('25 % of its memory is on the nodes of its vCPUs (node 0).');
  });

  it('names each surprise once, with the numbers of the run and where to read it', () => {
    const text = record((r) => {
      r.surprise('mask-ignored', { mask: '1, 2', reason: 'white space' });
      r.surprise('mask-ignored', { mask: '1, 2', reason: 'white space' });
      r.surprise('one-that-came-later', {});
    });
    expect(text.match(/mask '1, 2' is ignored by xapi: white space/g)).toHaveLength(1);
    expect(text).toContain(SURPRISES['mask-ignored'].source);
    expect(text).toContain('one-that-came-later');
  });

  it('has words for every surprise, even one without its numbers', () => {
    for (const code of Object.keys(SURPRISES)) {
      const text = record((r) => r.surprise(code, {}));
      expect(text).toContain(SURPRISES[code as keyof typeof SURPRISES].title);
    }
  });

  it('is empty for an empty record', () => {
    expect(explain(new FlowRecord('nothing'))).toEqual([]);
  });
});
