// An operation on a VM while other clients' changes are committed all the time, and one of these
// commits is refused, each in turn. The answer to its client is true: success means that all of it
// is stored, "nothing was changed" means that the VM is as before, and every other refusal names
// the new state of the VM.
import { describe, expect, it } from 'vitest';
import { smallHost, type TestDaemon, testDaemon, vmRecord } from '../../../test/support/daemon.js';
import { FaultInjector } from '../../../test/support/faults.js';
import { Random } from '../../base/random.js';
import { Faults, Life } from '../../simulator/faults.js';
import { Disk, faultyState } from '../../simulator/faulty-state.js';
import { XEN_CAPABILITIES } from '../../xenopsd/api/host-doors.js';
import { embeddedHost } from '../../xenopsd/hosts/embedded-host.js';
import type { Wire, WireStruct } from '../wire/values.js';

interface Operation {
  readonly name: string;
  readonly before: 'Halted' | 'Running' | 'Paused' | 'Suspended';
  /** No guest's memory would be lost (HostCapabilities.suspend). */
  readonly suspends?: true;
  /** All that it is called with; by default the VM. */
  readonly params?: (daemon: TestDaemon, vm: string) => Promise<readonly Wire[]>;
  /** What the VM is after it. */
  readonly after: WireStruct;
}

const OPERATIONS: readonly Operation[] = [
  { name: 'start', before: 'Halted', params: async (_, vm) => [vm, false, false], after: { power_state: 'Running' } },
  { name: 'start', before: 'Halted', params: async (_, vm) => [vm, true, false], after: { power_state: 'Paused' } },
  { name: 'hard_reboot', before: 'Running', after: { power_state: 'Running' } },
  { name: 'hard_reboot', before: 'Paused', after: { power_state: 'Running' } },
  { name: 'clean_shutdown', before: 'Running', after: { power_state: 'Halted', ha_always_run: false } },
  { name: 'pause', before: 'Running', after: { power_state: 'Paused' } },
  { name: 'unpause', before: 'Paused', after: { power_state: 'Running' } },
  {
    name: 'pool_migrate',
    before: 'Running',
    suspends: true,
    params: async ({ objects }, vm) => [vm, objects.host, {}],
    after: { power_state: 'Running' },
  },
  { name: 'set_memory_dynamic_min', before: 'Running', params: async (_, vm) => [vm, 2 ** 20], after: { memory_dynamic_min: 2 ** 20 } },
  { name: 'set_VCPUs_number_live', before: 'Running', params: async (_, vm) => [vm, 1], after: { VCPUs_at_startup: 1 } },
  { name: 'suspend', before: 'Running', suspends: true, after: { power_state: 'Suspended' } },
  {
    name: 'resume',
    before: 'Suspended',
    suspends: true,
    params: async (_, vm) => [vm, false, false],
    after: { power_state: 'Running' },
  },
  {
    name: 'revert',
    before: 'Running',
    params: async ({ call }, vm) => {
      await call('VM.set_name_description', vm, 'of the snapshot');
      const snapshot = await call('VM.snapshot', vm, 'snapshot');
      await call('VM.set_name_description', vm, 'of today');
      return [snapshot];
    },
    after: { power_state: 'Halted', name_description: 'of the snapshot' },
  },
];

/** Published, without what every start derives anew. */
function stored(record: WireStruct): WireStruct {
  const { allowed_operations: _, current_operations: __, ...rest } = record;
  return rest;
}

/** Without what follows from its domain. */
function settings(record: WireStruct): WireStruct {
  const { power_state: _, domid: __, resident_on: ___, domarch: ____, consoles: _____, ...rest } = record;
  return rest;
}

async function opened(outlives: boolean) {
  const embedded = await embeddedHost(smallHost(), { profile: 'xapi-25.6' });
  const disk = new Disk();
  const injector = new FaultInjector();
  const daemon = await testDaemon({
    doors: { ...embedded, xs: embedded.store.connect(0), ...(outlives ? { can: XEN_CAPABILITIES } : {}) },
    wrapState: () => injector.state(faultyState(disk, new Faults(new Random(1), null), new Life())),
  });
  const vm = String(await daemon.call('VM.create', vmRecord('guest', { domain_type: 'pvh', PV_kernel: '/boot/guest' })));
  const other = String(await daemon.call('VM.create', vmRecord('other')));
  return { embedded, disk, injector, daemon, vm, other };
}

/** @returns whether a commit was refused; false = the operation has no more commits */
async function play({ name, before, params, after }: Operation, outlives: boolean, nth: number): Promise<boolean> {
  const { embedded, disk, injector, daemon, vm, other } = await opened(outlives);
  const { database } = daemon;
  const record = () => stored(database.published.get('VM', vm));
  if (before !== 'Halted') await daemon.call('VM.start', vm, before === 'Paused', false);
  if (before === 'Suspended') await daemon.call('VM.suspend', vm);
  const given = (await params?.(daemon, vm)) ?? [vm];
  const was = record();

  injector.arm(nth, 'EMFILE', true);
  let ended = false;
  // The probe of a daemon whose storage failed has a clock of its own.
  const answer = daemon
    .call(`VM.${name}`, ...given)
    .then(
      () => null,
      (error: Error) => error.message,
    )
    .finally(() => {
      ended = true;
    });
  for (let turn = 0; !ended; turn++) {
    database.update('VM', other, { name_label: `other ${turn}` });
    database.flushed().catch(() => {});
    await new Promise((done) => setImmediate(done));
  }
  const refusal = await answer;
  const hit = injector.writes >= nth;
  injector.heal();
  database.probe();
  await database.flushed();

  const is = record();
  if (refusal === null) expect(is).toMatchObject(after);
  else if (refusal.includes('nothing was changed')) expect(is).toEqual(was);
  else {
    expect(refusal).toContain(`the VM is ${String(is.power_state)}`);
    expect(settings(is)).toEqual(settings(was));
  }
  expect(stored(disk.record(vm)!)).toEqual(is);
  const info = embedded.xc.domainList().filter(({ domid }) => domid !== 0);
  expect(info.map(({ domid, paused }) => [domid, paused])).toEqual(is.domid === -1 ? [] : [[is.domid, is.power_state === 'Paused']]);
  await daemon.close();
  return hit;
}

describe.each([true, false])('a host whose domains outlive the daemon: %s', (outlives) => {
  const possible = OPERATIONS.filter(({ suspends }) => suspends !== true || !outlives);
  it.each(possible.map((operation) => [`${operation.name} of a ${operation.before} VM`, operation] as const))(
    '%s',
    async (_, operation) => {
      let nth = 1;
      while (await play(operation, outlives, nth)) nth++;
      expect(nth).toBeGreaterThan(1);
    },
  );
});
