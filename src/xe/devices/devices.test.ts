// xe on storage, networks and templates: the commands of scripts, and their output.
import { afterEach, describe, expect, it } from 'vitest';
import { checkedXe, type XeHost, xeHost } from '../../../test/support/xe-host.js';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function start(): Promise<{
  host: XeHost;
  xe: (...words: string[]) => Promise<string>;
  fails: (...words: string[]) => Promise<string>;
}> {
  const host = await xeHost();
  ends.push(() => host.close());
  return { host, ...checkedXe(host) };
}

describe('vm-install', () => {
  it('makes a VM of a template with its disks on the default SR, and vm-uninstall takes them away', async () => {
    const { xe, fails } = await start();
    const vm = await xe('vm-install', 'template=Debian Bookworm 12', 'new-name-label=new');
    expect(vm).toMatch(/^[0-9a-f-]{36}$/);
    expect(await xe('vm-param-get', `uuid=${vm}`, 'param-name=name-label')).toBe('new');
    const sr = await xe('pool-list', 'params=default-SR', '--minimal');
    const vdi = await xe('vdi-list', `sr-uuid=${sr}`, '--minimal');
    expect(await xe('vdi-param-get', `uuid=${vdi}`, 'param-name=virtual-size')).toBe(String(10 * 2 ** 30));
    expect(await xe('vbd-list', `vm-uuid=${vm}`, 'params=vdi-uuid', '--minimal')).toBe(vdi);
    await xe('vm-start', `uuid=${vm}`);
    expect(await fails('vm-uninstall', `uuid=${vm}`)).toContain('--force');
    expect(await xe('vm-uninstall', `uuid=${vm}`, '--force')).toBe('All objects destroyed');
    expect(await xe('vdi-list', `sr-uuid=${sr}`, '--minimal')).toBe('');
    expect(await xe('vm-list', 'name-label=new', '--minimal')).toBe('');
  });

  it('takes a uuid, another SR, and says what does not fit', async () => {
    const { xe, fails } = await start();
    const template = await xe('template-list', 'name-label=Rocky Linux 9', '--minimal');
    const sr = await xe(
      'sr-create',
      'name-label=other',
      'type=nfs',
      'shared=true',
      'device-config:server=a',
      'device-config:serverpath=/b',
      'content-type=user',
    );
    const vm = await xe('vm-install', `template-uuid=${template}`, 'new-name-label=new', 'sr-name-label=other');
    expect(await xe('vdi-list', `sr-uuid=${sr}`, 'params=vbd-uuids', '--minimal')).toBe(await xe('vbd-list', `vm-uuid=${vm}`, '--minimal'));
    expect(await fails('vm-install', 'template=none', 'new-name-label=x')).toBe('Error: No templates matched');
    expect(await fails('vm-install', 'new-name-label=x')).toMatch(/^Error: Template must be specified/);
    expect(await fails('vm-install', 'template=<web>', 'new-name-label=x')).toBe('Error: Can only install from templates');
    expect(await fails('vm-install', `template=${template}`, 'new-name-label=x', 'sr-name-label=none')).toBe(
      'Error: No SR with that name-label found',
    );
    expect(await fails('sr-create', 'name-label=x', 'type=zfs')).toBe('There is no storage driver of this type.\ndriver: zfs');
  });
});

