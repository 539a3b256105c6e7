// Domain-0 as a VM: its fields as in xapi, the operations that it refuses, and that it is never
// taken for a guest.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { failure, smallHost, type TestDaemon, testDaemon, vmRecord } from '../../../test/support/daemon.js';
import { PAGE_BYTES } from '../../base/units.js';
import { readPool } from '../../xapi-client/pool.js';
import type { XapiSession } from '../../xapi-client/session.js';
import type { DaemonOptions } from '../daemon.js';
import { NULL } from '../model/schema-types.js';
import { EPOCH, type Wire, type WireStruct } from '../wire/values.js';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function start(options: Partial<DaemonOptions> = {}): Promise<TestDaemon & { readonly dom0: string }> {
  const daemon = await testDaemon(options);
  ends.push(() => daemon.close());
  return { ...daemon, dom0: (await daemon.call('host.get_control_domain', daemon.objects.host)) as string };
}

it('is the VM that xapi makes of it, with the vCPUs and the memory that Xen gave it', async () => {
  const { call, dom0, toolstack, objects } = await start();
  const info = toolstack.doors.xc.domainInfo(0)!;
  const record = (await call('VM.get_record', dom0)) as WireStruct;
  const bytes = info.totPages * PAGE_BYTES;
  expect(record).toMatchObject({
    name_label: `Control domain on host: ${String(await call('host.get_hostname', objects.host))}`,
    name_description: 'The domain which manages physical devices and manages other domains',
    is_control_domain: true,
    is_a_template: false,
    power_state: 'Running',
    domid: 0,
    resident_on: objects.host,
    affinity: objects.host,
    domain_type: 'pv',
    user_version: 1,
    VCPUs_max: info.maxVcpuId + 1,
    VCPUs_at_startup: info.maxVcpuId + 1,
    VCPUs_params: {},
    memory_static_min: bytes,
    memory_dynamic_min: bytes,
    memory_target: bytes,
    memory_dynamic_max: bytes,
    memory_static_max: bytes,
    guest_metrics: NULL,
    actions_after_crash: 'destroy',
    actions_after_reboot: 'destroy',
    actions_after_shutdown: 'destroy',
  });
  expect(await call('host.get_resident_VMs', objects.host)).toEqual([dom0]);
  expect(await call('VM.get_by_uuid', record.uuid!)).toBe(dom0);
  const metrics = (await call('VM_metrics.get_record', record.metrics!)) as WireStruct;
  expect(metrics).toMatchObject({ VCPUs_number: info.maxVcpuId + 1, memory_actual: bytes, current_domain_type: 'pv', start_time: EPOCH });
});

it('its memory lies where Xen has it, and the figures are those of any other VM', async () => {
  const daemon = await start({});
  const pages = daemon.toolstack.doors.pagesByNode!(0)!;
  const metrics = (await daemon.call('VM_metrics.get_record', await daemon.call('VM.get_metrics', daemon.dom0))) as WireStruct;
  // Nodes with 4096 pages or less are ignored.
  const counted = pages.filter((count) => count > 4096);
  expect(metrics.numa_nodes).toBe(counted.length);
  const byNode = Object.entries(metrics.numa_node_memory as WireStruct).map(([node, bytes]) => [Number(node), bytes]);
  expect(byNode).toEqual(pages.flatMap((count, node) => (count > 4096 ? [[node, count * PAGE_BYTES]] : [])));
  daemon.rrds.read();
  const sources = (await daemon.call('VM.get_data_sources', daemon.dom0)) as WireStruct[];
  expect(sources.map(({ name_label }) => name_label)).toEqual(expect.arrayContaining(['memory_numa_node_0', 'numa_nodes', 'cpu0']));
});

