// The commands on appliances and groups against a daemon, as a user types them.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkedXe, type XeHost, xeHost } from '../../../test/support/xe-host.js';

let host: XeHost;
let out: ReturnType<typeof checkedXe>['xe'];
beforeAll(async () => {
  host = await xeHost();
  out = checkedXe(host).xe;
});
afterAll(() => host.close());

it('an appliance is made, filled, started and shut down', async () => {
  const app = await out('appliance-create', 'name-label=app');
  await out('vm-param-set', 'uuid=<db>', `appliance=${app}`, 'order=1');
  expect(await out('appliance-list', 'params=name-label,VMs', '--minimal')).toBe('app');
  expect(await out('appliance-param-get', `uuid=${app}`, 'param-name=VMs')).toBe(host.uuids.db);
  await out('appliance-start', `uuid=${app}`);
  expect(await out('vm-param-get', 'uuid=<db>', 'param-name=power-state')).toBe('running');
  expect(await host.xe('appliance-start', `uuid=${app}`)).toMatchObject({ code: 1, err: expect.stringContaining('no halted VMs') });
  await out('appliance-shutdown', `uuid=${app}`, 'force=true');
  expect(await out('vm-param-get', 'uuid=<db>', 'param-name=power-state')).toBe('halted');
  await out('appliance-destroy', `uuid=${app}`);
  expect(await out('vm-param-get', 'uuid=<db>', 'param-name=appliance')).toBe('<not in database>');
});

it('a group is made, VMs enter and leave it', async () => {
  const group = await out('vm-group-create', 'name-label=apart', 'placement=anti_affinity');
  await out('vm-param-set', 'uuid=<db>', `groups=${group}`);
  expect(await out('vm-group-list', `uuid=${group}`, 'params=placement,vm-uuids')).toMatch(
    new RegExp(`placement \\( RO\\) *: anti_affinity\\s+vm-uuids \\( RO\\): ${host.uuids.db}`),
  );
  await out('vm-param-set', 'uuid=<db>', 'groups=');
  expect(await out('vm-param-get', 'uuid=<db>', 'param-name=groups')).toBe('');
  await out('vm-group-destroy', `uuid=${group}`);
  expect(await out('vm-group-list', '--minimal')).toBe('');
  expect((await host.xe('vm-group-create', 'name-label=x', 'placement=far')).code).toBe(1);
});
