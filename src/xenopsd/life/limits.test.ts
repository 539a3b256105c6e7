// At the limits of the project: 8,192 vCPUs, 64 nodes and 4,096 pCPUs; and just past what the real
// systems take.
import { expect, it } from 'vitest';
import { machine, toolstackOn, vm } from '../../../test/support/toolstack.js';

it('a PV guest with 8,192 vCPUs is built, each with its keys and its affinity', async () => {
  // The memory that is looked for counts a shadow of 256 pages a vCPU, for PV as well.
  const toolstack = await toolstackOn(machine([8192, 8192], 4));
  await toolstack.add(vm('a', 8192, 512, { kind: 'pv', vcpusParams: { mask: '1;2' } }));
  const outcome = await toolstack.start('a');
  expect(outcome.failure).toBeNull();
  expect(toolstack.doors.xc.vcpuGetAffinity(outcome.domid!, 8191).hard).toEqual([1]);
  await toolstack.stop('a');
  expect(toolstack.doors.xc.domainList()).toHaveLength(1);
}, 60_000);

it('one vCPU more is an error of the host, not of ours', async () => {
  const toolstack = await toolstackOn(machine([4096], 4));
  await toolstack.add(vm('pv', 8193, 512, { kind: 'pv' }));
  await toolstack.add(vm('hvm', 129, 512));
  expect((await toolstack.start('pv')).failure).toMatchObject({ step: 'VM.create', errno: 'EINVAL' });
  expect((await toolstack.start('hvm')).failure).toMatchObject({ step: 'VM.create', errno: 'EINVAL' });
});

it('64 nodes and 4,096 CPUs: placed; through XenStore only where the value fits', async () => {
  const big = () => machine(Array(64).fill(2048), 64);
  const placed = await toolstackOn(big(), { profile: 'xapi-26.3' });
  await placed.add(vm('a', 4, 512, { kind: 'pv' }));
  const outcome = await placed.start('a');
  expect(outcome.failure).toBeNull();
  expect(placed.doors.xc.domainNodeGetAffinity(outcome.domid!)).toEqual([0]);
  // 25.6 writes one character a CPU, and oxenstored takes no value over 2,048 bytes.
  const chart = await toolstackOn(big());
  await chart.add(vm('a', 4, 512, { kind: 'pv' }));
  const { failure } = await chart.start('a');
  expect(failure).toMatchObject({ step: 'VM.create', errno: 'E2BIG' });
  expect(chart.doors.xc.domainList()).toHaveLength(1);
}, 60_000);