describe('disks and cards', () => {
  it('are made, attached to a VM that runs, moved and destroyed', async () => {
    const { xe, fails } = await start();
    const sr = await xe('sr-list', 'type=ext', '--minimal');
    const vdi = await xe('vdi-create', `sr-uuid=${sr}`, 'name-label=d', 'virtual-size=1GiB');
    const vbd = await xe('vbd-create', 'vm-uuid=<web>', `vdi-uuid=${vdi}`, 'device=autodetect', 'mode=rw');
    await xe('vbd-plug', `uuid=${vbd}`);
    expect(await xe('vbd-param-get', `uuid=${vbd}`, 'param-name=currently-attached')).toBe('true');
    expect(await fails('vdi-destroy', `uuid=${vdi}`)).toMatch(/^The disk is in use\.\nvdi: .*\noperation: destroy/);
    await xe('vbd-unplug', `uuid=${vbd}`);
    await xe('vbd-destroy', `uuid=${vbd}`);
    await xe('vdi-resize', `uuid=${vdi}`, 'disk-size=2GiB');
    const copy = await xe('vdi-copy', `uuid=${vdi}`, `sr-uuid=${sr}`);
    expect(await xe('vdi-param-get', `uuid=${copy}`, 'param-name=virtual-size')).toBe(String(2 ** 31));
    await xe('vdi-snapshot', `uuid=${vdi}`);
    await xe('vdi-param-set', `uuid=${vdi}`, 'name-label=renamed');
    expect(await xe('vdi-list', 'name-label=renamed', '--minimal')).toBe(vdi);
    await xe('vm-disk-add', 'vm=db', 'device=0', 'disk-size=1GiB');
    await xe('vm-cd-add', 'vm=db', 'device=3', 'cd-name=guest-tools.iso');
    expect(await xe('vbd-list', 'vm-name-label=db', 'params=type', '--minimal')).toBe('Disk,CD');

    const network = await xe('network-create', 'name-label=n', 'MTU=9000');
    const vif = await xe('vif-create', 'vm-uuid=<db>', `network-uuid=${network}`, 'device=0');
    expect(await xe('vif-param-get', `uuid=${vif}`, 'param-name=MTU')).toBe('9000');
    const eth0 = await xe('network-list', 'bridge=xenbr0', '--minimal');
    await xe('vif-move', `uuid=${vif}`, `network-uuid=${eth0}`);
    await xe('network-destroy', `uuid=${network}`);
    expect(await xe('vif-list', 'vm-uuid=<db>', 'params=network-name-label', '--minimal')).toBe('Pool-wide network associated with eth0');
    expect(await xe('pif-list', 'params=device', '--minimal')).toBe('eth0,eth1,eth2');
    expect(await xe('console-list', 'vm-uuid=<web>', 'params=protocol', '--minimal')).toBe('rfb');
    const pbd = await xe('pbd-list', `sr-uuid=${sr}`, '--minimal');
    expect(await xe('pbd-param-get', `uuid=${pbd}`, 'param-name=currently-attached')).toBe('true');
  });

  it('sr-list shows the host of a local SR and that others are shared', async () => {
    const { xe } = await start();
    expect((await xe('sr-list', 'params=host', '--minimal')).split(',')).toContain('<shared>');
    expect(await xe('sr-list', 'type=ext', 'params=host', '--minimal')).toBe(await xe('host-list', 'params=name-label', '--minimal'));
  });
});

