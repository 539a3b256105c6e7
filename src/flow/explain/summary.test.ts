// The first three sentences of explain: the place of a VM, the reason, and the advice.
import { describe, expect, it } from 'vitest';
import { landingNote, placement } from '../../../test/support/flow-records.js';
import { FlowRecord, type NoteValues } from '../record.js';
import { SURPRISES, type SurpriseCode } from '../surprises.js';
import { ADVISED } from './advice.js';
import { explain } from './explain.js';

const GIB = 2 ** 30;
const NOTHING = 'Nothing needs to be done.';
type Fill = (record: FlowRecord) => void;

/** A start: `decide` notes the decisions, then the VM is placed or fails. */
function summary(decide: Fill, end: Partial<NoteValues['landed']> | NoteValues['failed']): readonly string[] {
  const record = new FlowRecord('start a');
  record.node('is_xe_vCPUparams_mask_set?', { mask: null, hostMask: null, set: false, affinity: [] });
  decide(record);
  if ('step' in end) record.note('failed', end);
  else record.note('landed', landingNote(end));
  return explain(record).summary;
}
const masked =
  (source: 'VM' | 'host' = 'VM', masks = ['1-2', '3-4']): Fill =>
  (record) =>
    record.node('set_hard_affinity', { where: 'XenStore', masks, source });
const placed =
  (nodes: number[] | null): Fill =>
  (record) =>
    record.node('numa_placement', placement({ nodes }));
const unplaced =
  (policy = 'default_policy'): Fill =>
  (record) => {
    record.node('is_Host.numa_affinity_policy_set?', { policy, means: 'any', profile: 'xapi-25.6' });
    record.edge('is_Host.numa_affinity_policy_set? -> exec_xenguest');
  };
const vcpu = (nodes: number[]) => [{ vcpu: 0, hard: '0-7', soft: '0-7', nodes }];

describe('where', () => {
  it.each([
    [{ pages: [0, 10, 0], vcpus: vcpu([1]) }, 'Its memory is on node 1, where its vCPUs run.'],
    [
      { pages: [75, 0, 25], vcpus: vcpu([0]) },
      'Its memory is on nodes 0,2; 75% of it is where its vCPUs run (node 0), the rest is remote.',
    ],
    [{ pages: [0, 0, 5], vcpus: vcpu([0]) }, 'Its memory is on node 2, and its vCPUs run on node 0: all of it is remote.'],
    [{ pages: [5, 5], vcpus: vcpu([0, 1]) }, 'Its memory is on nodes 0-1, and its vCPUs may run on every node.'],
    [{ pages: [5], vcpus: vcpu([0]) }, 'Its memory is on node 0, where its vCPUs run.'],
    [{ pages: [0, 0], vcpus: vcpu([0]) }, 'It holds no memory.'],
  ])('%j', (end, sentence) => expect(summary(masked(), end)[0]).toBe(sentence));
});

describe('a guest with virtual nodes', () => {
  const MIB_PAGES = 256;
  const virtual: Fill = (record) =>
    record.note('virtual nodes', {
      domid: 7,
      by: 'libxl',
      nodes: [
        { node: 1, mib: 2048, vcpus: '0-1' },
        { node: 0, mib: 1024, vcpus: '2' },
      ],
    });
  const on = (at: number, node: number[]) => ({ vcpu: at, hard: '0-7', soft: '0-3', nodes: node });
  const right = [on(0, [1]), on(1, [1]), on(2, [0])];
  const WHERE = 'Its memory is on nodes 0-1: each virtual node has its memory and its vCPUs on one and the same node.';

  it('is on its own nodes, for its config says so', () => {
    const [where, why] = summary(virtual, { pages: [1024 * MIB_PAGES + 5, 2048 * MIB_PAGES], vcpus: right });
    expect(where).toBe(WHERE);
    expect(why).toBe(
      'Its config lists virtual nodes, so libxl took the memory of each from the node that it names, and placed nothing itself.',
    );
  });

  it.each([
    ['17 MiB are elsewhere', { pages: [1041 * MIB_PAGES, 2031 * MIB_PAGES], vcpus: right }],
    ['a vCPU prefers another node', { pages: [1024 * MIB_PAGES, 2048 * MIB_PAGES], vcpus: [on(0, [0]), on(1, [1]), on(2, [0])] }],
    ['a vCPU prefers all nodes', { pages: [1024 * MIB_PAGES, 2048 * MIB_PAGES], vcpus: [on(0, [0, 1]), on(1, [1]), on(2, [0])] }],
  ])('is not: %s', (_, end) => expect(summary(virtual, end)[0]).not.toBe(WHERE));
});