describe('what xapi refuses', () => {
  it.each<[string, readonly Wire[], readonly string[]]>([
    ['start', [false, false], ['VM_BAD_POWER_STATE', '<dom0>', 'halted', 'running']],
    ['destroy', [], ['VM_BAD_POWER_STATE', '<dom0>', 'halted, suspended', 'running']],
    ['clone', ['copy'], ['VM_BAD_POWER_STATE', '<dom0>', 'halted', 'running']],
    ['unpause', [], ['VM_BAD_POWER_STATE', '<dom0>', 'paused', 'running']],
    ['resume', [false, false], ['VM_BAD_POWER_STATE', '<dom0>', 'suspended', 'running']],
    ['clean_shutdown', [], ['OPERATION_NOT_ALLOWED', 'This operation is not allowed on a control domain']],
    ['hard_shutdown', [], ['OPERATION_NOT_ALLOWED', 'This operation is not allowed on a control domain']],
    ['clean_reboot', [], ['OPERATION_NOT_ALLOWED', 'This operation is not allowed on a control domain']],
    ['hard_reboot', [], ['OPERATION_NOT_ALLOWED', 'This operation is not allowed on a control domain']],
    ['pause', [], ['OPERATION_NOT_ALLOWED', 'This operation is not allowed on a control domain']],
    ['suspend', [], ['OPERATION_NOT_ALLOWED', 'This operation is not allowed on a control domain']],
    ['pool_migrate', ['<host>', {}], ['OPERATION_NOT_ALLOWED', 'This operation is not allowed on a control domain']],
    ['set_VCPUs_max', [1], ['OPERATION_NOT_ALLOWED', 'This operation is not allowed on dom0']],
    ['set_memory_dynamic_range', [1, 2], ['MEMORY_CONSTRAINT_VIOLATION_MAXPIN', 'control domain']],
    ['set_memory', [2 ** 30], ['INTERNAL_ERROR', 'Failed to update dom0 memory']],
  ])('VM.%s', async (method, args, answer) => {
    const { call, dom0, objects, database } = await start();
    const given = args.map((arg) => (arg === '<host>' ? objects.host : arg));
    const before = database.published.get('VM', dom0);
    expect(await failure(call(`VM.${method}`, dom0, ...given))).toEqual(answer.map((word) => (word === '<dom0>' ? dom0 : word)));
    expect({ ...database.published.get('VM', dom0) }).toEqual({ ...before });
  });

  it('and it allows only what xapi allows of what is served', async () => {
    const { call, dom0 } = await start();
    expect(await call('VM.get_allowed_operations', dom0)).toEqual(['changing_static_range', 'changing_dynamic_range']);
  });
});

it('clients read it as a control domain', async () => {
  const daemon = await start();
  const session = { records: async (type: string) => new Map(Object.entries((await daemon.call(`${type}.get_all_records`)) as object)) };
  const { vms } = await readPool(session as unknown as XapiSession);
  expect(vms).toMatchObject([{ controlDomain: true, domid: 0, power: 'Running' }]);
});

describe('over a restart', () => {
  it('it is the same VM, a name of its own stays, and a given one follows the host', async () => {
    const state = mkdtempSync(join(tmpdir(), 'xennuma-dom0-'));
    ends.push(async () => rmSync(state, { recursive: true }));
    const first = await testDaemon({ state });
    const dom0 = await first.call('host.get_control_domain', first.objects.host);
    const uuid = await first.call('VM.get_uuid', dom0);
    await first.call('VM.set_name_label', dom0, 'mine');
    const vm = await first.call('VM.create', vmRecord('a'));
    await first.call('VM.start', vm, false, false);
    await first.close();
    const second = await start({ state });
    expect([second.dom0, await second.call('VM.get_uuid', dom0), await second.call('VM.get_name_label', dom0)]).toEqual([
      dom0,
      uuid,
      'mine',
    ]);
    expect(await second.call('VM.get_power_state', dom0)).toBe('Running');
    expect(await second.call('host.get_resident_VMs', second.objects.host)).toHaveLength(2);
  });
});

it('with another shape of host it has what that host gave it', async () => {
  const daemon = await testDaemon({ machine: smallHost(2, 2, 4) });
  ends.push(() => daemon.close());
  const dom0 = (await daemon.call('host.get_control_domain', daemon.objects.host)) as string;
  expect(await daemon.call('VM.get_VCPUs_max', dom0)).toBe(daemon.toolstack.doors.xc.domainInfo(0)!.maxVcpuId + 1);
});
