// Policies that XAPI has no value for, by other_config of a host and of a VM: where the VMs lie
// after VM.start, and after a restart of the daemon.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { failure, smallHost, type TestDaemon, testDaemon, vmRecord } from '../../../test/support/daemon.js';
import { GIB } from '../../base/units.js';
import type { Host } from '../../machine/model.js';
import type { WireStruct } from '../wire/values.js';

const KEY = 'xennuma:numa_affinity_policy';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Nodes 0 and 3 are near each other, and so are 1 and 2. */
const PAIRS: Host = {
  ...smallHost(),
  distances: [
    [10, 40, 40, 12],
    [40, 10, 14, 40],
    [40, 14, 10, 40],
    [12, 40, 40, 10],
  ],
};

async function start(options: Parameters<typeof testDaemon>[0] = {}): Promise<TestDaemon & { host: string }> {
  const daemon = await testDaemon({ machine: PAIRS, profile: 'xapi-26.3', ...options });
  ends.push(() => daemon.close());
  const [host] = (await daemon.call('host.get_all')) as string[];
  return { ...daemon, host: host! };
}

/** Of 6 vCPUs and 8 GiB: no node has so many CPUs. */
async function wide(daemon: TestDaemon, more: WireStruct = {}): Promise<string> {
  const bytes = 8 * GIB;
  const memory = { memory_dynamic_min: bytes, memory_dynamic_max: bytes, memory_static_max: bytes };
  return (await daemon.call('VM.create', vmRecord('wide', { VCPUs_max: 6, VCPUs_at_startup: 6, ...memory, ...more }))) as string;
}

/** CPUs that its vCPUs prefer, and nodes that have its memory. */
async function where(daemon: TestDaemon, vm: string): Promise<{ soft: number; nodes: string[] }> {
  const domid = (await daemon.call('VM.get_domid', vm)) as number;
  const metrics = (await daemon.call('VM_metrics.get_record', await daemon.call('VM.get_metrics', vm))) as WireStruct;
  return {
    soft: daemon.toolstack.doors.xc.vcpuGetAffinity(domid, 0).soft.length,
    nodes: Object.keys(metrics.numa_node_memory as object).sort(),
  };
}

const NEAREST = { soft: 8, nodes: ['0', '3'] };
/** A plan over several nodes sets nothing in xapi 26.3. */
const EVERYWHERE = { soft: 16, nodes: ['0', '1', '2', '3'] };

describe('tight', () => {
  it('of a host places a VM on the nearest nodes that hold it, until the key is removed', async () => {
    const daemon = await start();
    const vm = await wide(daemon);
    await daemon.call('VM.start', vm, false, false);
    expect(await where(daemon, vm)).toEqual(EVERYWHERE);
    await daemon.call('host.add_to_other_config', daemon.host, KEY, 'tight');
    await daemon.call('VM.hard_reboot', vm);
    expect(await where(daemon, vm)).toEqual(NEAREST);
    // The field of XAPI says what it said.
    expect(await daemon.call('host.get_numa_affinity_policy', daemon.host)).toBe('default_policy');
    await daemon.call('host.remove_from_other_config', daemon.host, KEY);
    await daemon.call('VM.hard_reboot', vm);
    expect(await where(daemon, vm)).toEqual(EVERYWHERE);
  });

  it('of a VM goes before the policy of its host, and back', async () => {
    const daemon = await start();
    const [one, other] = [await wide(daemon, { other_config: { [KEY]: 'tight' } }), await wide(daemon)];
    await daemon.call('VM.start', one, false, false);
    await daemon.call('VM.start', other, false, false);
    expect([await where(daemon, one), await where(daemon, other)]).toEqual([NEAREST, EVERYWHERE]);
    await daemon.call('host.add_to_other_config', daemon.host, KEY, 'tight');
    await daemon.call('VM.set_other_config', one, { [KEY]: 'any' });
    for (const vm of [one, other]) await daemon.call('VM.hard_reboot', vm);
    expect([await where(daemon, one), (await where(daemon, other)).soft]).toEqual([EVERYWHERE, 8]);
  });

  it('holds after a restart of the daemon; what ran lies where it lay', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'xennuma-policy-'));
    ends.push(() => rmSync(folder, { recursive: true }));
    const first = await start({ state: folder });
    const [one, other] = [await wide(first, { other_config: { [KEY]: 'tight' } }), await wide(first)];
    await first.call('VM.start', one, false, false);
    await first.call('host.add_to_other_config', first.host, KEY, 'tight');
    await first.close();
    const second = await start({ state: folder });
    expect(await where(second, one)).toEqual(NEAREST);
    await second.call('VM.start', other, false, false);
    expect((await where(second, other)).soft).toBe(8);
  });
});

describe('a policy that the version has not', () => {
  const KNOWN = 'expected one of default_policy, any, best_effort, tight';

  it('is refused for a host and a VM, and changes nothing', async () => {
    const daemon = await start({ profile: 'xapi-25.6' });
    const refusal = ['VALUE_NOT_SUPPORTED', KEY, 'prio_mem_only', KNOWN];
    expect(await failure(daemon.call('host.add_to_other_config', daemon.host, KEY, 'prio_mem_only'))).toEqual(refusal);
    expect(await failure(wide(daemon, { other_config: { [KEY]: 'prio_mem_only' } }))).toEqual(refusal);
    const vm = await wide(daemon);
    expect(await failure(daemon.call('VM.set_other_config', vm, { [KEY]: 'prio_mem_only' }))).toEqual(refusal);
    expect(Object.keys((await daemon.call('VM.get_other_config', vm)) as object)).not.toContain(KEY);
  });

  it('is known by a later one', async () => {
    const daemon = await start({ profile: 'xapi-25.39' });
    await daemon.call('host.add_to_other_config', daemon.host, KEY, 'prio_mem_only');
    expect(daemon.toolstack.policy).toBe('prio_mem_only');
  });
});