describe('why', () => {
  const why = (decide: Fill) => summary(decide, {})[1];

  it.each<[Fill, string]>([
    [masked(), 'Its mask pins its vCPUs to CPUs 1-2 | CPUs 3-4, and Xen takes the memory from the nodes of these CPUs.'],
    [masked('host', ['1', '1']), "The host's mask pins its vCPUs to CPU 1, and Xen takes the memory from the nodes of these CPUs."],
    [placed([1]), 'The planner chose node 1 for it.'],
    [placed(null), 'The planner found no nodes with enough memory and CPUs, so the VM may run anywhere.'],
    [(r) => r.node('numa_placement', { domid: 7, numa: false }), 'The planner sees no NUMA on this host, so the VM was not placed.'],
    [(r) => r.node('has_hard_affinity?', { hardAffinity: true }), 'It has an affinity of its own, so it was not placed.'],
    [unplaced(), "The host's NUMA policy default_policy, which means any in xapi-25.6, places no VMs, and this VM has no mask."],
    [unplaced('any'), "The host's NUMA policy any places no VMs, and this VM has no mask."],
  ])('%#', (decide, sentence) => expect(why(decide)).toBe(sentence));

  it('names the surprise that needs attention, with its numbers', () => {
    const [, sentence, advice] = summary((r) => {
      unplaced('any')(r);
      r.surprise('priority-ignored', { parameter: 'weight', value: 'x' });
      r.surprise('mask-ignored', { mask: '1-2', reason: 'a range' });
    }, {});
    expect(sentence).toBe(
      "The host's NUMA policy any places no VMs, and this VM has no mask; note that the mask is ignored by xapi ('1-2': a range).",
    );
    expect(advice).toBe(SURPRISES['mask-ignored'].advice);
  });
});

describe('what to do', () => {
  const advice = (decide: Fill, end: Parameters<typeof summary>[1] = {}) => summary(decide, end)[2];
  const withSurprise =
    (decide: Fill, fill: Fill): Fill =>
    (record) => {
      decide(record);
      fill(record);
    };
  const ratchet: Fill = (record) => record.surprise('ratchet', { domid: 7, nodes: [{ node: 0, freeBytes: GIB, seenBytes: 0 }] });
  const spilled: Fill = (record) => record.surprise('memory-spilled', { domid: 7, nodes: [1], pages: 100, affinity: [0] });

  it('is to do nothing if all is well, even with harmless surprises', () => {
    expect(advice(placed([0]))).toBe(NOTHING);
    expect(advice(withSurprise(placed([0]), ratchet))).toBe(NOTHING);
    expect(advice(withSurprise(placed([0]), (r) => r.surprise('chart-path', {})))).toBe(NOTHING);
    expect(advice(unplaced('any'))).toBe(NOTHING);
  });

  it('is about the cause of a bad placement if there is one, otherwise about the placement', () => {
    expect(advice(withSurprise(placed(null), ratchet))).toBe(SURPRISES.ratchet.advice);
    expect(advice(withSurprise(placed([0]), spilled))).toBe(SURPRISES['memory-spilled'].advice);
    expect(advice(withSurprise(withSurprise(placed([0]), spilled), ratchet))).toBe(SURPRISES.ratchet.advice);
    expect(advice(placed(null))).toMatch(/^Free memory on one node/);
  });

  it('is a policy or a mask for a VM that spread over the host unplaced', () => {
    const spread = { pages: [5, 5], vcpus: vcpu([0, 1]) };
    expect(advice(unplaced('any'), spread)).toMatch(/^Set the host's NUMA policy to best_effort/);
    expect(advice(placed([0, 1]), spread)).toBe(NOTHING);
  });

  it('is about the failure', () => {
    const failed = (message: string, errno: NoteValues['failed']['errno'] = null) => ({ step: 'xenguest', message, errno });
    const memory =
      (freeBytes: number): Fill =>
      (record) =>
        record.note('free memory', { wantedBytes: 3 * GIB, freeBytes, waitedSeconds: 0 });
    expect(summary(masked(), failed('xenguest: xc_vcpu_setaffinity: [22] Invalid argument', 'EINVAL'))).toEqual([
      'It did not start, and holds no memory.',
      'xenguest failed: xc_vcpu_setaffinity: [22] Invalid argument.',
      'Fix what the message names, then start the VM again.',
    ]);
    expect(advice(memory(GIB), failed('no memory'))).toBe('Free 2 GiB of memory on the host, or give the VM less.');
    expect(advice(memory(3 * GIB), failed('no memory'))).toMatch(/^Fix what/);
    expect(advice(masked(), failed('x', 'ENOMEM'))).toBe('Free memory on the host, or give the VM less.');
    expect(advice(masked(), failed('x', 'EBUSY'))).toBe('Free memory on the host, or give the VM less.');
    expect(advice((r) => r.surprise('empty-mask', { vcpus: [0] }), failed('x', 'EINVAL'))).toBe(SURPRISES['empty-mask'].advice);
  });

  it('each surprise with an advice is in one list, and no other is', () => {
    const listed = Object.values(ADVISED).flat();
    const advised = (Object.keys(SURPRISES) as SurpriseCode[]).filter((code) => SURPRISES[code].advice !== null);
    expect([...listed].sort()).toEqual(advised.sort());
  });
});

it('a run that built no domain has no summary', () => {
  const record = new FlowRecord('pin a');
  record.note('landed', landingNote());
  expect(explain(record).summary).toEqual([]);
  expect(explain(record).details).not.toEqual([]);
});
