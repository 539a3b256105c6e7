// The inferred steps inside Xen are the real ones: the same calls on two hosts, one watched and one
// not.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HYPERCALL, SCHEDOP } from '../../abi/commands.js';
import { XenError } from '../../base/errors.js';
import { GIB } from '../../base/units.js';
import { EDGES, type EdgeId } from '../../flow/chart.js';
import { FlowRecord } from '../../flow/record.js';
import { machineFromHost } from '../../xen/state/machine.js';
import type { HypercallDoor } from '../doors/door.js';
import { EmbeddedDoor } from '../doors/embedded-door.js';
import { openXenctrl } from '../open-xenctrl.js';
import type { Xenctrl } from '../xenctrl.js';

const CPUS = 12;
const NODES = 3;

function openHost(hidden: boolean): Xenctrl {
  const indices = [0, 1, 2];
  const door = new EmbeddedDoor(
    machineFromHost(
      {
        name: 'test',
        source: 'test',
        nodes: indices.map((id) => ({ id, memoryBytes: GIB, freeBytes: GIB / 2 })),
        cpus: Array.from({ length: CPUS }, (_, id) => ({ id, node: id % NODES, core: id, socket: 0 })),
        distances: indices.map((i) => indices.map((j) => (i === j ? 10 : 20))),
        notes: [],
      },
      { dom0: { vcpus: 2, pages: 1000 } },
    ),
  );
  const unwatched: HypercallDoor = {
    name: 'unwatched',
    allocBuffer: (size) => door.allocBuffer(size),
    freeBuffer: (buffer) => door.freeBuffer(buffer),
    hypercall: (op, a1, a2, a3) => door.hypercall(op, a1, a2, a3),
    close: () => door.close(),
  };
  const xc = openXenctrl(hidden ? unwatched : door);
  for (const [vcpus, created] of [
    [3, true],
    [1, true],
    [2, false],
  ] as const) {
    const domid = xc.domainCreate({ domid: 0, kind: 'pv', maxVcpus: vcpus, uuid: new Uint8Array(16) });
    if (created) xc.domainMaxVcpus(domid, vcpus);
  }
  xc.cpupoolCreate('credit2');
  return xc;
}

/** A temporary pin of Domain-0's first vCPU, as its kernel makes it; negative ends it. */
function pin({ door }: Xenctrl, cpu: number): void {
  const buffer = door.allocBuffer(4);
  buffer.view.setInt32(0, cpu, true);
  door.hypercall(HYPERCALL.schedOp, SCHEDOP.pin_override, buffer.address);
  door.freeBuffer(buffer);
}

type Step = (noted: Xenctrl, plain: Xenctrl) => unknown;
const domain = fc.constantFrom(0, 1, 1, 2, 2, 3, 9);
const cpus = fc.oneof(
  fc.uniqueArray(fc.nat(CPUS - 1)),
  fc.constant([]),
  fc.nat(NODES - 1).map((node) => [0, 1, 2, 3].map((i) => node + i * NODES)),
);
const masks = fc.record({ hard: cpus, soft: cpus, force: fc.boolean() }, { requiredKeys: [] });
const nodes = fc.oneof(fc.uniqueArray(fc.nat(NODES)), fc.constant('all' as const), fc.constant([0, 1, 2]), fc.constant([63]));
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(domain, fc.nat(3), masks, fc.boolean()).map(
    ([domid, vcpu, given, noted]): Step =>
      (withNotes, plain) =>
        (noted ? withNotes : plain).vcpuSetAffinity(domid, vcpu, given),
  ),
  fc.tuple(domain, nodes, fc.boolean()).map(
    ([domid, wanted, noted]): Step =>
      (withNotes, plain) =>
        (noted ? withNotes : plain).domainNodeSetAffinity(domid, wanted),
  ),
  domain.map(
    (domid): Step =>
      (withNotes) =>
        withNotes.domainNodeGetAffinity(domid),
  ),
  fc.tuple(fc.nat(1), fc.nat(CPUS - 1)).map(
    ([pool, cpu]): Step =>
      (_, plain) =>
        plain.cpupoolRemoveCpu(pool, cpu),
  ),
  fc.tuple(fc.nat(1), fc.nat(CPUS - 1)).map(
    ([pool, cpu]): Step =>
      (_, plain) =>
        plain.cpupoolAddCpu(pool, cpu),
  ),
  fc.tuple(fc.nat(1), fc.constantFrom(1, 2, 3)).map(
    ([pool, domid]): Step =>
      (_, plain) =>
        plain.cpupoolMoveDomain(pool, domid),
  ),
  fc.integer({ min: -1, max: CPUS - 1 }).map(
    (cpu): Step =>
      (_, plain) =>
        pin(plain, cpu),
  ),
);

