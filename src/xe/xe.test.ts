// xe against the daemon: its output, its calls, and the state of the daemon afterwards. The
// expected forms are those of xen-api's own printer and tables (cli_printer.ml, cli_operations.ml,
// records.ml at e2ee48d6).
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type XeHost, xeHost } from '../../test/support/xe-host.js';

const NULL = 'OpaqueRef:NULL';

let host: XeHost;
beforeEach(async () => {
  host = await xeHost();
});
afterEach(() => host.close());

describe('lists', () => {
  it('prints records as xe does: names to the right of the first, two blank lines between', async () => {
    const { code, out, err } = await host.xe('vm-list', 'is-control-domain=false');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const record = (name: string, state: string) =>
      [`uuid ( RO)           : ${host.uuids[name]}`, `     name-label ( RW): ${name}`, `    power-state ( RO): ${state}`].join('\n');
    // The order is the host's.
    const [first, second] = [record('web', 'running'), record('db', 'halted')].sort((a, b) => out.indexOf(a) - out.indexOf(b));
    expect(out).toBe(`${first}\n\n\n${second}\n\n\n`);
  });

  it.each([
    [['vm-list', '--minimal', 'power-state=running'], '<dom0>,<web>'],
    [['vm-list', '--minimal', 'name-label=nobody'], ''],
    [['vm-list', '--minimal', 'is-control-domain=true'], '<dom0>'],
    [['vm-list', '--minimal', 'VCPUs-params:mask=9,10'], '<web>'],
    [['vm-list', '--minimal', 'VCPUs-params-mask=9,10'], '<web>'],
    [['vm-list', '--minimal', 'tags:contains=c'], '<web>'],
    [['vm-list', '--minimal', 'numa-optimised=true', 'is-control-domain=false'], '<web>'],
    [['vm-list', '--minimal', 'resident-on=<host>'], '<dom0>,<web>'],
    [['host-list', '--minimal'], '<host>'],
    [['pool-list', '--minimal', 'params=master'], '<host>'],
    [['task-list', '--minimal'], ''],
    [['vm-param-get', 'uuid=<web>', 'param-name=VCPUs-params'], 'mask: 9,10; weight: 256'],
    [['vm-param-get', 'uuid=<web>', 'param-name=VCPUs-params', 'param-key=mask'], '9,10'],
    [['vm-param-get', 'uuid=<web>', 'param-name=numa-nodes'], '1'],
    [['vm-param-get', 'uuid=<db>', 'param-name=numa-nodes'], '0'],
    [['vm-param-get', 'uuid=<db>', 'param-name=HVM-shadow-multiplier'], '1.000'],
    [['host-param-get', 'uuid=<host>', 'param-name=numa-affinity-policy'], 'default_policy'],
    [['host-param-get', 'uuid=<host>', 'param-name=name-label'], 'xcp-1'],
  ])('%j prints %j', async (words, line) => {
    expect(await host.xe(...words)).toEqual({ code: 0, out: `${host.named(line)}\n`, err: '' });
  });

  it('joins values by commas with --minimal, and a set in one of them by escaped ones', async () => {
    const names = (await host.xe('vm-list', '--minimal', 'is-control-domain=false', 'params=name-label')).out;
    expect(names.trim().split(',').sort()).toEqual(['db', 'web']);
    const tags = (await host.xe('vm-list', '--minimal', 'name-label=web', 'params=tags')).out;
    expect(['a\\,b\\, c\n', 'c\\, a\\,b\n']).toContain(tags);
  });

  it('shows a map of numbers as the host has it, here the memory by node', async () => {
    const memory = (await host.ask('VM_metrics.get_numa_node_memory', await host.field('web', 'metrics'))) as Record<string, number>;
    const { out } = await host.xe('vm-param-get', 'uuid=<web>', 'param-name=numa-node-memory');
    // CPUs 9 and 10 are of node 2.
    expect(out).toBe(`2: ${memory[2]}\n`);
    expect(memory[2]).toBeGreaterThan(2 ** 30);
  });

  it('shows a set divided by semicolons, here the operations that are allowed', async () => {
    const { out } = await host.xe('vm-param-get', 'uuid=<db>', 'param-name=allowed-operations');
    const operations = out.trim().split('; ');
    expect(operations).toEqual(await host.field('db', 'allowed_operations'));
    expect(operations).toEqual(expect.arrayContaining(['start', 'destroy']));
    expect(operations).not.toContain('suspend');
  });

  it('marks fields by kind, and shows all of an object', async () => {
    const { out } = await host.xe('vm-param-list', 'uuid=<web>');
    const lines = out.split('\n').map((line) => line.trim());
    expect(out.split('\n')[0]).toMatch(new RegExp(`^uuid \\( RO\\) +: ${host.uuids.web}$`));
    expect(lines).toContain('VCPUs-params (MRW): mask: 9,10; weight: 256');
    expect(lines).toContainEqual(expect.stringMatching(/^allowed-operations \(SRO\): (\w+; )+\w+$/));
    expect(lines).toContainEqual(expect.stringMatching(/^tags \(SRW\): (a,b, c|c, a,b)$/));
    expect(lines).toContain('ha-always-run ( RW) [DEPRECATED]: false');
    expect(lines).toContain('numa-optimised ( RO): true');
    expect(lines).toContain(`resident-on ( RO): ${host.uuids.host}`);
    expect(lines).toContain('affinity ( RW): <not in database>');
    // Every colon of a name stands in one column.
    const columns = new Set(
      out
        .trimEnd()
        .split('\n')
        .map((line) => /^[^:]*[)\]] *:/.exec(line)![0].length),
    );
    expect(columns.size).toBe(1);
  });

  it('gives structure with --json', async () => {
    const { out } = await host.xe('vm-list', '--json', 'name-label=web', 'params=uuid,VCPUs-params,tags');
    const [vm, ...others] = JSON.parse(out) as { tags: string[] }[];
    expect(others).toEqual([]);
    expect({ ...vm, tags: vm!.tags.sort() }).toEqual({
      uuid: host.uuids.web,
      'VCPUs-params': { mask: '9,10', weight: '256' },
      tags: ['a,b', 'c'],
    });
  });
});

