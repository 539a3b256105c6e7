// pool.join: the checks of the joining host, in xapi's order (pre_join_checks of xapi_pool.ml).
import { afterEach, expect, it } from 'vitest';
import { failure, testDaemon, vmRecord } from '../../../../test/support/daemon.js';
import type { Wire } from '../../wire/values.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

it('pool.join tells what keeps the host from joining any pool, and that the daemon joins none', async () => {
  const daemon = await testDaemon();
  ends.push(() => daemon.close());
  const { call, objects } = daemon;
  const join = (address = 'elsewhere') => failure(call('pool.join', address, 'root', ''));
  expect(await join('127.0.0.1')).toEqual(['OPERATION_NOT_ALLOWED', 'Host cannot become slave of itself']);
  expect(await join()).toEqual(['NOT_IMPLEMENTED', 'pool.join']);
  const [, eth1] = (await call('host.get_PIFs', objects.host)) as string[];
  const network = (await call('network.create', { name_label: 'n' })) as string;
  const obstacles: (readonly [code: string, make: () => Promise<unknown>, undo: (made: Wire) => Promise<unknown>])[] = [
    ['POOL_JOINING_HOST_HAS_NON_MANAGEMENT_VLANS', () => call('VLAN.create', eth1!, 3, network), (vlan) => call('VLAN.destroy', vlan)],
    ['POOL_JOINING_HOST_HAS_BONDS', () => call('Bond.create', network, [eth1!], '', 'lacp', {}), (bond) => call('Bond.destroy', bond)],
    [
      'JOINING_HOST_CANNOT_CONTAIN_SHARED_SRS',
      () => call('SR.create', objects.host, { server: 'a', serverpath: '/b' }, 0, 's', '', 'nfs', '', true, {}),
      (sr) => call('SR.forget', sr).catch(() => {}),
    ],
  ];
  for (const [code, make, undo] of obstacles) {
    const made = (await make()) as Wire;
    expect(await join()).toEqual([code]);
    await undo(made);
  }
  const vm = (await call('VM.create', vmRecord('vm'))) as string;
  await call('VM.start', vm, false, false);
  expect(await join(), 'before what is looked at later').toEqual(['JOINING_HOST_CANNOT_HAVE_RUNNING_VMS']);
});
