// Debian's own clients of XAPI, unchanged: fence_xenapi and Ansible's xenserver modules.
// scripts/test-clients.mjs unpacks them; without them these tests are skipped.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Wire, WireStruct } from '../../src/xapi/wire/values.js';
import { type TestDaemon, testDaemon, testFront, vmRecord } from '../support/daemon.js';

const FENCE = process.env.XENNUMA_CLIENT_FENCE;
const ANSIBLE = process.env.XENNUMA_CLIENT_ANSIBLE;
const SECONDS_120 = 120_000;

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

interface Serving {
  readonly daemon: TestDaemon;
  readonly url: string;
  readonly folder: string;
  record(type: string, ref: Wire): Promise<WireStruct>;
}

async function serving(): Promise<Serving> {
  const daemon = await testDaemon();
  const front = await testFront(daemon);
  const folder = mkdtempSync(join(tmpdir(), 'xennuma-clients-'));
  ends.push(
    () => rmSync(folder, { recursive: true }),
    () => daemon.close(),
    () => front.close(),
  );
  const record = async (type: string, ref: Wire) => (await daemon.call(`${type}.get_record`, ref)) as WireStruct;
  return { daemon, folder, url: `http://127.0.0.1:${front.port}`, record };
}

/** Debian's python3, with the packages that were unpacked. */
function python(args: readonly string[], folder: string): Promise<{ code: number | null; out: string; err: string }> {
  const roots = [FENCE, ANSIBLE].filter((root) => root !== undefined);
  const child = spawn('/usr/bin/python3', args, {
    cwd: folder,
    env: {
      PATH: '/usr/bin:/bin',
      HOME: folder,
      LC_ALL: 'C.UTF-8',
      PYTHONPATH: roots.flatMap((root) => [join(root, 'usr/lib/python3/dist-packages'), join(root, 'usr/share/fence')]).join(':'),
      LD_LIBRARY_PATH: roots.map((root) => join(root, 'usr/lib/x86_64-linux-gnu')).join(':'),
      ANSIBLE_COLLECTIONS_PATH: join(ANSIBLE ?? folder, 'usr/lib/python3/dist-packages'),
      ANSIBLE_LOCAL_TEMP: folder,
      ANSIBLE_REMOTE_TEMP: folder,
      ANSIBLE_NOCOLOR: '1',
    },
  });
  const [out, err]: [string[], string[]] = [[], []];
  child.stdout.on('data', (part: Buffer) => out.push(String(part)));
  child.stderr.on('data', (part: Buffer) => err.push(String(part)));
  return new Promise((done) => child.once('close', (code) => done({ code, out: out.join(''), err: err.join('') })));
}

describe.skipIf(FENCE === undefined)('fence_xenapi', () => {
  it('sees whether a VM runs, and takes its power', { timeout: SECONDS_120 }, async () => {
    const { daemon, url, folder } = await serving();
    const vm = await daemon.call('VM.create', vmRecord('web'));
    const agent = join(folder, 'fence_xenapi');
    writeFileSync(agent, readFileSync(join(FENCE!, 'usr/sbin/fence_xenapi')));
    const fence = async (action: string) => {
      const { code, out } = await python([agent, '--session-url', url, '-l', 'root', '-p', 'x', '-n', 'web', `--action=${action}`], folder);
      return [code, out.trim().split('\n').at(-1)];
    };
    expect(await fence('status'), 'off is exit code 2').toEqual([2, 'Status: OFF']);
    expect((await fence('on'))[0]).toBe(0);
    expect(await daemon.call('VM.get_power_state', vm)).toBe('Running');
    expect(await fence('status')).toEqual([0, 'Status: ON']);
    expect((await fence('off'))[0]).toBe(0);
    expect(await daemon.call('VM.get_power_state', vm)).toBe('Halted');
  });
});

/** As administrators script it: networks of a pool, and a VM that is moved between them. */
const NETWORKS_SCRIPT = `
import sys, XenAPI
session = XenAPI.Session(sys.argv[1])
session.login_with_password('root', 'x', '2.21', 'script')
x = session.xenapi
host = x.host.get_all()[0]
cards = {x.PIF.get_device(p): p for p in x.host.get_PIFs(host)}
make = lambda name: x.network.create({'name_label': name, 'name_description': '', 'other_config': {}})
[pif] = x.pool.create_VLAN_from_PIF(cards['eth1'], make('tagged'), '42')
print(x.PIF.get_device(pif), x.PIF.get_VLAN(pif), x.VLAN.get_record(x.PIF.get_VLAN_master_of(pif))['tag'])
try:
    x.VLAN.create(cards['eth1'], '42', make('again'))
except XenAPI.Failure as error:
    print(error.details)
bond = x.Bond.create(make('bond'), [cards['eth1'], cards['eth2']], '', 'lacp', {'lacp-time': 'fast'})
master = x.Bond.get_master(bond)
print(x.PIF.get_device(master), sorted(x.Bond.get_properties(bond).items())[-1], len(x.PIF.get_VLAN_slave_of(master)))
try:
    x.PIF.plug(cards['eth1'])
except XenAPI.Failure as error:
    print(error.details[0], error.details[1] == cards['eth1'])
x.Bond.destroy(bond)
print(x.Bond.get_all(), x.PIF.get_bond_slave_of(cards['eth1']))
task = x.Async.PIF.unplug(cards['eth2'])
while x.task.get_status(task) == 'pending': pass
print(x.task.get_status(task), x.PIF.get_currently_attached(cards['eth2']))
session.xenapi.session.logout()
`;

