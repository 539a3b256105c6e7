// A state folder whose commits fail, one after the other, with every fault. Acknowledged changes
// are there, now and for the next process. Refused changes are not, and do not appear later. Reads
// go on, and the daemon keeps running.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { EXPORT_METADATA, IMPORT_METADATA } from '../../src/xapi/calls/archive/methods.js';
import { readOva, writeOva } from '../../src/xapi/calls/archive/ova.js';
import type { Wire, WireStruct } from '../../src/xapi/wire/values.js';
import { type TestDaemon, testDaemon, vmRecord } from '../support/daemon.js';
import { FAULTS, type Fault, FaultInjector } from '../support/faults.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const unhandled: unknown[] = [];
beforeAll(() => {
  process.on('unhandledRejection', (error) => unhandled.push(error));
});

const REASON: Record<Fault, RegExp> = {
  EIO: /input\/output error \(EIO\)/,
  EMFILE: /descriptor.*EMFILE/,
  short: /the disk is full \(ENOSPC\)/,
  ENOSPC: /the disk is full \(ENOSPC\)/,
};

interface Started {
  readonly daemon: TestDaemon;
  readonly injector: FaultInjector;
  readonly folder: string;
  readonly log: { readonly values: Record<string, unknown>; readonly message: string }[];
}

async function started(): Promise<Started> {
  const folder = mkdtempSync(join(tmpdir(), 'xennuma-faults-'));
  ends.push(() => rmSync(folder, { recursive: true }));
  const injector = new FaultInjector();
  const log: Started['log'] = [];
  const note = (values: object, message: string) => log.push({ values: values as Record<string, unknown>, message });
  const daemon = await testDaemon({
    state: folder,
    wrapState: (state) => injector.state(state),
    log: { info: note, warn: note, error: note },
  });
  return { daemon, injector, folder, log };
}

/** The VMs as a client sees them, and as Xen has them. */
interface Seen {
  readonly vms: readonly string[];
  readonly policy: unknown;
  readonly domains: number;
}

async function seen(daemon: TestDaemon): Promise<Seen> {
  const records = (await daemon.call('VM.get_all_records')) as WireStruct;
  const [host] = (await daemon.call('host.get_all')) as string[];
  const vms = Object.values(records as Record<string, WireStruct>).map(
    ({ uuid, name_label, power_state, VCPUs_params }) =>
      `${String(uuid)} ${String(name_label)} ${String(power_state)} ${JSON.stringify(VCPUs_params)}`,
  );
  const policy = await daemon.call('host.get_numa_affinity_policy', host!);
  return { vms: vms.sort(), policy, domains: daemon.toolstack.doors.xc.domainList().filter(({ domid }) => domid !== 0).length };
}

type Step = readonly [name: string, run: (daemon: TestDaemon, vm: string) => Promise<unknown>];

const taskEnd = async (daemon: TestDaemon, method: string, ...params: Wire[]): Promise<void> => {
  const task = (await daemon.call(`Async.${method}`, ...params)) as string;
  await daemon.dispatcher.idle();
  const record = (await daemon.call('task.get_record', task)) as WireStruct;
  expect(record.status, 'a task that ended says so').not.toBe('pending');
  if (record.status !== 'success') throw Object.assign(new Error('refused'), { params: record.error_info });
};

const STEPS: readonly Step[] = [
  ['create', (daemon) => daemon.call('VM.create', vmRecord('new'))],
  ['rename', (daemon, vm) => daemon.call('VM.set_name_label', vm, `renamed-${Math.random()}`)],
  ['mask', (daemon, vm) => daemon.call('VM.set_VCPUs_params', vm, { mask: '1,2' })],
  [
    'policy',
    async (daemon) => {
      const [host] = (await daemon.call('host.get_all')) as string[];
      const now = await daemon.call('host.get_numa_affinity_policy', host!);
      await daemon.call('host.set_numa_affinity_policy', host!, now === 'any' ? 'best_effort' : 'any');
    },
  ],
  ['start', (daemon, vm) => daemon.call('VM.start', vm, false, false)],
  ['pause', (daemon, vm) => daemon.call('VM.pause', vm)],
  ['unpause', (daemon, vm) => daemon.call('VM.unpause', vm)],
  ['reboot', (daemon, vm) => daemon.call('VM.hard_reboot', vm)],
  ['Async order', (daemon, vm) => taskEnd(daemon, 'VM.set_order', vm, Math.ceil(Math.random() * 1000))],
  ['Async suspend', (daemon, vm) => taskEnd(daemon, 'VM.suspend', vm)],
  ['Async resume', (daemon, vm) => taskEnd(daemon, 'VM.resume', vm, false, false)],
  [
    'Async migrate',
    async (daemon, vm) => taskEnd(daemon, 'VM.pool_migrate', vm, ((await daemon.call('host.get_all')) as string[])[0]!, {}),
  ],
  ['shutdown', (daemon, vm) => daemon.call('VM.hard_shutdown', vm)],
  ['Async start', (daemon, vm) => taskEnd(daemon, 'VM.start', vm, false, false)],
  ['Async shutdown', (daemon, vm) => taskEnd(daemon, 'VM.hard_shutdown', vm)],
  ['clone', (daemon, vm) => daemon.call('VM.clone', vm, 'copy')],
  ['Async create', (daemon) => taskEnd(daemon, 'VM.create', vmRecord('async'))],
  [
    'restore',
    async (daemon) => {
      const [other] = (await daemon.call('VM.get_by_name_label', 'other')) as string[];
      const header = readOva(await writeOva(await daemon.call(EXPORT_METADATA, other!, [])));
      // The first bool is `restore`: the VM is replaced by the one of the archive.
      await daemon.call(IMPORT_METADATA, header, true, true, false, {});
      expect(await daemon.call('VM.get_by_name_label', 'other'), 'acknowledged is there').toHaveLength(1);
    },
  ],
  ['destroy', (daemon, vm) => daemon.call('VM.destroy', vm)],
];

