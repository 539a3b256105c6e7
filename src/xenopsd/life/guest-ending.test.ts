// Guests that shut down by themselves: their domains are removed, and their requests are reported.
import { describe, expect, it } from 'vitest';
import { machine, vm } from '../../../test/support/toolstack.js';
import { MemoryMetadata } from '../api/metadata.js';
import type { Ending } from '../api/outcome.js';
import { embeddedHost } from '../hosts/embedded-host.js';
import { endingOf } from './guest-ending.js';
import { createToolstack } from './toolstack.js';

const OPTIONS = { profile: 'xapi-25.6', policy: 'best_effort', seed: 1 } as const;

async function running() {
  const host = await embeddedHost(machine([2048, 2048], 2), { profile: 'xapi-25.6' });
  const before = { keys: host.store.list(), free: host.inspect.freePages() };
  const metadata = new MemoryMetadata();
  const toolstack = await createToolstack(host, { ...OPTIONS, metadata });
  await toolstack.add(vm('guest', 1, 64));
  const { domid } = await toolstack.start('guest');
  return { host, before, metadata, toolstack, domid: domid! };
}

/** Reasons of Xen's public/sched.h; what xenopsd makes of each. */
const REASONS: readonly (readonly [string, number, Ending | null])[] = [
  ['poweroff', 0, 'poweroff'],
  ['reboot', 1, 'reboot'],
  ['suspend', 2, null],
  ['crash', 3, 'crash'],
  ['watchdog', 4, 'reboot'],
  ['soft reset', 5, 'poweroff'],
];

describe.each(REASONS)('shutdown reason %s', (_, reason, ending) => {
  it(ending === null ? 'leaves the VM as it is' : 'halts the VM, in a new process and in the one that goes on', async () => {
    for (const anew of [true, false]) {
      const { host, before, metadata, toolstack, domid } = await running();
      host.xc.domainShutdown(domid, reason);
      const next = anew ? await createToolstack(host, { ...OPTIONS, metadata }) : toolstack;
      const told = anew ? next.vms()[0]!.outcomes : await next.noticeEnded();
      if (ending === null) {
        expect(told).toEqual([]);
        expect(next.vms()[0]).toMatchObject({ power: 'running', domid });
        continue;
      }
      expect(told).toMatchObject([{ vm: 'guest', operation: 'ended', domid: null, failure: null, ending }]);
      expect(told[0]!.record.entries).toContainEqual({ kind: 'note', topic: 'ended', values: { domid, ending } });
      expect(next.vms()[0]).toMatchObject({ power: 'halted', domid: null });
      expect({ keys: host.store.list(), free: host.inspect.freePages() }).toEqual(before);
      expect(await next.noticeEnded()).toEqual([]);
      expect((await next.start('guest')).failure).toBeNull();
    }
  });
});

it('a domain that another tool destroyed leaves no keys, and its number may be in use again', async () => {
  const { host, before, toolstack, domid } = await running();
  host.xc.domainDestroy(domid);
  expect(endingOf(host.xc.domainInfo(domid))).toBe('gone');
  const stranger = { domid, kind: 'pv', maxVcpus: 1, uuid: new Uint8Array(16).fill(7) } as const;
  host.xc.domainCreate(stranger);
  expect(await toolstack.noticeEnded()).toMatchObject([{ operation: 'ended', failure: null }]);
  expect(toolstack.vms()[0]!.power).toBe('halted');
  expect(Buffer.from(host.xc.domainInfo(domid)!.uuid)).toEqual(Buffer.from(stranger.uuid));
  host.xc.domainDestroy(domid);
  expect(host.inspect.freePages()).toEqual(before.free);
});

it('a guest that runs or is paused has not ended', async () => {
  const { toolstack } = await running();
  await toolstack.pause('guest');
  expect(await toolstack.noticeEnded()).toEqual([]);
  expect(toolstack.vms()[0]!.power).toBe('paused');
});