function play(steps: readonly Step[], hidden: boolean) {
  const xc = openHost(hidden);
  return steps.map((one) => {
    const record = new FlowRecord('one call');
    let outcome: unknown;
    try {
      outcome = one(xc.withFlow(record), xc);
    } catch (error) {
      if (!(error instanceof XenError)) throw error;
      outcome = error.message;
    }
    return { outcome, record };
  });
}

const edgesOf = (record: FlowRecord) => record.entries.flatMap((entry) => (entry.kind === 'edge' ? [entry.edge] : []));

test('the inferred way through Xen is the way that was taken, call by call', () => {
  const taken = new Set<EdgeId>();
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 25 }), (steps) => {
      const seen = play(steps, false);
      const concluded = play(steps, true);
      seen.forEach(({ outcome, record }, index) => {
        const other = concluded[index]!;
        expect(other.outcome).toEqual(outcome);
        // A pin that FORCE ends before a hard mask is stored cannot be told from none: the same
        // edges are taken twice or once.
        expect(new Set(edgesOf(other.record))).toEqual(new Set(edgesOf(record)));
        expect(new Set(other.record.nodesVisited())).toEqual(new Set(record.nodesVisited()));
        for (const edge of edgesOf(record)) taken.add(edge);
      });
    }),
    { seed: 42, numRuns: 500 },
  );
  const below = EDGES.filter(
    ({ to, from }) => to === 'do_domctl' || !/^(is_xe|set_hard|is_Host|has_|numa_|exec|stub|configure)/.test(from),
  );
  expect([...taken].sort()).toEqual(below.map(({ id }) => id).sort());
});

test('only what is inside Xen is marked as inferred, and only where it cannot be seen', () => {
  for (const hidden of [false, true]) {
    const xc = openHost(hidden);
    const record = new FlowRecord('both masks');
    xc.withFlow(record).vcpuSetAffinity(2, 0, { hard: [1, 4], soft: [4] });
    xc.withFlow(record).domainNodeSetAffinity(2, [1]);
    for (const entry of record.entries) {
      if (entry.kind === 'edge') expect([entry.edge, entry.inferred]).toEqual([entry.edge, hidden && !entry.edge.endsWith('-> do_domctl')]);
    }
    expect(record.entries[0]).toEqual({
      kind: 'node',
      node: 'XEN_VCPUAFFINITY_HARD',
      values: { domid: 2, vcpu: 0, requested: '1,4', effective: '1,4', force: false },
    });
  }
});

test('an explicit node affinity set by another toolstack is noticed if it differs from the rule', () => {
  const xc = openHost(true);
  const other = openXenctrl(xc.door);
  other.domainNodeSetAffinity(1, [0]);
  const record = new FlowRecord('set by others');
  xc.withFlow(record).vcpuSetAffinity(1, 0, { soft: [2] });
  expect(edgesOf(record)).toContain('domain_update_node_aff -> check_auto_node');
  expect(edgesOf(record)).not.toContain('check_auto_node -> set_node_affinity_from_vcpu_affinities');
});
