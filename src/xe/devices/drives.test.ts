// xe on the drives and cards of VMs, and on what VMs and hosts have now.
import { afterEach, expect, it } from 'vitest';
import { checkedXe, xeHost } from '../../../test/support/xe-host.js';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function start() {
  const host = await xeHost();
  ends.push(() => host.close());
  return checkedXe(host);
}

it('CDs are put in, listed, taken out and removed by their name', async () => {
  const { xe, fails } = await start();
  expect(await xe('cd-list', 'params=name-label', '--minimal')).toBe('guest-tools.iso');
  expect(await fails('vm-cd-insert', 'vm=db', 'cd-name=guest-tools.iso')).toMatch(/^The VM has no empty CD drive\.\nvm: /);
  const drive = await xe('vbd-create', 'vm-uuid=<db>', 'device=3', 'type=CD', 'mode=RO');
  expect(await fails('vm-cd-insert', 'vm=db', 'cd-name=none')).toBe('Error: CD none not found');
  await xe('vm-cd-insert', 'vm=db', 'cd-name=guest-tools.iso');
  const listed = await xe('vm-cd-list', 'vm=db');
  expect(listed).toMatch(
    /^CD 0 VBD:\nuuid \( RO\) +: [\s\S]*empty \( RO\) *: false\n[\s\S]*CD 0 VDI:\n[\s\S]*name-label \( RW\) *: guest-tools\.iso\n/,
  );
  expect(listed).toContain(drive);
  await xe('vm-cd-eject', 'vm=db');
  expect(await xe('vbd-param-get', `uuid=${drive}`, 'param-name=empty')).toBe('true');
  await xe('vm-cd-remove', 'vm=db', 'cd-name=<EMPTY>');
  expect(await fails('vm-cd-eject', 'vm=db')).toBe('Error: No CDs found');
});

it('disks of a VM and of its snapshot are listed, and go with what they belong to', async () => {
  const { xe, fails } = await start();
  await xe('vm-disk-add', 'vm=db', 'device=0', 'disk-size=1GiB');
  const snapshot = await xe('vm-snapshot', 'vm=db', 'new-name-label=s');
  expect(await xe('snapshot-disk-list', `uuid=${snapshot}`, 'vdi-params=virtual-size')).toMatch(/virtual-size \( RO\) *: 1073741824/);
  expect(await xe('vm-disk-list', 'vm=db', 'vbd-params=userdevice', 'vdi-params=name-label')).toMatch(
    /^Disk 0 VBD:\nuserdevice \( RW\) *: 0\n+Disk 0 VDI:\nname-label \( RW\) *: Created by xe$/,
  );
  expect(await fails('snapshot-uninstall', `uuid=${snapshot}`)).toContain('--force');
  await xe('snapshot-uninstall', `snapshot-uuid=${snapshot}`, '--force');
  expect(await xe('vdi-list', 'is-a-snapshot=true', '--minimal')).toBe('');
  await xe('vm-disk-remove', 'vm=db', 'device=0');
  expect(await xe('vdi-list', 'name-label=Created by xe', '--minimal')).toBe('');
  expect(await fails('vm-disk-remove', 'vm=db', 'device=0')).toBe('Error: Disk not found');
  await xe('vif-create', 'vm-uuid=<db>', `network-uuid=${await xe('network-list', 'bridge=xenbr1', '--minimal')}`, 'device=0');
  expect(await xe('vm-vif-list', 'vm=db', 'params=network-name-label')).toMatch(/ *: Pool-wide network associated with eth1$/);
});

it('memory, plugins and hosts', async () => {
  const { xe, fails } = await start();
  const host = await xe('host-list', '--minimal');
  expect(Number(await xe('vm-compute-maximum-memory', 'vm=db', 'total=8GiB')) % 2 ** 20).toBe(0);
  expect(Number(await xe('vm-compute-memory-overhead', 'vm=db'))).toBeGreaterThan(0);
  expect(await fails('host-call-plugin', `host-uuid=${host}`, 'plugin=raid.py', 'fn=check', 'args:a=b')).toBe(
    'The host has no such plugin.\nname: raid.py',
  );
  await xe('vm-copy-bios-strings', 'vm=db', `host-uuid=${host}`);
  expect(await fails('vm-copy-bios-strings', 'vm=db', `host-uuid=${host}`)).toBe('The BIOS strings of the VM are set already.');
  await xe('host-set-hostname-live', `host-uuid=${host}`, 'host-name=xcp-9');
  expect(await xe('host-param-get', `uuid=${host}`, 'param-name=hostname')).toBe('xcp-9');
  expect(await fails('host-forget', `uuid=${host}`, '--force')).toMatch(/^The host is up\.\nhost: /);
  expect(await fails('host-forget', `uuid=${host}`)).toContain('--force');
  await xe('pool-sync-database');
});
