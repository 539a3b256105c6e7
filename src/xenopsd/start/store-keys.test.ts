// The keys of a started domain, as xenopsd writes them (xen-api 90ef043c,
// ocaml/xenopsd/xc/domain.ml 370-540 and 1075-1102, xenops_server_xen.ml 1300-1370): what the guest
// and the builder read.
import { expect, it } from 'vitest';
import { machine, toolstackOn, vm } from '../../../test/support/toolstack.js';
import type { VmSpec } from '../../machine/vm.js';

async function keysOf(spec: VmSpec) {
  const toolstack = await toolstackOn(machine([1024, 1024], 2));
  await toolstack.add(spec);
  const { domid, failure } = await toolstack.start(spec.name);
  expect(failure).toBeNull();
  const { store } = toolstack.doors;
  const prefix = `/local/domain/${domid}/`;
  const own = new Map(store.list(prefix.slice(0, -1)).map((key) => [key.path.slice(prefix.length), key.value]));
  const all = new Map(store.list().map((key) => [key.path, key.value]));
  return { domid: domid!, own, all, introduced: await toolstack.doors.xs.isIntroduced(domid!) };
}

it('the first vCPUs at startup are online, the others offline, and no vCPU past the last has a key', async () => {
  const { own } = await keysOf(vm('a', 4, 128, { vcpusAtStartup: 2, kind: 'hvm' }));
  expect([0, 1, 2, 3, 4].map((vcpu) => own.get(`cpu/${vcpu}/availability`))).toEqual(['online', 'online', 'offline', 'offline', undefined]);
  expect(own.get('platform/vcpu/number')).toBe('4');
  expect(own.get('platform/vcpu/current')).toBe('2');
});

it('PV in PVH starts all of its vCPUs in the shim', async () => {
  const { own } = await keysOf(vm('a', 4, 128, { vcpusAtStartup: 2, kind: 'pvh' }));
  expect(own.get('platform/vcpu/current')).toBe('4');
});

it('every vCPU has an affinity key: all ones without a mask, one character a pCPU', async () => {
  const { own } = await keysOf(vm('a', 3, 128));
  expect([0, 1, 2, 3].map((vcpu) => own.get(`platform/vcpu/${vcpu}/affinity`))).toEqual(['1111', '1111', '1111', undefined]);
});

it('weight and cap are always there: 256 and 0, or what the VM says', async () => {
  const plain = await keysOf(vm('a', 1, 128));
  expect([plain.own.get('platform/vcpu/weight'), plain.own.get('platform/vcpu/cap')]).toEqual(['256', '0']);
  const set = await keysOf(vm('a', 1, 128, { vcpusParams: { weight: '512', cap: '50' } }));
  expect([set.own.get('platform/vcpu/weight'), set.own.get('platform/vcpu/cap')]).toEqual(['512', '50']);
});

it('memory is in KiB, and the rings are where the guest looks for them', async () => {
  const { domid, own, all, introduced } = await keysOf(vm('a', 1, 256, { memoryTargetBytes: 128 * 2 ** 20 }));
  expect(own.get('memory/static-max')).toBe(String(256 * 1024));
  expect(own.get('memory/target')).toBe(String(128 * 1024));
  expect(own.get('domid')).toBe(String(domid));
  for (const key of ['store/port', 'store/ring-ref', 'console/port', 'console/ring-ref'])
    expect(Number(own.get(key)), key).toBeGreaterThan(0);
  expect(own.get('store/ring-ref')).not.toBe(own.get('console/ring-ref'));
  expect(own.get('store/port')).not.toBe(own.get('console/port'));
  expect(all.get(`/libxl/${domid}/type`)).toBe('HVM');
  expect(introduced).toBe(true);
});

it.each([
  ['pv', 'PV'],
  ['pvh', 'PVH'],
  ['hvm', 'HVM'],
] as const)('the type of a %s guest', async (kind, type) => {
  const { domid, all } = await keysOf(vm('a', 1, 128, { kind }));
  expect(all.get(`/libxl/${domid}/type`)).toBe(type);
});

it('the label is the name that others see, the VM leads to its domain and back', async () => {
  const uuid = '01234567-89ab-4def-8123-456789abcdef';
  const { domid, own, all } = await keysOf(vm('a', 1, 128, { uuid, label: 'web 1' }));
  expect(own.get('name')).toBe('web 1');
  expect(own.get('vm')).toBe(`/vm/${uuid}`);
  expect(all.get(`/vm/${uuid}/name`)).toBe('web 1');
  expect(all.get(`/vm/${uuid}/uuid`)).toBe(uuid);
  expect(all.get(`/vm/${uuid}/domains/${domid}`)).toBe(`/local/domain/${domid}`);
});

const READ_ONLY = (domid: number) => [
  { domid: 0, access: 'n' },
  { domid, access: 'r' },
];

it('the guest reads its own directory, owns the ones that it writes in, and sees nothing of the toolstack', async () => {
  const toolstack = await toolstackOn(machine([1024, 1024], 2));
  const uuid = '01234567-89ab-4def-8123-456789abcdef';
  await toolstack.add(vm('a', 1, 128, { uuid }));
  const domid = (await toolstack.start('a')).domid!;
  const { xs } = toolstack.doors;
  const path = `/local/domain/${domid}`;
  const permissions = async (at: string) => (await xs.getPermissions(at)).map((one) => ({ domid: one.domid, access: one.access }));
  for (const at of [path, `${path}/cpu`, `${path}/memory`, `/vm/${uuid}`]) expect(await permissions(at), at).toEqual(READ_ONLY(domid));
  for (const name of ['device', 'error', 'drivers', 'control', 'attr', 'data', 'messages', 'vm-data', 'hvmloader', 'rrd']) {
    expect(await permissions(`${path}/${name}`), name).toEqual([{ domid, access: 'n' }]);
  }
  for (const at of [`/xenops/domain/${domid}`, `/libxl/${domid}`]) expect(await permissions(at), at).toEqual([{ domid: 0, access: 'n' }]);
});

it('what an earlier domain of that id left behind goes before the new keys come', async () => {
  const toolstack = await toolstackOn(machine([1024, 1024], 2));
  const { xs, store } = toolstack.doors;
  const rubbish = ['/local/domain/1/data/old', '/xenops/domain/1/old', '/libxl/1/old'];
  for (const path of rubbish) await xs.write(path, 'x');
  await toolstack.add(vm('a', 1, 128));
  expect((await toolstack.start('a')).domid).toBe(1);
  const paths = store.list().map((key) => key.path);
  expect(paths).toContain('/local/domain/1/name');
  for (const path of rubbish) expect(paths).not.toContain(path);
});

it('the keys go with the domain, /vm/UUID with its last one', async () => {
  const toolstack = await toolstackOn(machine([1024, 1024], 2));
  const uuid = '01234567-89ab-4def-8123-456789abcdef';
  await toolstack.add(vm('a', 1, 128, { uuid }));
  const { xs, store } = toolstack.doors;
  const paths = () => store.list().map((key) => key.path);
  const before = paths();
  const { domid } = await toolstack.start('a');
  // Another domain of the VM, as a migration has it for a while.
  await xs.write(`/vm/${uuid}/domains/99`, '/local/domain/99');
  await toolstack.stop('a');
  expect(await xs.directory(`/vm/${uuid}/domains`)).toEqual(['99']);
  expect(await xs.isIntroduced(domid!)).toBe(false);
  await xs.rm(`/vm/${uuid}/domains/99`);
  await toolstack.start('a');
  await toolstack.stop('a');
  expect(paths()).toEqual(before);
});
