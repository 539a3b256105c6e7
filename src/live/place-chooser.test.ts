// The choice of nodes for many domains of one host: each as if it were the only one, and the work
// on the host's CPUs is done once.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { cases } from '../../test/support/cases.js';
import { hostMaps } from '../../test/support/random-maps.js';
import type { HostMap, MapDomain } from '../map/host-map.js';
import { remarksOf } from '../page/remarks.js';
import { PlannerException } from '../planner/candidates.js';
import { profileOf } from '../xenopsd/api/profiles.js';
import { PlaceChooser } from './place-running.js';

const PROFILES = ['xapi-25.6', 'xapi-26.1', 'xapi-26.3', 'xl'] as const;

function chosen(chooser: PlaceChooser, domain: MapDomain) {
  try {
    return { ...chooser.choose(domain) };
  } catch (error) {
    if (!(error instanceof PlannerException)) throw error;
    return error.message;
  }
}

it.each(PROFILES)('%s: a domain gets the same nodes whichever others were asked for before', (name) => {
  const profile = profileOf(name);
  fc.assert(
    fc.property(hostMaps(), (map) => {
      const shared = new PlaceChooser(map, profile, 'best_effort');
      for (const domain of map.domains) {
        expect(chosen(shared, domain)).toEqual(chosen(new PlaceChooser(map, profile, 'best_effort'), domain));
      }
    }),
    { seed: 17, numRuns: cases(60, 400) },
  );
});

/** Eight nodes of eight CPUs in two pools; every VM's memory is on three nodes. */
function hostOf(vms: number) {
  let reads = 0;
  const cpus = Array.from({ length: 64 }, (_, id) => ({ id, node: id >> 3, core: id, socket: id >> 5, online: true, pool: id % 2 }));
  const all = cpus.map(({ id }) => id);
  const nodes = Array.from({ length: 8 }, (_, id) => ({ id, memoryBytes: 2 ** 38, freePages: 2 ** 24, claimedPages: 0 }));
  const domains = Array.from({ length: vms }, (_, domid): MapDomain => {
    const home = domid % 8;
    return {
      ...{ domid, name: `vm-${domid}`, kind: 'hvm', state: 'running', pool: domid % 2, nodeAffinity: [home], autoNodeAffinity: true },
      vcpus: Array.from({ length: 2 }, (__, id) => ({ id, online: true, hard: all, soft: all })),
      pages: nodes.map(({ id }) => ((id - home) % 3 === 0 ? 2 ** 18 : 0)),
    };
  });
  const counted = new Proxy(cpus, {
    get(target, key, receiver) {
      if (typeof key === 'string' && /^\d+$/.test(key)) reads++;
      return Reflect.get(target, key, receiver);
    },
  });
  const distances = nodes.map(({ id: from }) => nodes.map(({ id: to }) => (from === to ? 10 : 20)));
  const map: HostMap = { name: 'many', hypervisor: 'Xen 4.17', nodes, cpus: counted, distances, domains };
  return { map, reads: () => reads };
}

it.each([
  ['xapi-25.6', false],
  ['xapi-25.6', true],
  ['xl', false],
] as const)('remarks under %s, without xl: %s, read the CPUs of the host once, however many VMs there are', (name, withoutXl) => {
  const rules = { profile: profileOf(name), policy: 'best_effort', withoutXl, uuidOf: (domid: number) => `uuid-${domid}` } as const;
  const readsFor = (vms: number) => {
    const { map, reads } = hostOf(vms);
    expect(remarksOf(map, rules).length).toBeGreaterThan(vms / 2);
    return reads();
  };
  const [few, many] = [readsFor(40), readsFor(400)];
  // A command names up to 64 CPUs; a look at all of them for each VM would be 64 reads for each.
  expect(many - few).toBeLessThan(360 * 10);
});