describe('VLANs and bonds', () => {
  it('vlan-create prints the PIF, and vlan-destroy takes the uuid of the VLAN or of the PIF', async () => {
    const { xe, fails } = await start();
    const eth1 = await xe('pif-list', 'device=eth1', '--minimal');
    const network = await xe('network-create', 'name-label=tagged');
    const pif = await xe('vlan-create', `pif-uuid=${eth1}`, 'vlan=42', `network-uuid=${network}`);
    expect(await xe('pif-list', 'VLAN=42', 'params=uuid', '--minimal')).toBe(pif);
    expect(await xe('vlan-list', `tagged-PIF=${eth1}`, 'params=untagged-PIF,tag')).toMatch(
      new RegExp(`untagged-PIF.*: ${pif}\\n +tag .*: 42$`),
    );
    const vlan = await xe('vlan-list', '--minimal');
    expect(await fails('vlan-create', `pif-uuid=${eth1}`, 'vlan=x', `network-uuid=${network}`)).toBe(
      "Error: Failed to parse parameter 'vlan': expecting an integer",
    );
    expect(await fails('vlan-destroy', 'uuid=none')).toBe('The uuid you supplied was invalid.\ntype: VLAN\nuuid: none');
    await xe('vlan-destroy', `uuid=${pif}`);
    expect(await xe('vlan-list')).toBe('');
    expect(await xe('pool-vlan-create', `pif-uuid=${eth1}`, 'vlan=43', `network-uuid=${network}`)).toMatch(/^[0-9a-f-]{36}$/);
    await xe('vlan-destroy', `uuid=${await xe('vlan-list', '--minimal')}`);
    expect(await fails('vlan-param-get', `uuid=${vlan}`, 'param-name=tag')).toContain('The uuid you supplied was invalid.');
  });

  it('bond-create makes a PIF of several, with a mode and properties that can be changed', async () => {
    const { xe, fails } = await start();
    const [eth0, eth1, eth2] = await Promise.all([0, 1, 2].map((number) => xe('pif-list', `device=eth${number}`, '--minimal')));
    const network = await xe('network-create', 'name-label=bond');
    const bond = await xe('bond-create', `network-uuid=${network}`, `pif-uuids=${eth1},${eth2}`, 'mode=LACP', 'properties:lacp-time=fast');
    expect(await xe('bond-param-get', `uuid=${bond}`, 'param-name=slaves')).toBe(`${eth1}; ${eth2}`);
    expect(await xe('bond-param-get', `uuid=${bond}`, 'param-name=properties', 'param-key=lacp-time')).toBe('fast');
    await xe('bond-param-set', `uuid=${bond}`, 'properties:hashing_algorithm=src_mac');
    expect(await xe('bond-param-get', `uuid=${bond}`, 'param-name=properties', 'param-key=hashing_algorithm')).toBe('src_mac');
    expect(await xe('pif-list', `bond-slave-of=${bond}`, 'params=device', '--minimal')).toBe('eth1,eth2');
    expect(await fails('pif-plug', `uuid=${eth1}`)).toBe(`The network card belongs to a bond, which is plugged as a whole.\nPIF: ${eth1}`);
    expect(await fails('bond-create', `network-uuid=${network}`, `pif-uuids=${eth0}`, 'mode=x')).toBe('Error: Invalid bond mode. Got x');
    await xe('bond-set-mode', `uuid=${bond}`, 'mode=active-backup');
    expect(await xe('bond-param-get', `uuid=${bond}`, 'param-name=mode')).toBe('active-backup');
    await xe('bond-destroy', `uuid=${bond}`);
    expect([await xe('bond-list'), await xe('pif-list', 'params=device', '--minimal')]).toEqual(['', 'eth0,eth1,eth2']);
  });

  it('cards are configured, forgotten and introduced', async () => {
    const { xe, fails } = await start();
    const eth1 = await xe('pif-list', 'device=eth1', '--minimal');
    await xe('pif-reconfigure-ip', `uuid=${eth1}`, 'mode=static', 'ip=10.0.0.2', 'netmask=255.0.0.0', 'dns=10.0.0.1');
    expect(await xe('pif-param-get', `uuid=${eth1}`, 'param-name=IP')).toBe('10.0.0.2');
    expect(await fails('pif-reconfigure-ip', `uuid=${eth1}`, 'mode=manual')).toBe("Error: Expected 'dhcp','none' or 'static', got manual");
    expect(await fails('pif-reconfigure-ip', `uuid=${eth1}`, 'mode=static')).toBe('The address is not valid.\nparameter: IP');
    await xe('pif-param-set', `uuid=${eth1}`, 'properties:gro=off');
    expect(await xe('pif-param-get', `uuid=${eth1}`, 'param-name=properties')).toBe('gro: off');
    const tunnel = await xe('tunnel-create', `pif-uuid=${eth1}`, `network-uuid=${await xe('network-create', 'name-label=t')}`);
    expect(await xe('tunnel-list', 'params=access-PIF', '--minimal')).toBe(tunnel);
    await xe('tunnel-destroy', `uuid=${await xe('tunnel-list', '--minimal')}`);
    await xe('pif-forget', `uuid=${eth1}`);
    const host = await xe('host-list', '--minimal');
    const found = await xe('pif-introduce', `host-uuid=${host}`, 'device=eth1');
    expect(await xe('pif-list', 'device=eth1', '--minimal')).toBe(found);
    const vif = await xe(
      'vif-create',
      'vm-uuid=<db>',
      `network-uuid=${await xe('network-list', 'bridge=xenbr1', '--minimal')}`,
      'device=0',
    );
    await xe('vif-configure-ipv4', `uuid=${vif}`, 'mode=static', 'address=10.0.0.7/8');
    expect(await xe('vif-param-get', `uuid=${vif}`, 'param-name=ipv4-addresses')).toBe('10.0.0.7/8');
  });
});
