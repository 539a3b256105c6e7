// An HVM guest's device model in the life of its VM, with a stand-in for QEMU: what is written for
// it, when it starts and ends, and what follows when it fails or dies.
import { describe, expect, it } from 'vitest';
import { machine, vm } from '../../../test/support/toolstack.js';
import { InputError } from '../../base/errors.js';
import { type DeviceModel, DeviceModelError, type DeviceModelRequest } from '../api/device-model.js';
import type { HostCapabilities } from '../api/host-doors.js';
import type { ProfileName } from '../api/profiles.js';
import { embeddedHost } from '../hosts/embedded-host.js';
import { createToolstack } from './toolstack.js';

const PID = 4321;

async function host(options: { fails?: Error; images?: Error; can?: Partial<HostCapabilities>; profile?: ProfileName } = {}) {
  const { profile = 'xapi-25.6' } = options;
  const doors = await embeddedHost(machine([1024, 1024], 2), { profile });
  const running = new Map<number, string>();
  const requests: DeviceModelRequest[] = [];
  const ended: number[] = [];
  const state: { keys: Map<string, string> } = { keys: new Map() };
  const deviceModel: DeviceModel = {
    images: () => {
      if (options.images !== undefined) throw options.images;
      return { loader: '/loader', firmware: '/firmware' };
    },
    start: async (request) => {
      requests.push(request);
      state.keys = new Map(doors.store.list().map(({ path, value }) => [path, value]));
      // Xen has built the guest by then, and does not run it.
      expect(doors.xc.domainInfo(request.domid)).toMatchObject({ paused: true });
      if (options.fails !== undefined) throw options.fails;
      running.set(request.domid, request.uuid);
      return PID;
    },
    end: async (domid) => {
      // Xen cannot take the domain apart before.
      if (running.delete(domid)) expect(doors.xc.domainInfo(domid)).not.toBeNull();
      ended.push(domid);
    },
    domidsOf: (uuid) => [...running].flatMap(([domid, of]) => (of === uuid ? [domid] : [])),
  };
  const toolstack = await createToolstack(
    { ...doors, can: { ...doors.can, ...options.can }, deviceModel },
    { profile, policy: 'best_effort', seed: 1 },
  );
  return { ...doors, toolstack, running, requests, ended, keys: () => state.keys };
}

