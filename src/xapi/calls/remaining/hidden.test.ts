// Messages that xapi hides from its documentation (ocaml/idl, session_check.ml, sm.ml,
// xapi_session.ml of xen-api e2ee48d6).
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cheapUser } from '../../../../test/support/cheap-user.js';
import { failure, type TestDaemon, testDaemon, vmRecord } from '../../../../test/support/daemon.js';
import { MIB } from '../../../base/units.js';
import type { Wire } from '../../wire/values.js';
import { parseUsers } from '../users.js';

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await testDaemon();
});
afterAll(() => daemon.close());
const refused = (method: string, ...params: Wire[]) => failure(daemon.call(method, ...params));
const raw = (method: string, ...params: Wire[]) => daemon.dispatcher.call({ method, params }, '127.0.0.1', new AbortController().signal);

it.each<readonly [string, readonly Wire[]]>([
  ['host.ha_disarm_fencing', ['OpaqueRef:x']],
  ['host.attach_static_vdis', [1, {}]],
  ['host.signal_networking_change', []],
  ['host.preconfigure_ha', ['a', [], 'b', 'c']],
  ['VM.atomic_set_resident_on', ['a', 'b']],
  ['Cluster.cstack_sync', ['a']],
])('%s is for hosts, and refused whatever its parameters are', async (method, params) => {
  const internal = `Internal API "${method}" call attempted with non-pool (external) session`;
  expect(await refused(method, ...params)).toEqual(['INTERNAL_ERROR', internal]);
  expect(await refused(method, ...params, 'more')).toEqual([
    'MESSAGE_PARAMETER_COUNT_MISMATCH',
    method,
    String(params.length),
    String(params.length + 1),
  ]);
  expect(await failure(raw(method, 'OpaqueRef:none', ...params))).toEqual(['SESSION_INVALID', 'OpaqueRef:none']);
});

it('no host logs in by the secret of the pool', async () => {
  const reason = 'Pool credentials invalid';
  for (const name of ['session.slave_login', 'session_slave_login']) {
    expect(await failure(raw(name, daemon.objects.host, 'secret'))).toEqual(['SESSION_AUTHENTICATION_FAILED', daemon.objects.host, reason]);
  }
  expect(await failure(raw('session.slave_local_login', 'secret'))).toEqual(['SESSION_AUTHENTICATION_FAILED', 'localhost', reason]);
});

it('what drivers find out is set by them alone', async () => {
  const sr = String(await daemon.call('pool.get_default_SR', daemon.objects.pool));
  const disk = { name_label: 'd', SR: sr, virtual_size: MIB, type: 'user', sharable: false, read_only: false, other_config: {} };
  const vdi = String(await daemon.call('VDI.create', disk));
  for (const [method, value] of [
    ['VDI.set_virtual_size', 1],
    ['VDI.set_cbt_enabled', true],
    ['VDI.set_snapshot_of', vdi],
  ] as const) {
    expect([method, await refused(method, vdi, value)]).toEqual([method, ['PERMISSION_DENIED', '']]);
  }
  expect(await refused('SR.set_physical_utilisation', sr, 1)).toEqual(['PERMISSION_DENIED', '']);
  expect(await refused('VDI.set_managed', 'OpaqueRef:x', true)).toEqual(['HANDLE_INVALID', 'VDI', 'OpaqueRef:x']);
  const users = parseUsers([cheapUser('root', 'admin', 'a'), cheapUser('ann', 'admin', 'b')].join('\n'), 'users');
  const other = await testDaemon({ users: () => users });
  const call = (method: string, ...params: Wire[]) => other.dispatcher.call({ method, params }, '127.0.0.1', new AbortController().signal);
  const session = await call('session.login_with_password', 'ann', 'b');
  expect((await failure(call('VDI.set_managed', session, vdi, true)))[0]).toBe('RBAC_PERMISSION_DENIED');
  await other.close();
});

it('a TPM has stored nothing, and its backup is restored', async () => {
  const vm = String(await daemon.call('VM.create', vmRecord('t')));
  const vtpm = String(await daemon.call('VTPM.create', vm, false));
  expect(await daemon.call('VTPM.get_contents', vtpm)).toBe('');
  expect(await daemon.call('VTPM.set_contents', vtpm, '')).toBe('');
  expect(await refused('VTPM.set_contents', vtpm, 'QUJD')).toEqual(['NOT_IMPLEMENTED', 'VTPM.set_contents']);
  expect((await refused('VTPM.set_contents', vtpm, '?'))[0]).toBe('INTERNAL_ERROR');
});

it('those with a meaning are served', async () => {
  const { host, pool } = daemon.objects;
  const sr = String(await daemon.call('pool.get_default_SR', pool));
  expect(await daemon.call('SR.get_live_hosts', sr)).toEqual([host]);
  expect(await daemon.call('pool.is_slave', host)).toBe(false);
  const vm = String(await daemon.call('VM.create', vmRecord('v')));
  for (const method of ['network.attach_for_vm', 'network.detach_for_vm']) expect(await daemon.call(method, host, vm)).toBe('');
  const [network] = (await daemon.call('network.get_all')) as string[];
  expect(await daemon.call('network.attach', network!, host)).toBe('');
  await daemon.call('host.disable', host);
  expect(await daemon.call('SR.get_live_hosts', sr)).toEqual([]);
  await daemon.call('host.enable', host);
});
