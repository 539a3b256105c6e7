// Settings of hosts, and hosts that are down and do not come back (xapi_host.ml of xen-api
// e2ee48d6).
import { afterEach, expect, it } from 'vitest';
import { failure, smallHost, testDaemon } from '../../../../test/support/daemon.js';
import { embeddedHost } from '../../../xenopsd/hosts/embedded-host.js';
import { DATAMODEL } from '../../model/datamodel.js';
import { CLASSES, EMPTY_CLASSES } from '../../model/schema.js';
import type { Wire, WireStruct } from '../../wire/values.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function two() {
  const daemon = await testDaemon({ others: [await embeddedHost({ ...smallHost(), name: 'b' }, { profile: 'xapi-25.6' })] });
  ends.push(() => daemon.close());
  const refused = (method: string, ...params: Wire[]) => failure(daemon.call(method, ...params));
  const [a, b] = daemon.hosts.all.map(({ ref }) => ref) as [string, string];
  return { ...daemon, refused, a, b };
}

it('each field that the data model lets clients write has its setter, in every class with objects', async () => {
  const daemon = await testDaemon();
  ends.push(() => daemon.close());
  const list = { method: 'system.listMethods', params: [] };
  const names = new Set((await daemon.dispatcher.call(list, '', new AbortController().signal)) as string[]);
  const served = [...DATAMODEL.values()].filter(({ name }) => CLASSES.has(name) && !EMPTY_CLASSES.includes(name));
  const missing = served.flatMap(({ name, fields, messages }) =>
    Object.entries(fields).flatMap(([field, { access }]) => {
      const setter = `set_${field}`;
      return access === 'rw' && messages.has(setter) && !names.has(`${name}.${setter}`) ? [`${name}.${setter}`] : [];
    }),
  );
  expect(missing).toEqual([]);
});

it('the management interface moves to a PIF with an address, and is where clients are told that it is', async () => {
  const { call, refused, a } = await two();
  const [eth0, eth1, eth2] = (await call('host.get_PIFs', a)) as [string, string, string];
  expect(await call('host.get_management_interface', a)).toBe(eth0);
  expect(await refused('host.management_reconfigure', eth1)).toEqual(['PIF_HAS_NO_NETWORK_CONFIGURATION', eth1]);
  await call('PIF.reconfigure_ip', eth1, 'DHCP', '', '', '', '');
  await call('host.management_reconfigure', eth1);
  expect([await call('host.get_management_interface', a), await call('PIF.get_management', eth0)]).toEqual([eth1, false]);
  const network = (await call('network.create', { name_label: 'n' })) as string;
  await call('Bond.create', network, [eth2], '', 'lacp', {});
  expect(await refused('host.management_reconfigure', eth2)).toEqual(['CANNOT_PLUG_BOND_SLAVE', eth2]);
});

it('names, iSCSI and multipathing are set with their keys in other_config', async () => {
  const { call, refused, a } = await two();
  expect(await refused('host.set_hostname_live', a, '-x')).toEqual(['HOST_NAME_INVALID', 'hostname contains invalid characters']);
  expect(await refused('host.set_hostname_live', a, 'x'.repeat(256))).toEqual(['HOST_NAME_INVALID', 'hostname is too long']);
  await call('host.set_hostname_live', a, 'x'.repeat(255));
  expect(await refused('host.set_iscsi_iqn', a, '')).toEqual(['INVALID_VALUE', 'value', '']);
  await call('host.set_iscsi_iqn', a, 'iqn.2026-11.example:a');
  await call('host.set_multipathing', a, true);
  expect(await call('host.get_record', a)).toMatchObject({
    ...{ hostname: 'x'.repeat(255), iscsi_iqn: 'iqn.2026-11.example:a', multipathing: true },
    other_config: { iscsi_iqn: 'iqn.2026-11.example:a', multipathing: 'true' },
  });
  expect(await refused('host.call_plugin', a, 'raid.py', 'check', {})).toEqual(['XENAPI_MISSING_PLUGIN', 'raid.py']);
});

it('a host that is down is declared dead and destroyed; one that is up, or the coordinator, is not', async () => {
  const { call, refused, a, b } = await two();
  expect(await refused('host.destroy', b)).toEqual(['HOST_IS_LIVE', b]);
  await call('host.disable', b);
  await call('host.shutdown', b);
  expect(await refused('host.declare_dead', a)).toEqual(['HOST_IS_LIVE', a]);
  await call('host.declare_dead', b);
  await call('host.destroy', b);
  expect(await call('host.get_all')).toEqual([a]);
  const pifs = Object.values((await call('PIF.get_all_records')) as Record<string, WireStruct>);
  expect(pifs.every(({ host }) => host === a)).toBe(true);
});
