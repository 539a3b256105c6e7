// Finds the free frames of a real Xen by allocating them all: a domain requests 2 MiB extents on
// each node until it is refused, then pages.
import type { LiveXen } from './live-xen.js';

const BATCH = 256;
const SCRATCH_UUID = new Uint8Array(Buffer.from('xennuma scratch!', 'latin1'));

/**
 * Runs [first frame, one past the last) of each node, ascending. Pages that Xen takes for the
 * asking domain itself are not among them.
 */
export function readHeapMap(xen: LiveXen): [number, number][][] {
  const { xc } = xen;
  const domid = xc.domainCreate({ domid: 0, kind: 'pv', maxVcpus: 1, uuid: SCRATCH_UUID });
  try {
    xc.domainMaxVcpus(domid, 1);
    xc.domainSetMaxmem(domid, 2 ** 40);
    return xen.machine.nodes.map((_, node) => {
      const runs: [number, number][] = [];
      for (const order of [9, 0]) {
        for (let more = true; more; ) {
          const { done, mfns } = xc.domainPopulatePhysmap(domid, { extents: BATCH, order, node, exactNode: true, wantMfns: true });
          for (const mfn of mfns ?? []) runs.push([mfn, mfn + 2 ** order]);
          more = done === BATCH;
        }
      }
      return joined(runs);
    });
  } finally {
    xc.domainDestroy(domid);
    xen.settle();
  }
}

function joined(runs: [number, number][]): [number, number][] {
  const result: [number, number][] = [];
  for (const [start, end] of runs.sort((a, b) => a[0] - b[0])) {
    const last = result.at(-1);
    if (last !== undefined && last[1] === start) last[1] = end;
    else result.push([start, end]);
  }
  return result;
}