describe.skipIf(FENCE === undefined)('XenAPI.py', () => {
  it('makes VLANs and bonds, and gets the errors as xapi has them', { timeout: SECONDS_120 }, async () => {
    const { url, folder } = await serving();
    const script = join(folder, 'networks.py');
    writeFileSync(script, NETWORKS_SCRIPT);
    const { code, out, err } = await python([script, url], folder);
    expect([code, err, out.trim().split('\n')]).toEqual([
      0,
      '',
      [
        'eth1 42 42',
        "['PIF_VLAN_EXISTS', 'eth1']",
        "bond0 ('lacp-time', 'fast') 1",
        'CANNOT_PLUG_BOND_SLAVE True',
        '[] OpaqueRef:NULL',
        'success False',
      ],
    ]);
  });
});

describe.skipIf(ANSIBLE === undefined || FENCE === undefined)("Ansible's xenserver modules", () => {
  const run = async ({ url, folder }: Serving, module: string, args: object): Promise<Record<string, unknown>> => {
    const parameters = JSON.stringify({ hostname: url, username: 'root', password: 'x', validate_certs: false, ...args });
    const host = ['localhost', '-c', 'local', '-e', 'ansible_python_interpreter=/usr/bin/python3', '-o'];
    const { out, err } = await python(['-m', 'ansible', 'adhoc', ...host, '-m', `community.general.${module}`, '-a', parameters], folder);
    const found = /^localhost \| \w+!? => (\{.*\})$/m.exec(out);
    if (found === null) throw new Error(`${out}\n${err}`);
    return JSON.parse(found[1]!) as Record<string, unknown>;
  };

  it('xenserver_guest_powerstate and xenserver_guest_info', { timeout: SECONDS_120 }, async () => {
    const test = await serving();
    const vm = await test.daemon.call('VM.create', vmRecord('web'));
    expect(await run(test, 'xenserver_guest_powerstate', { name: 'web', state: 'powered-on' })).toMatchObject({ changed: true });
    expect(await test.daemon.call('VM.get_power_state', vm)).toBe('Running');
    const info = await run(test, 'xenserver_guest_info', { name: 'web' });
    expect(info).toMatchObject({
      changed: false,
      instance: { name: 'web', state: 'poweredon', hardware: { num_cpus: 2, memory_mb: 2048 } },
    });
    expect(await run(test, 'xenserver_guest_powerstate', { name: 'web', state: 'powered-off' })).toMatchObject({ changed: true });
    expect(await test.daemon.call('VM.get_power_state', vm)).toBe('Halted');
  });

  it('xenserver_guest makes a VM of a template with a disk, a CD and a network card, and destroys it', {
    timeout: SECONDS_120,
  }, async () => {
    const test = await serving();
    const { daemon, record } = test;
    const wanted = {
      name: 'new',
      template: 'Debian Bookworm 12',
      state: 'poweredon',
      disks: [
        { size_gb: 12, name_label: 'root' },
        { size_gb: 1, name_label: 'data' },
      ],
      networks: [{ name: 'Pool-wide network associated with eth0', mac: 'aa:bb:cc:00:11:22' }],
      cdrom: { type: 'iso', iso_name: 'guest-tools.iso' },
      hardware: { num_cpus: 2, memory_mb: 1024 },
    };
    const guest = await run(test, 'xenserver_guest', wanted);
    expect(guest.msg).toBeUndefined();
    expect(guest).toMatchObject({
      changed: true,
      instance: { name: 'new', state: 'poweredon', hardware: { num_cpus: 2, memory_mb: 1024 } },
    });
    const [vm] = (await daemon.call('VM.get_by_name_label', 'new')) as string[];
    const { VBDs: vbds, VIFs: vifs, power_state: power } = await record('VM', vm!);
    expect(power).toBe('Running');
    const drives = await Promise.all((vbds as string[]).map((vbd) => record('VBD', vbd)));
    const disks = await Promise.all(drives.map(async ({ type, VDI: vdi }) => [type, (await record('VDI', vdi!)).name_label]));
    expect(disks.sort()).toEqual([
      ['CD', 'guest-tools.iso'],
      ['Disk', 'data'],
      ['Disk', 'root'],
    ]);
    expect(await record('VIF', (vifs as string[])[0]!)).toMatchObject({ MAC: 'aa:bb:cc:00:11:22', currently_attached: true });
    expect(await run(test, 'xenserver_guest', { name: 'new', state: 'absent', force: true })).toMatchObject({ changed: true });
    expect(await daemon.call('VM.get_by_name_label', 'new')).toEqual([]);
    expect(await daemon.call('VDI.get_by_name_label', 'root'), 'its disks go with it').toEqual([]);
  });
});