describe('an HVM guest', () => {
  it('is built and paused when its device model starts, which is told of it and finds its keys', async () => {
    const { toolstack, requests, keys, store, xc } = await host();
    await toolstack.add(vm('a', 2, 256));
    const { domid, failure, record } = await toolstack.start('a');
    expect(failure).toBeNull();
    expect(requests).toMatchObject([{ domid, vm: { name: 'a' }, memoryMib: 256 }]);
    expect(keys().get(`/local/domain/${domid}/hvmloader/bios`)).toBe('seabios');
    expect(keys().get(`/local/domain/${domid}/hvmloader/allow-memory-relocate`)).toBe('0');
    expect(keys().get(`/local/domain/${domid}/platform/device-model`)).toBe('qemu_xen');
    // What the device model writes is not for the guest.
    const own = store.list('/local/domain/0/device-model').find(({ path }) => path.endsWith(`/${domid}`));
    expect(own!.permissions).toEqual([{ domid: 0, access: 'n' }]);
    expect(xc.domainInfo(domid!)).toMatchObject({ paused: false });
    expect(record.entries).toContainEqual(expect.objectContaining({ kind: 'note', topic: 'device model', values: { domid, pid: PID } }));
  });

  it('with firmware of its own is called like SeaBIOS, and OVMF by its name', async () => {
    const { toolstack, keys } = await host();
    for (const [name, firmware, bios] of [
      ['ovmf', 'ovmf', 'ovmf'],
      ['own', '/own/firmware', 'seabios'],
      ['seabios', 'seabios', 'seabios'],
    ] as const) {
      await toolstack.add(vm(name, 1, 64, { firmware }));
      const { domid } = await toolstack.start(name);
      expect(keys().get(`/local/domain/${domid}/hvmloader/bios`)).toBe(bios);
    }
  });

  it('whose device model fails is no domain any more, and the failure says which step', async () => {
    const { toolstack, ended, requests, store, inspect, xc } = await host({ fails: new DeviceModelError('QEMU ended') });
    const before = { keys: store.list(), free: inspect.freePages() };
    await toolstack.add(vm('a', 1, 128));
    const { domid, failure } = await toolstack.start('a');
    expect({ domid, failure }).toMatchObject({ domid: null, failure: { step: 'VM.create_device_model', message: 'QEMU ended' } });
    expect(ended).toEqual([requests[0]!.domid]);
    expect(xc.domainList().map((one) => one.domid)).toEqual([0]);
    expect({ keys: store.list(), free: inspect.freePages() }).toEqual(before);
  });

  it('is ended with its domain, and gets another one with its next', async () => {
    const { toolstack, running, requests } = await host();
    await toolstack.add(vm('a', 1, 128));
    await toolstack.start('a');
    await toolstack.reboot('a');
    expect(requests).toHaveLength(2);
    expect([...running.keys()]).toEqual([requests[1]!.domid]);
    await toolstack.stop('a');
    expect([...running.keys()]).toEqual([]);
  });

  it('whose device model was killed has crashed; while it is there, it has not', async () => {
    const { toolstack, running, xc } = await host();
    await toolstack.add(vm('a', 1, 128));
    await toolstack.start('a');
    expect(await toolstack.noticeEnded()).toEqual([]);
    running.clear();
    const [outcome] = await toolstack.noticeEnded();
    expect(outcome).toMatchObject({ operation: 'ended', ending: 'crash' });
    expect(xc.domainList()).toHaveLength(1);
    expect(await toolstack.noticeEnded()).toEqual([]);
  });

  it('needs its files on a host that loads them; what is missing is named before there is a domain', async () => {
    const can = { loadsImages: true };
    const missing = new InputError('HVM guests need ovmf, which is not on this host', {}, 'install it');
    const first = await host({ can, images: missing });
    await first.toolstack.add(vm('a', 1, 64));
    expect((await first.toolstack.start('a')).failure).toMatchObject({
      step: 'VM.create',
      message: 'HVM guests need ovmf, which is not on this host: install it',
    });
    const second = await host({ can, images: new InputError('the firmware is not on this host', { file: '/own' }, 'give another') });
    await second.toolstack.add(vm('a', 1, 64));
    expect((await second.toolstack.start('a')).failure!.message).toBe('/own: the firmware is not on this host: give another');
    expect([...first.requests, ...second.requests]).toEqual([]);
    const third = await host({ can });
    await third.toolstack.add(vm('a', 1, 64));
    expect((await third.toolstack.start('a')).failure).toBeNull();
  });
});

it.each(['pv', 'pvh'] as const)('a %s guest has no device model', async (kind) => {
  const { toolstack, requests, store } = await host();
  await toolstack.add(vm('a', 1, 64, { kind }));
  const { domid, failure } = await toolstack.start('a');
  expect(failure).toBeNull();
  expect(requests).toEqual([]);
  expect(store.list(`/local/domain/${domid}/hvmloader/bios`)).toEqual([]);
  expect(await toolstack.noticeEnded()).toEqual([]);
});

it.each(
  (['xapi-25.6', 'xapi-26.3', 'xl'] as const).flatMap((profile) => (['pv', 'pvh', 'hvm'] as const).map((kind) => [profile, kind] as const)),
)('%s: a builder that loads images finds the vCPUs of a %s guest in XenStore', async (profile, kind) => {
  const { toolstack, store } = await host({ profile, can: { loadsImages: true } });
  await toolstack.add(vm('a', 2, 64, { kind, boot: { kernel: '/vmlinuz' } }));
  const { domid, failure } = await toolstack.start('a');
  expect(failure).toBeNull();
  expect(store.list(`/local/domain/${domid}/platform/vcpu/number`)).toMatchObject([{ value: '2' }]);
});