/** Words, what xe asks of the host, and a field that is so afterwards. */
type Change = [words: string[], asks: [method: string, args: unknown[]][], object: string, field: string, value: unknown];

describe('changes', () => {
  it.each<Change>([
    [
      ['vm-param-set', 'uuid=<db>', 'VCPUs-params:mask=1,2,3'],
      [['VM.add_to_VCPUs_params', ['db', 'mask', '1,2,3']]],
      'db',
      'VCPUs_params',
      { mask: '1,2,3' },
    ],
    [
      ['vm-param-set', 'uuid=<web>', 'VCPUs-params:mask=1,2;3'],
      [
        ['VM.remove_from_VCPUs_params', ['web', 'mask']],
        ['VM.add_to_VCPUs_params', ['web', 'mask', '1,2;3']],
      ],
      'web',
      'VCPUs_params',
      { mask: '1,2;3', weight: '256' },
    ],
    [
      ['vm-param-set', 'uuid=<db>', 'memory-static-max=3GiB'],
      [['VM.set_memory_static_max', ['db', 3 * 2 ** 30]]],
      'db',
      'memory_static_max',
      3 * 2 ** 30,
    ],
    [['vm-param-set', 'uuid=<db>', 'is-a-template=true'], [['VM.set_is_a_template', ['db', true]]], 'db', 'is_a_template', true],
    [['vm-param-set', 'uuid=<db>', 'name-label=a b'], [['VM.set_name_label', ['db', 'a b']]], 'db', 'name_label', 'a b'],
    [
      ['host-param-set', 'uuid=<host>', 'numa-affinity-policy=best_effort'],
      [['host.set_numa_affinity_policy', ['host', 'best_effort']]],
      'host',
      'numa_affinity_policy',
      'best_effort',
    ],
    [
      ['host-param-set', 'uuid=<host>', 'guest_VCPUs_params:mask=0'],
      [['host.add_to_guest_VCPUs_params', ['host', 'mask', '0']]],
      'host',
      'guest_VCPUs_params',
      { mask: '0' },
    ],
    [
      ['host-param-set', 'uuid=<host>', 'other-config:xennuma:numa_affinity_policy=tight'],
      [['host.add_to_other_config', ['host', 'xennuma:numa_affinity_policy', 'tight']]],
      'host',
      'other_config',
      expect.objectContaining({ 'xennuma:numa_affinity_policy': 'tight' }),
    ],
    [['vm-param-add', 'uuid=<db>', 'param-name=tags', 'param-key=x'], [['VM.add_tags', ['db', 'x']]], 'db', 'tags', ['x']],
    [
      ['vm-param-add', 'uuid=<db>', 'param-name=other-config', 'k=v'],
      [['VM.add_to_other_config', ['db', 'k', 'v']]],
      'db',
      'other_config',
      expect.objectContaining({ k: 'v' }),
    ],
    [
      ['vm-param-remove', 'uuid=<web>', 'param-name=VCPUs-params', 'param-key=mask'],
      [['VM.remove_from_VCPUs_params', ['web', 'mask']]],
      'web',
      'VCPUs_params',
      { weight: '256' },
    ],
    [
      ['vm-param-clear', 'uuid=<web>', 'param-name=VCPUs-params'],
      [
        ['VM.remove_from_VCPUs_params', ['web', 'mask']],
        ['VM.remove_from_VCPUs_params', ['web', 'weight']],
      ],
      'web',
      'VCPUs_params',
      {},
    ],
    [
      ['vm-param-clear', 'uuid=<db>', 'param-name=name-description'],
      [['VM.set_name_description', ['db', '']]],
      'db',
      'name_description',
      '',
    ],
    [['vm-start', 'vm=db'], [['Async.VM.start', ['db', false, false]]], 'db', 'power_state', 'Running'],
    [
      ['vm-start', 'vm=<db>', 'on=xcp-1', 'paused=true'],
      [['Async.VM.start_on', ['db', 'host', true, false]]],
      'db',
      'power_state',
      'Paused',
    ],
    [['vm-shutdown', 'uuid=<web>', 'force=true'], [['Async.VM.hard_shutdown', ['web']]], 'web', 'power_state', 'Halted'],
    [['vm-shutdown', 'name-label=web'], [['Async.VM.clean_shutdown', ['web']]], 'web', 'power_state', 'Halted'],
    [['vm-suspend', 'power-state=running', '--multiple'], [['Async.VM.suspend', ['web']]], 'web', 'power_state', 'Suspended'],
    [
      ['vm-migrate', 'vm=web', 'host-uuid=<host>', 'live=true'],
      [['Async.VM.pool_migrate', ['web', 'host', { force: 'false', live: 'true', copy: 'false' }]]],
      'web',
      'power_state',
      'Running',
    ],
  ])('%j asks for %j', async (words, asks, object, field, value) => {
    expect(await host.xe(...words)).toEqual({ code: 0, out: '', err: '' });
    expect(host.changes).toEqual(asks);
    expect(await host.field(object, field)).toEqual(value);
    // A task that is done is destroyed.
    expect(await host.ask('task.get_all')).toEqual([]);
  });

  it('takes the uuid of an object that a field refers to, or nothing for none', async () => {
    expect(await host.xe('vm-param-set', 'uuid=<db>', 'affinity=<host>')).toEqual({ code: 0, out: '', err: '' });
    expect(await host.field('db', 'affinity')).toBe(host.refs.host);
    expect(await host.xe('vm-param-set', 'uuid=<db>', 'affinity=')).toEqual({ code: 0, out: '', err: '' });
    expect(await host.field('db', 'affinity')).toBe(NULL);
    expect(host.changes).toEqual([
      ['VM.set_affinity', ['db', 'host']],
      ['VM.set_affinity', ['db', NULL]],
    ]);
  });

  it('tries all of several with --multiple, and tells which failed', async () => {
    const { code, out, err } = await host.xe('vm-pause', '--multiple');
    expect(host.changes.map(([method, [vm]]) => `${method} ${vm}`).sort()).toEqual(['VM.pause db', 'VM.pause web']);
    expect({ code, err }).toEqual({ code: 1, err: '' });
    expect(out).toMatch(new RegExp(`^operation failed on ${host.uuids.db}: You attempted an operation on a VM`));
    expect(out).not.toContain(host.uuids.web);
    expect(await host.field('web', 'power_state')).toBe('Paused');
  });

  it("creates VMs with xe's defaults", async () => {
    const { code, out, err } = await host.xe('vm-create', 'name-label=new');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const ref = await host.ask('VM.get_by_uuid', out.trim());
    expect(await host.ask('VM.get_record', ref)).toMatchObject({
      name_label: 'new',
      power_state: 'Halted',
      VCPUs_max: 1,
      memory_static_max: 268435456,
      memory_dynamic_min: 134217728,
    });
  });

  it('waits for an event that fits, and not when something fits already', async () => {
    expect(await host.xe('event-wait', 'class=vm', 'name-label=web', 'power-state=running')).toEqual({ code: 0, out: '', err: '' });
    let ended = false;
    const waiting = host.xe('event-wait', 'class=vm', 'uuid=<db>', 'power-state=/=halted').then(({ code }) => {
      ended = true;
      return code;
    });
    await vi.waitUntil(() => host.daemon.events.watchers === 1, { timeout: 30_000, interval: 5 });
    await host.ask('VM.set_name_label', host.refs.db!, 'another name');
    await host.ask('VM.set_name_label', host.refs.web!, 'another name');
    expect(ended).toBe(false);
    await host.ask('VM.start', host.refs.db!, false, false);
    expect(await waiting).toBe(0);
  });
});
