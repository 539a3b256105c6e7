// Sentences by hand-made records: what an administrator must find in them, and that nothing is said twice.
import { describe, expect, it } from 'vitest';
import { FlowRecord } from '../record.js';
import { SURPRISES } from '../surprises.js';
import { explain } from './explain.js';

function record(fill: (record: FlowRecord) => void): string {
  const made = new FlowRecord('start a');
  fill(made);
  return explain(made).join('\n');
}

describe('the first sentence of a start', () => {
  const landed = (vcpus: { hard: string; soft: string; nodes: number[] }[], pages: number[]) => ({
    domid: 1,
    pages,
    nodeAffinity: [0],
    vcpus: vcpus.map((vcpu, index) => ({ vcpu: index, ...vcpu })),
    freePages: [],
  });
  const first = (fill: (record: FlowRecord) => void) => record(fill).split('\n')[0];

  it('says that a mask pins, and how much memory is elsewhere', () => {
    const sentence = first((r) => {
      r.edge('is_xe_vCPUparams_mask_set? -> set_hard_affinity');
      r.note(
        'landed',
        landed(
          [
            { hard: '1-2', soft: '0-7', nodes: [0] },
            { hard: '3-4', soft: '0-7', nodes: [0] },
          ],
          [75, 0, 25],
        ),
      );
    });
    expect(sentence).toBe(
      'In short: its mask pins its vCPUs to CPUs 1-2 | 3-4; its memory is on nodes 0,2, 75 % of it where its vCPUs run.',
    );
  });

  it('says what the planner chose, or that it found no room', () => {
    const placed = (nodes: number[] | null) =>
      first((r) => {
        r.edge('is_xe_vCPUparams_mask_set? -> is_Host.numa_affinity_policy_set?');
        r.edge('has_hard_affinity? -> numa_placement');
        r.node('numa_placement', { numa: true, vcpus: 1, memoryBytes: 4096, nodes, cpus: '' });
        r.note('landed', landed([{ hard: '0-7', soft: '4-7', nodes: [1] }], [0, 10]));
      });
    expect(placed([1])).toBe('In short: the planner chose node 1 for it; its memory is on node 1, all of it where its vCPUs run.');
    expect(placed(null)).toContain('the planner found no nodes with room for it; its memory is on node 1');
  });

  it('says why it did not start, and nothing of a run that started nothing', () => {
    const sentence = first((r) => {
      r.edge('is_xe_vCPUparams_mask_set? -> set_hard_affinity');
      r.note('failed', { step: 'xenguest', message: 'xenguest: xc_vcpu_setaffinity: [22] Invalid argument', errno: 'EINVAL' });
    });
    expect(sentence).toBe('In short: it did not start. xenguest: xc_vcpu_setaffinity: [22] Invalid argument');
    expect(record((r) => r.note('landed', landed([], [1])))).not.toContain('In short');
  });
});

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
