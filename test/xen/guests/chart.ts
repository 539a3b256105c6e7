// All 28 edges of the chart, taken on the real Xen: those outside of Xen as they happen, those
// inside concluded from what Xen reads back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EDGES, type EdgeId, NODES } from '../../../src/flow/chart.js';
import type { FlowRecord } from '../../../src/flow/record.js';
import { bench, start, stop, using, vm } from './host.js';

const IN_XEN: readonly (string | null)[] = ['xen', 'domain_update_node_affinity', 'domain_set_node_affinity'];
const startsInXen = new Set<string>(NODES.filter(({ subgraph }) => IN_XEN.includes(subgraph)).map(({ id }) => id));

test('every edge of the chart is taken, the inside of Xen inferred and marked so', () =>
  using(bench(), async (one) => {
    const { toolstack } = one;
    const records: FlowRecord[] = [];
    const pinned = await start(one, vm('pinned', 'pv', 1, 32, { vcpusParams: { mask: '2,3' } }));
    records.push(pinned.record, (await start(one, vm('placed', 'pvh', 1, 32))).record);
    toolstack.setPolicy('default_policy');
    records.push((await start(one, vm('left-alone', 'pv', 1, 32))).record);
    const manual = await toolstack.setNodeAffinity('placed', [1]);
    assert.equal(manual.failure, null);
    assert.deepEqual(one.doors.xc.domainNodeGetAffinity(manual.domid!), [1]);
    const automatic = await toolstack.setNodeAffinity('placed', 'all');
    assert.equal(automatic.failure, null);
    records.push(manual.record, automatic.record);

    const taken = new Map<EdgeId, boolean>();
    for (const { entries } of records) {
      for (const entry of entries) {
        if (entry.kind !== 'edge') continue;
        assert.equal(taken.get(entry.edge) ?? entry.inferred, entry.inferred, `${entry.edge} is always inferred, or never`);
        taken.set(entry.edge, entry.inferred);
      }
    }
    assert.equal(EDGES.length, 28);
    assert.deepEqual(
      EDGES.map(({ id }) => id).filter((id) => !taken.has(id)),
      [],
      'edges not taken',
    );
    for (const { id, from } of EDGES) assert.equal(taken.get(id), startsInXen.has(from), id);
    const inferred = [...taken.values()].filter((value) => value).length;
    console.log(`chart: ${taken.size} of ${EDGES.length} edges taken, ${inferred} of them inferred from what Xen reads back`);
    for (const name of ['pinned', 'placed', 'left-alone']) await stop(one, name);
  }));
