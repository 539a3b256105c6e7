// Whatever is done to VMs in whatever order: the hypervisor's invariants hold, what is stopped is
// gone, and the same seed gives the same.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { machine, toolstackOn, vm } from '../../../test/support/toolstack.js';
import { InputError } from '../../base/errors.js';
import type { Outcome } from '../api/outcome.js';
import { PROFILES } from '../api/profiles.js';
import type { Toolstack } from '../api/toolstack.js';

const SEED = 20260821;
const NAMES = ['a', 'b', 'c', 'd'];

const mask = fc.constantFrom(null, '0', '1,2', '3;4', '99', '1, 2', '0,1,2,3,4,5', '');
const name = fc.constantFrom(...NAMES);
const operation = fc.oneof(
  fc.record({ op: fc.constant('start' as const), name }),
  fc.record({ op: fc.constant('stop' as const), name }),
  fc.record({ op: fc.constant('reboot' as const), name }),
  fc.record({ op: fc.constant('migrate' as const), name }),
  fc.record({ op: fc.constant('together' as const), names: fc.subarray(NAMES, { minLength: 1 }) }),
  fc.record({ op: fc.constant('mask' as const), name, mask }),
  fc.record({ op: fc.constant('hostMask' as const), mask }),
  fc.record({
    op: fc.constant('policy' as const),
    policy: fc.constantFrom('any' as const, 'best_effort' as const, 'default_policy' as const),
  }),
  fc.record({ op: fc.constant('profile' as const), profile: fc.constantFrom(...PROFILES) }),
  fc.record({ op: fc.constant('nodes' as const), name, nodes: fc.constantFrom([0], [0, 1], [5], 'all' as const) }),
  fc.record({ op: fc.constant('pin' as const), name, hard: fc.constantFrom([0], [4, 5], []) }),
  fc.record({ op: fc.constant('pause' as const), name }),
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

async function perform(toolstack: Toolstack, what: Operation): Promise<Outcome[]> {
  switch (what.op) {
    case 'start':
      return [await toolstack.start(what.name)];
    case 'stop':
      return [await toolstack.stop(what.name)];
    case 'reboot':
      return [await toolstack.reboot(what.name)];
    case 'migrate':
      return [await toolstack.migrateLocal(what.name)];
    case 'together':
      return toolstack.startTogether(what.names);
    case 'nodes':
      return [await toolstack.setNodeAffinity(what.name, what.nodes)];
    case 'pin':
      return [await toolstack.pin(what.name, 'all', { hard: what.hard })];
    case 'pause':
      return [await toolstack.pause(what.name)];
    case 'mask':
      await toolstack.setMask(what.name, what.mask);
      return [];
    case 'hostMask':
      toolstack.setHostMask(what.mask);
      return [];
    case 'policy':
      toolstack.setPolicy(what.policy);
      return [];
    case 'profile':
      toolstack.setProfile(what.profile);
      return [];
  }
}

async function play(operations: readonly Operation[], seed: number): Promise<string> {
  const toolstack = await toolstackOn(machine([1024, 768, 512], 2), { seed, profile: 'xapi-26.3' });
  const { doors } = toolstack;
  const before = { keys: doors.store.list(), free: doors.inspect.freePages() };
  await toolstack.add(vm('a', 1, 300));
  await toolstack.add(vm('b', 2, 700, { kind: 'pv' }));
  await toolstack.add(vm('c', 3, 1100, { kind: 'pvh' }));
  await toolstack.add(vm('d', 2, 400, { memoryTargetBytes: 200 * 2 ** 20 }));
  const told: unknown[] = [];
  for (const what of operations) {
    try {
      told.push(await perform(toolstack, what));
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      told.push(error.message);
    }
    expect(doors.inspect.invariants()).toEqual([]);
    const alive = toolstack.vms().flatMap(({ domid }) => domid ?? []);
    expect(doors.xc.domainList().map(({ domid }) => domid)).toEqual([0, ...alive].sort((a, b) => a - b));
    expect((await doors.xs.directory('/local/domain')).map(Number).sort((a, b) => a - b)).toEqual([0, ...alive].sort((a, b) => a - b));
    expect(await doors.xs.directory('/vm')).toHaveLength(alive.length);
    for (const info of doors.xc.domainList()) expect(info.outstandingPages).toBe(0);
  }
  told.push(doors.store.list(), toolstack.snapshot());
  for (const { spec, domid } of toolstack.vms()) if (domid !== null) await toolstack.stop(spec.name);
  expect({ keys: doors.store.list(), free: doors.inspect.freePages() }).toEqual(before);
  return JSON.stringify(told);
}

it('any sequence of operations keeps the invariants, leaves nothing behind and repeats itself', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 12 }), fc.nat(), async (operations, seed) => {
      const first = await play(operations, seed);
      expect(await play(operations, seed)).toBe(first);
    }),
    { seed: SEED, numRuns: 40 },
  );
}, 120_000);
