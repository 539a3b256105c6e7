// What an SR can be asked beside its disks (xapi_sr.ml, xha_statefile.ml and xapi_vdi.ml of xen-api
// e2ee48d6; the drivers of sm).
import { afterAll, beforeAll, expect, it } from 'vitest';
import { failure, type TestDaemon, testDaemon } from '../../../../test/support/daemon.js';
import { MIB } from '../../../base/units.js';
import type { Wire } from '../../wire/values.js';

let daemon: TestDaemon;
let host: string;
beforeAll(async () => {
  daemon = await testDaemon();
  ({ host } = daemon.objects);
});
afterAll(() => daemon.close());
const refused = (method: string, ...params: Wire[]) => failure(daemon.call(method, ...params));
const ref = async (method: string, ...params: Wire[]) => String(await daemon.call(method, ...params));
const sr = (type: string, config: Readonly<Record<string, string>>, bytes = 0) =>
  ref('SR.create', host, config, bytes, `a <${type}>`, '', type, 'user', type === 'nfs', {});

it('probe finds the SRs that use a storage, and what a missing key may be, in the XML of the drivers', async () => {
  const nfs = await sr('nfs', { server: '10.0.0.9', serverpath: '/a&b' });
  const uuid = await ref('SR.get_uuid', nfs);
  const probe = (config: Readonly<Record<string, string>>, type = 'nfs') => refused('SR.probe', host, config, type, {});
  const found = (await daemon.call('SR.probe', host, { server: '10.0.0.9', serverpath: '/a&b' }, 'NFS', {})) as string;
  expect(found).toContain(`<UUID>${uuid}</UUID>`);
  expect(found).toContain('a &lt;nfs&gt;');
  expect(await daemon.call('SR.probe', host, { server: '10.0.0.9', serverpath: '/c' }, 'nfs', {})).not.toContain('<SR>');
  expect(await probe({})).toEqual(['SR_BACKEND_FAILURE_102', '', expect.stringContaining('server') as unknown, '']);
  const [code, , , exports] = await probe({ server: '10.0.0.9' });
  expect([code, exports]).toEqual([
    'SR_BACKEND_FAILURE_101',
    expect.stringMatching(/<nfs-exports>[\s\S]*<Path>\/a&amp;b<\/Path>/) as unknown,
  ]);
  await sr('lvmoiscsi', { target: '10.0.0.8', targetIQN: 'iqn.a', SCSIid: '36' });
  expect((await probe({ target: '10.0.0.8' }, 'lvmoiscsi'))[3]).toMatch(/<iscsi-target-iqns>[\s\S]*<TargetIQN>iqn\.a<\/TargetIQN>/);
  expect((await probe({ target: '10.0.0.8', targetIQN: 'iqn.a' }, 'lvmoiscsi'))[3]).toMatch(/<iscsi-target>[\s\S]*<SCSIid>36<\/SCSIid>/);
  expect((await probe({ target: '10.0.0.7' }, 'lvmoiscsi'))[3]).not.toContain('TGT');
  expect(await probe({}, 'zfs')).toEqual(['SR_UNKNOWN_DRIVER', 'zfs']);
  // Only drivers of a later interface answer it.
  expect(await refused('SR.probe_ext', host, { server: '10.0.0.9', serverpath: '/c' }, 'nfs', {})).toEqual(['SR_OPERATION_NOT_SUPPORTED']);
});

it('high availability needs storage of all hosts with room, and other hosts', async () => {
  const [shared, small] = [await sr('nfs', { server: 'a', serverpath: '/x' }), await sr('lvm', { device: '/dev/sdb' }, 100 * MIB)];
  const check = (one: string) => refused('SR.assert_can_host_ha_statefile', one);
  expect(await check(shared)).toEqual(['success']);
  expect(await check(small)).toEqual(['SR_SOURCE_SPACE_INSUFFICIENT', small]);
  const iso = await sr('iso', { location: '/iso' });
  expect(await check(iso)).toEqual(['SR_OPERATION_NOT_SUPPORTED', iso]);
  const [pbd] = (await daemon.call('SR.get_PBDs', shared)) as string[];
  await daemon.call('PBD.unplug', pbd!);
  expect(await check(shared)).toEqual(['SR_HAS_NO_PBDS', shared]);
  expect(await refused('pool.enable_ha', [shared], {})).toEqual(['SR_HAS_NO_PBDS', shared]);
  expect(await refused('pool.enable_ha', [iso], {})).toEqual(['SR_OPERATION_NOT_SUPPORTED', iso]);
  expect(await refused('pool.enable_ha', [], {})).toEqual(['NOT_IMPLEMENTED', 'pool.enable_ha']);
  expect(await refused('SR.assert_supports_database_replication', shared)).toEqual(['SR_HAS_NO_PBDS', shared]);
  expect(await refused('SR.assert_supports_database_replication', small)).toEqual(['SR_OPERATION_NOT_SUPPORTED', small]);
});

it('an SR has no data sources, and a disk no server of its blocks and no database', async () => {
  const one = await sr('ext', { device: '/dev/sdc' });
  const uuid = await ref('SR.get_uuid', one);
  expect(await daemon.call('SR.get_data_sources', one)).toEqual([]);
  expect(await refused('SR.query_data_source', one, 'x')).toEqual(['INTERNAL_ERROR', `Datasource_missing(SR: ${uuid})`]);
  const vdi = await ref('VDI.create', {
    name_label: 'd',
    SR: one,
    virtual_size: MIB,
    type: 'user',
    sharable: false,
    read_only: false,
    other_config: {},
  });
  expect(await daemon.call('VDI.get_nbd_info', vdi)).toEqual([]);
  expect(await refused('VDI.open_database', vdi)).toEqual(['VDI_INCOMPATIBLE_TYPE', vdi, 'user']);
  expect(await daemon.call('VDI.read_database_pool_uuid', vdi)).toBe('');
  expect((await refused('SR.make', host, {}, 0, '', '', 'ext', '', {}))[0]).toBe('MESSAGE_DEPRECATED');
});
