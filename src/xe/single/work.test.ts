// Commands of the tables that do something on a daemon, as a user types them.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkedXe, type XeHost, xeHost } from '../../../test/support/xe-host.js';

let host: XeHost;
let xe: ReturnType<typeof checkedXe>['xe'];
let fails: ReturnType<typeof checkedXe>['fails'];
beforeAll(async () => {
  host = await xeHost();
  ({ xe, fails } = checkedXe(host));
});
afterAll(() => host.close());

it('templates are cloned and copied, and copies go into an SR', async () => {
  const clone = await xe('vm-clone', 'vm=template', 'new-name-label=clone');
  expect(await xe('template-param-get', `uuid=${clone}`, 'param-name=name-label')).toBe('clone');
  const sr = await xe('sr-list', 'name-label=Local storage', '--minimal');
  const copy = await xe('vm-copy', 'vm=db', 'new-name-label=copy', `sr-uuid=${sr}`, 'new-name-description=in an SR');
  expect(await xe('vm-param-get', `uuid=${copy}`, 'param-name=name-description')).toBe('in an SR');
  expect(await fails('vm-copy', 'vm=db', 'new-name-label=x', 'sr-uuid=none')).toContain('type: SR');
});

it('a snapshot becomes a template; --force takes it to be halted', async () => {
  const snapshot = await xe('vm-snapshot', 'vm=db', 'new-name-label=before');
  for (const how of ['clone', 'copy']) {
    const made = await xe(`snapshot-${how}`, `uuid=${snapshot}`, `new-name-label=${how}`, 'new-name-description=of a snapshot');
    expect(await xe('template-param-get', `uuid=${made}`, 'param-name=name-description')).toBe('of a snapshot');
  }
  expect(await fails('snapshot-clone', 'uuid=<db>', 'new-name-label=x')).toContain('is not a snapshot');
  expect(await fails('snapshot-reset-powerstate', `uuid=${snapshot}`)).toContain('--force');
});

it('says whether a VM can start, and who uses a disk', async () => {
  const status = await xe('diagnostic-vm-status', 'uuid=<db>');
  expect(status).toMatch(/power-state \( RO\): halted/);
  expect(status).toContain(`possible-hosts ( RO): ${host.uuids.host!}`);
  expect(status).toMatch(/xcp-1\s+: OK\s+VM is agile\.$/);
  const disk = await xe(
    'vdi-create',
    `sr-uuid=${await xe('sr-list', 'name-label=Local storage', '--minimal')}`,
    'name-label=d',
    'virtual-size=1GiB',
  );
  expect(await xe('diagnostic-vdi-status', `uuid=${disk}`)).toMatch(/no active VBDs\.\nno inactive VBDs\.$/);
  await xe('vbd-create', 'vm-uuid=<db>', 'device=0', `vdi-uuid=${disk}`);
  expect(await xe('diagnostic-vdi-status', `uuid=${disk}`)).toMatch(/no active VBDs\.\ninactive VBDs:\nuuid/);
});

it('introduces storage that has data already', async () => {
  const uuid = '5a1c3c6e-8c3c-4f0e-8f2e-0d6f3a6b9d10';
  expect(await xe('sr-introduce', `uuid=${uuid}`, 'name-label=old', 'type=nfs', 'shared=true')).toBe(uuid);
  expect(await xe('sr-param-get', `uuid=${uuid}`, 'param-name=shared')).toBe('true');
});

it('tells what a host is like', async () => {
  expect(await xe('host-is-in-emergency-mode')).toBe('false');
  expect(await xe('host-ha-xapi-healthcheck')).toBe('xapi is healthy.');
  expect(await xe('pool-emergency-transition-to-master')).toContain('is the coordinator already');
  expect(await xe('role-list', 'name=pool-admin', 'params=name', '--minimal')).toBe('pool-admin');
  expect(await xe('subject-list', 'params=subject-identifier', '--minimal')).toContain('comma');
  expect(await xe('subject-param-list', `uuid=${(await xe('subject-list', '--minimal')).split(',')[0]!}`)).toMatch(/roles \(SRO\): \S/);
  expect(await xe('pgpu-list')).toBe('');
  expect(await fails('pgpu-param-list', 'uuid=none')).toContain('type: PGPU');
  expect(await fails('pgpu-param-set', 'uuid=none', 'gpu-group-uuid=x')).toContain('type: PGPU');
});

it('ca= is a parameter of commands, and --ca the certificates to trust', async () => {
  expect(await fails('pool-install-trusted-certificate', 'ca=true', 'filename=/nowhere/ca.pem')).toBe(
    "Error: Failed to read certificate '/nowhere/ca.pem'",
  );
});
