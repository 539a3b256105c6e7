// What an SR's driver needs in device_config, with the codes of storage drivers for what is missing
// (XE_SR_ERRORCODES.xml of sm).
import { afterAll, beforeAll, expect, it } from 'vitest';
import { failure, type TestDaemon, testDaemon } from '../../../test/support/daemon.js';
import type { WireStruct } from '../wire/values.js';

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await testDaemon();
});
afterAll(() => daemon.close());

const WHOLE = { device: '/dev/sdb', server: 'a', serverpath: '/b', target: 'c', targetIQN: 'd', SCSIid: 'e', location: 'f' };

it.each([
  ['ext', 'device', 90],
  ['lvm', 'device', 90],
  ['nfs', 'server', 102],
  ['nfs', 'serverpath', 101],
  ['lvmoiscsi', 'target', 95],
  ['lvmoiscsi', 'targetIQN', 96],
  ['lvmoiscsi', 'SCSIid', 107],
  ['iso', 'location', 220],
])('an SR of type %s needs %s', async (type, key, code) => {
  const { call, objects } = daemon;
  const create = (config: WireStruct) => call('SR.create', objects.host, config, 0, 'x', '', type, '', false, {});
  const count = ((await call('SR.get_all')) as string[]).length;
  const config = Object.fromEntries(Object.entries(WHOLE).filter(([name]) => name !== key));
  expect(await failure(create(config))).toEqual([`SR_BACKEND_FAILURE_${code}`, '', `device_config has no ${key}`, '']);
  expect(await call('SR.get_all')).toHaveLength(count);
  expect(await create(WHOLE)).toMatch(/^OpaqueRef:/);
});
