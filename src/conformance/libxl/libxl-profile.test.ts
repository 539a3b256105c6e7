// Compares profile xl, through the whole toolstack, with the conformance kind `libxl`, which
// recorded runs of `xl create` validate. On any machine and after any starts and stops, both place
// a guest alike.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { cases } from '../../../test/support/cases.js';
import { machine, toolstackOn, vm } from '../../../test/support/toolstack.js';
import { formatList } from '../../base/bitset.js';
import { MIB, PAGE_BYTES } from '../../base/units.js';
import type { Toolstack } from '../../xenopsd/api/toolstack.js';
import type { JsonObject } from '../player.js';
import { createLibxlPlayer, XEN_PAGES } from './libxl.js';

type Answer = Readonly<{ failed: true } | { nodeAffinity: string; hardSoft: string[]; pages: readonly number[] }>;
const NEAR_PAGES = 1024;
/**
 * A node that ends with less free memory than this was nearly full, so Xen's own pages decide the
 * nodes of the guest's last pages.
 */
const NEAR_FULL_BYTES = 48 * MIB;

const free = (toolstack: Toolstack) => toolstack.doors.xc.numaInfo().nodes.map((node) => node.freeBytes ?? 0);

function domains({ doors: { xc } }: Toolstack): JsonObject[] {
  return xc.domainList().map(({ domid, totPages, maxPages, maxVcpuId }) => ({
    id: domid,
    tot_pages: totPages,
    max_pages: Math.min(maxPages, 2 ** 40),
    vcpus: maxVcpuId + 1,
    nodes: formatList(xc.domainNodeGetAffinity(domid)),
    aff: Array.from({ length: maxVcpuId + 1 }, (_, vcpu) => {
      const { hard, soft } = xc.vcpuGetAffinity(domid, vcpu);
      return [formatList(hard), formatList(soft)];
    }),
  }));
}

async function answerOfToolstack(toolstack: Toolstack, name: string): Promise<Answer> {
  const { domid, failure } = await toolstack.start(name);
  if (domid === null || failure !== null) return { failed: true };
  const domain = domains(toolstack).find(({ id }) => id === domid) as { nodes: string; aff: [string, string][] } | undefined;
  const hardSoft = [...new Set(domain!.aff.map(([hard, soft]) => `${hard} / ${soft}`))];
  return { nodeAffinity: domain!.nodes, hardSoft, pages: toolstack.doors.pagesByNode!(domid)! };
}

function answerOfLibxl(played: JsonObject): Answer {
  if (played.rc !== 0) return { failed: true };
  return { nodeAffinity: String(played.nodeAffinity), hardSoft: played.hardSoft as string[], pages: played.pages as number[] };
}

const guests = fc.array(fc.record({ vcpus: fc.integer({ min: 1, max: 12 }), mib: fc.integer({ min: 4, max: 900 }), stops: fc.nat(5) }), {
  minLength: 1,
  maxLength: 8,
});
const machines = fc.record({
  freeMib: fc.array(fc.integer({ min: 300, max: 1500 }), { minLength: 1, maxLength: 6 }),
  cpusOfNode: fc.integer({ min: 1, max: 4 }),
});

it('places guests as the kind libxl does', { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(machines, guests, async ({ freeMib, cpusOfNode }, request) => {
      const host = machine(freeMib, cpusOfNode);
      const toolstack = await toolstackOn(host, { profile: 'xl' });
      const player = createLibxlPlayer();
      const size = host.nodes.map((node) => node.memoryBytes);
      const topo = host.cpus.map(({ core, socket, node }) => [core, socket, node]);
      await player.play({ shape: 'x', op: 'machine', size, topo, dist: host.distances as number[][] } as JsonObject);
      for (const [index, { vcpus, mib, stops }] of request.entries()) {
        const name = `g${index}`;
        // The records include Xen's own memory for the guest on Domain-0's node; the embedded Xen
        // allocates none there.
        const taken = (XEN_PAGES.domain + XEN_PAGES.vcpu * vcpus) * PAGE_BYTES;
        const before = { free: free(toolstack).map((bytes, node) => (node === 0 ? bytes + taken : bytes)), domains: domains(toolstack) };
        await toolstack.add(vm(name, vcpus, mib, { kind: 'pv' }));
        const played = answerOfLibxl(await player.play({ shape: 'x', op: 'create', name, vcpus, memoryMiB: mib, before } as JsonObject));
        const ours = await answerOfToolstack(toolstack, name);
        if ('failed' in ours || 'failed' in played) {
          expect(ours).toEqual(played);
          continue;
        }
        expect({ ...ours, pages: [] }).toEqual({ ...played, pages: [] });
        if (free(toolstack).every((bytes) => bytes >= NEAR_FULL_BYTES)) {
          for (const [node, pages] of ours.pages.entries()) expect(Math.abs(pages - played.pages[node]!)).toBeLessThanOrEqual(NEAR_PAGES);
        }
        const running = toolstack.vms().filter(({ power }) => power === 'running');
        if (stops < running.length) await toolstack.stop(running[stops]!.spec.name);
      }
    }),
    { seed: 20261125, numRuns: cases(30, 150) },
  );
});