/**
 * Fails each commit of each step in turn, until the step needs no more commits than were failed.
 * @returns steps refused
 */
async function failEachCommit({ daemon, injector }: Started, fault: Fault): Promise<number> {
  const vm = (await daemon.call('VM.create', vmRecord('vm'))) as string;
  await daemon.call('VM.create', vmRecord('other'));
  let refused = 0;
  for (const [name, run] of STEPS) {
    for (let nth = 1; nth < 20; nth++) {
      const before = await seen(daemon);
      injector.arm(nth, fault);
      const failure = await run(daemon, vm).then(
        () => null,
        (error: unknown) => error,
      );
      await daemon.dispatcher.idle();
      const { writes } = injector;
      if (failure === null) {
        injector.heal();
        daemon.database.probe();
        break;
      }
      refused++;
      expect(String((failure as { params?: unknown }).params), `${name}, commit ${nth}`).toMatch(REASON[fault]);
      // Reads go on, and no refused change is there, not even on the host.
      expect(await seen(daemon), `${name}, commit ${nth}`).toEqual(before);
      expect(writes, `${name} fails when its commit does`).toBeGreaterThanOrEqual(nth);
      injector.heal();
      expect(daemon.database.probe()).toBe(true);
      expect(await seen(daemon), `${name} does not come true later`).toEqual(before);
    }
  }
  return refused;
}

describe.each(FAULTS)('commits that fail with %s', (fault) => {
  it('each in turn, sync and Async: acknowledged is there, refused is not, and the next process finds the same', async () => {
    const test = await started();
    expect(await failEachCommit(test, fault)).toBeGreaterThanOrEqual(STEPS.length);
    const last = await seen(test.daemon);
    await test.daemon.close();
    const next = await testDaemon({ state: test.folder });
    ends.push(() => next.close());
    expect(await seen(next)).toEqual(last);
    expect(unhandled).toEqual([]);
  });
});

describe('a daemon whose disk is full', () => {
  it('is read-only with a reason, says so in its log once, and comes back by itself', async () => {
    const { daemon, injector, log } = await started();
    ends.push(() => daemon.close());
    const vm = (await daemon.call('VM.create', vmRecord('vm'))) as string;
    injector.arm(1, 'ENOSPC');
    const rename = () => daemon.call('VM.set_name_label', vm, 'later');
    await expect(rename()).rejects.toThrow(/the disk is full/);
    expect(daemon.writable()).toMatchObject({ errno: 'ENOSPC' });
    // Refused before anything is done: no VM is started to be stopped again.
    const domains = daemon.toolstack.doors.xc.domainList().length;
    await expect(daemon.call('VM.start', vm, false, false)).rejects.toThrow(/the disk is full/);
    expect(daemon.toolstack.doors.xc.domainList()).toHaveLength(domains);
    expect(await daemon.call('VM.get_name_label', vm)).toBe('vm');
    expect(log.filter(({ message }) => /read-only: the disk is full/.test(message))).toHaveLength(1);
    injector.heal();
    await expect.poll(() => daemon.writable(), { timeout: 5000 }).toBe(null);
    expect(log.filter(({ message }) => /accepts changes again/.test(message))).toHaveLength(1);
    expect(await daemon.call('VM.get_name_label', vm)).toBe('vm');
    await rename();
    expect(await daemon.call('VM.get_name_label', vm)).toBe('later');
  });

  it('watchers never see a refused change', async () => {
    const { daemon, injector } = await started();
    ends.push(() => daemon.close());
    const vm = (await daemon.call('VM.create', vmRecord('vm'))) as string;
    const { token } = (await daemon.call('event.from', ['VM'], '', 0)) as { token: string };
    const waiting = daemon.call('event.from', ['VM'], token, 30) as Promise<WireStruct>;
    injector.arm(1, 'ENOSPC');
    await expect(daemon.call('VM.set_name_label', vm, 'refused')).rejects.toThrow(/full/);
    injector.heal();
    daemon.database.probe();
    await daemon.call('VM.set_name_label', vm, 'accepted');
    const { events } = await waiting;
    expect((events as readonly WireStruct[]).map(({ snapshot }) => (snapshot as WireStruct).name_label)).toEqual(['accepted']);
  });

  it('starts, serves reads, and takes changes once there is room', async () => {
    const first = await started();
    const vm = (await first.daemon.call('VM.create', vmRecord('vm'))) as string;
    await first.daemon.call('VM.start', vm, false, false);
    await first.daemon.close();
    const injector = new FaultInjector();
    injector.arm(1, 'ENOSPC');
    const daemon = await testDaemon({ state: first.folder, wrapState: (state) => injector.state(state) });
    ends.push(() => daemon.close());
    expect(await daemon.call('VM.get_power_state', vm)).toBe('Running');
    await expect(daemon.call('VM.hard_shutdown', vm)).rejects.toThrow(/full/);
    injector.heal();
    expect(daemon.database.probe()).toBe(true);
    await daemon.call('VM.hard_shutdown', vm);
    expect(await daemon.call('VM.get_power_state', vm)).toBe('Halted');
  });
});
