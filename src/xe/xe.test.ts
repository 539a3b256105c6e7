// xe against a host that answers as XAPI does: its output, its errors and what it asks of the host.
// The expected forms are those of xen-api's own printer and tables (cli_printer.ml,
// cli_operations.ml, records.ml at e2ee48d6).
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { type FakeHost, fakeHost, refuse } from '../../test/support/fake-host.js';
import { runXe } from './run.js';

const WEB = '5b2a4d5e-0000-4000-8000-000000000001';
const DB = '5b2a4d5e-0000-4000-8000-000000000002';
const HOST = '5b2a4d5e-0000-4000-8000-0000000000aa';

const vm = (name: string, uuid: string, more: object = {}) => ({
  uuid,
  name_label: name,
  name_description: '',
  power_state: 'Halted',
  is_a_template: false,
  is_control_domain: false,
  VCPUs_params: {},
  VCPUs_max: 2,
  memory_static_max: 1073741824,
  allowed_operations: ['start', 'destroy'],
  current_operations: {},
  resident_on: 'OpaqueRef:NULL',
  affinity: 'OpaqueRef:NULL',
  metrics: 'OpaqueRef:NULL',
  ha_always_run: false,
  HVM_shadow_multiplier: 1,
  tags: [],
  other_config: {},
  ...more,
});

let host: FakeHost;
const hosts: FakeHost[] = [];
beforeEach(async () => {
  host = await fakeHost({
    VM: {
      'OpaqueRef:web': vm('web', WEB, {
        power_state: 'Running',
        resident_on: 'OpaqueRef:h',
        metrics: 'OpaqueRef:m',
        VCPUs_params: { mask: '1,2', weight: '256' },
        tags: ['a,b', 'c'],
      }),
      'OpaqueRef:db': vm('db', DB),
      'OpaqueRef:tpl': vm('template', '5b2a4d5e-0000-4000-8000-000000000003', { is_a_template: true }),
      'OpaqueRef:dom0': vm('Domain-0', '5b2a4d5e-0000-4000-8000-000000000004', { is_control_domain: true }),
    },
    VM_metrics: { 'OpaqueRef:m': { numa_optimised: true, numa_nodes: 1, numa_node_memory: { 2: 1073741824 }, memory_actual: 1073741824 } },
    host: {
      'OpaqueRef:h': {
        uuid: HOST,
        name_label: 'xcp-1',
        name_description: 'rack 4',
        numa_affinity_policy: 'default_policy',
        guest_VCPUs_params: {},
        metrics: 'OpaqueRef:NULL',
      },
    },
    pool: {
      'OpaqueRef:p': { uuid: 'p-uuid', name_label: 'pool', name_description: '', master: 'OpaqueRef:h', default_SR: 'OpaqueRef:NULL' },
    },
    task: {},
  });
  hosts.push(host);
});
afterAll(() => Promise.all(hosts.map((one) => one.close())));

async function xe(...words: string[]) {
  return xeWith({}, ...words);
}
async function xeWith(env: Record<string, string>, ...words: string[]) {
  let out = '';
  let err = '';
  const code = await runXe(
    [...words, '-u', 'root', '-pw', 'secret'],
    env,
    { out: (text) => (out += text), error: (text) => (err += text) },
    host.port,
  );
  return { code, out, err };
}

describe('lists', () => {
  it('prints records as xe does: names to the right of the first, two blank lines between', async () => {
    expect(await xe('vm-list', 'is-control-domain=false')).toEqual({
      code: 0,
      err: '',
      out: [
        `uuid ( RO)           : ${WEB}`,
        '     name-label ( RW): web',
        '    power-state ( RO): running',
        '',
        '',
        `uuid ( RO)           : ${DB}`,
        '     name-label ( RW): db',
        '    power-state ( RO): halted',
        '',
        '',
        '',
      ].join('\n'),
    });
  });

  it.each([
    [['vm-list', '--minimal', 'power-state=running'], WEB],
    [['vm-list', '--minimal', 'is-control-domain=false', 'params=name-label'], 'web,db'],
    [['vm-list', '--minimal', 'name-label=nobody'], ''],
    [['vm-list', '--minimal', 'VCPUs-params:mask=1,2'], WEB],
    [['vm-list', '--minimal', 'VCPUs-params-mask=1,2'], WEB],
    [['vm-list', '--minimal', 'tags:contains=c'], WEB],
    [['vm-list', '--minimal', 'name-label=web', 'params=tags'], 'a\\,b\\, c'],
    [['vm-list', '--minimal', 'numa-optimised=true'], WEB],
    [['vm-list', '--minimal', `resident-on=${HOST}`], WEB],
    [['host-list', '--minimal'], HOST],
    [['pool-list', '--minimal', 'params=master'], HOST],
    [['pool-list', '--minimal', 'params=default-SR'], '<not in database>'],
    [['task-list', '--minimal'], ''],
    [['vm-param-get', `uuid=${WEB}`, 'param-name=VCPUs-params'], 'mask: 1,2; weight: 256'],
    [['vm-param-get', `uuid=${WEB}`, 'param-name=VCPUs-params', 'param-key=mask'], '1,2'],
    [['vm-param-get', `uuid=${WEB}`, 'param-name=numa-node-memory'], '2: 1073741824'],
    [['vm-param-get', `uuid=${DB}`, 'param-name=numa-nodes'], '0'],
    [['vm-param-get', `uuid=${DB}`, 'param-name=HVM-shadow-multiplier'], '1.000'],
    [['vm-param-get', `uuid=${DB}`, 'param-name=allowed-operations'], 'start; destroy'],
    [['host-param-get', `uuid=${HOST}`, 'param-name=numa-affinity-policy'], 'default_policy'],
  ])('%j prints %j', async (words, line) => {
    expect(await xe(...words)).toEqual({ code: 0, out: `${line}\n`, err: '' });
  });

  it('marks fields by kind, and shows all of an object', async () => {
    const { out } = await xe('vm-param-list', `uuid=${WEB}`);
    const lines = out.split('\n').map((line) => line.trim());
    expect(out).toMatch(/^uuid \( RO\) +: 5b2a/);
    expect(lines).toContain('VCPUs-params (MRW): mask: 1,2; weight: 256');
    expect(lines).toContain('allowed-operations (SRO): start; destroy');
    expect(lines).toContain('tags (SRW): a,b, c');
    expect(lines).toContain('ha-always-run ( RW) [DEPRECATED]: false');
    expect(lines).toContain('numa-optimised ( RO): true');
    expect(lines).toContain(`resident-on ( RO): ${HOST}`);
    expect(lines).toContain('affinity ( RW): <not in database>');
    // Every colon of a name stands in one column.
    const columns = new Set(
      out
        .trimEnd()
        .split('\n')
        .map((line) => /(\)|\]) *: /.exec(line)!.index + /(\)|\]) *: /.exec(line)![0].length),
    );
    expect(columns.size).toBe(1);
  });

  it('gives structure with --json', async () => {
    const { out } = await xe('vm-list', '--json', 'name-label=web', 'params=uuid,VCPUs-params,tags');
    expect(JSON.parse(out)).toEqual([{ uuid: WEB, 'VCPUs-params': { mask: '1,2', weight: '256' }, tags: ['a,b', 'c'] }]);
  });
});

describe('changes', () => {
  const changed = () => host.calls.filter(([method]) => !/\.get_|event|task/.test(method));

  it.each([
    [['vm-param-set', `uuid=${DB}`, 'VCPUs-params:mask=1,2,3'], [['VM.add_to_VCPUs_params', ['OpaqueRef:db', 'mask', '1,2,3']]]],
    [
      ['vm-param-set', `uuid=${WEB}`, 'VCPUs-params:mask=1,2;3'],
      [
        ['VM.remove_from_VCPUs_params', ['OpaqueRef:web', 'mask']],
        ['VM.add_to_VCPUs_params', ['OpaqueRef:web', 'mask', '1,2;3']],
      ],
    ],
    [['vm-param-set', `uuid=${DB}`, 'memory-static-max=2GiB'], [['VM.set_memory_static_max', ['OpaqueRef:db', 2147483648]]]],
    [['vm-param-set', `uuid=${DB}`, 'is-a-template=true'], [['VM.set_is_a_template', ['OpaqueRef:db', true]]]],
    [['vm-param-set', `uuid=${DB}`, `affinity=${HOST}`], [['VM.set_affinity', ['OpaqueRef:db', 'OpaqueRef:h']]]],
    [['vm-param-set', `uuid=${DB}`, 'affinity='], [['VM.set_affinity', ['OpaqueRef:db', 'OpaqueRef:NULL']]]],
    [
      ['host-param-set', `uuid=${HOST}`, 'numa-affinity-policy=best_effort'],
      [['host.set_numa_affinity_policy', ['OpaqueRef:h', 'best_effort']]],
    ],
    [['host-param-set', `uuid=${HOST}`, 'guest_VCPUs_params:mask=0'], [['host.add_to_guest_VCPUs_params', ['OpaqueRef:h', 'mask', '0']]]],
    [['vm-param-add', `uuid=${DB}`, 'param-name=tags', 'param-key=x'], [['VM.add_tags', ['OpaqueRef:db', 'x']]]],
    [['vm-param-add', `uuid=${DB}`, 'param-name=other-config', 'k=v'], [['VM.add_to_other_config', ['OpaqueRef:db', 'k', 'v']]]],
    [
      ['vm-param-remove', `uuid=${WEB}`, 'param-name=VCPUs-params', 'param-key=mask'],
      [['VM.remove_from_VCPUs_params', ['OpaqueRef:web', 'mask']]],
    ],
    [
      ['vm-param-clear', `uuid=${WEB}`, 'param-name=VCPUs-params'],
      [
        ['VM.remove_from_VCPUs_params', ['OpaqueRef:web', 'mask']],
        ['VM.remove_from_VCPUs_params', ['OpaqueRef:web', 'weight']],
      ],
    ],
    [['vm-param-clear', `uuid=${DB}`, 'param-name=name-description'], [['VM.set_name_description', ['OpaqueRef:db', '']]]],
    [['vm-start', 'vm=db'], [['Async.VM.start', ['OpaqueRef:db', false, false]]]],
    [['vm-start', `vm=${DB}`, 'on=xcp-1', 'paused=true'], [['Async.VM.start_on', ['OpaqueRef:db', 'OpaqueRef:h', true, false]]]],
    [['vm-shutdown', `uuid=${WEB}`, 'force=true'], [['Async.VM.hard_shutdown', ['OpaqueRef:web']]]],
    [['vm-shutdown', 'name-label=web'], [['Async.VM.clean_shutdown', ['OpaqueRef:web']]]],
    [['vm-suspend', 'power-state=running', '--multiple'], [['Async.VM.suspend', ['OpaqueRef:web']]]],
    [
      ['vm-migrate', 'vm=web', `host-uuid=${HOST}`, 'live=true'],
      [['Async.VM.pool_migrate', ['OpaqueRef:web', 'OpaqueRef:h', { force: 'false', live: 'true', copy: 'false' }]]],
    ],
  ])('%j asks for %j', async (words, expected) => {
    expect(await xe(...words)).toEqual({ code: 0, out: '', err: '' });
    expect(changed()).toEqual(expected);
  });

  it('tries all of several with --multiple, and tells which failed', async () => {
    host.answer = (method, [ref]) => {
      if (method !== 'VM.pause') return undefined;
      return ref === 'OpaqueRef:db' ? refuse('VM_BAD_POWER_STATE', 'OpaqueRef:db', 'Running', 'Halted') : null;
    };
    const { code, out, err } = await xe('vm-pause', '--multiple');
    expect(changed().map(([, [ref]]) => ref)).toEqual(['OpaqueRef:web', 'OpaqueRef:db']);
    expect({ code, err }).toEqual({ code: 1, err: '' });
    expect(out).toMatch(new RegExp(`^operation failed on ${DB}: You attempted an operation on a VM`));
  });

  it("creates VMs with xe's defaults", async () => {
    host.answer = (method) => (method === 'VM.create' ? 'OpaqueRef:db' : undefined);
    expect(await xe('vm-create', 'name-label=new')).toEqual({ code: 0, out: `${DB}\n`, err: '' });
    expect(changed()[0]![1][0]).toMatchObject({
      name_label: 'new',
      VCPUs_max: 1,
      memory_static_max: 268435456,
      memory_dynamic_min: 134217728,
    });
  });

  it('waits for an event that fits, and not when something fits already', async () => {
    expect(await xe('event-wait', 'class=vm', 'name-label=web', 'power-state=running')).toEqual({ code: 0, out: '', err: '' });
    let asked = 0;
    host.answer = (method) => {
      if (method === 'event.from' && ++asked === 2) host.tables.VM!['OpaqueRef:db']!.power_state = 'Running';
      return undefined;
    };
    expect((await xe('event-wait', 'class=vm', `uuid=${DB}`, 'power-state=/=halted')).code).toBe(0);
    expect(asked).toBe(2);
  });
});

describe('errors', () => {
  it.each([
    [['vm-param-list', 'uuid=none'], 'The uuid you supplied was invalid.\ntype: VM\nuuid: none\n'],
    [['vm-param-list'], "Required parameter not found: uuid\nFor usage run: 'xe help'\n"],
    [['vm-param-get', `uuid=${DB}`], "Required parameter not found: param-name\nFor usage run: 'xe help'\n"],
    [['vm-burn'], "Unknown command: vm-burn\nFor usage run: 'xe help'\n"],
    [['vm=web'], "Syntax error\nFor usage run: 'xe help'\n"],
    [['vm-param-get', `uuid=${DB}`, 'param-name=colour'], 'Error code: Missing parameter\nError parameters: colour\n'],
    [['vm-param-get', `uuid=${DB}`, 'param-name=VCPUs-params', 'param-key=mask'], 'Error: Key mask not found in map\n'],
    [['vm-param-set', `uuid=${DB}`, 'uuid=x', 'power-state=running'], "Error: Field 'power-state' is read-only.\n"],
    [['vm-param-set', `uuid=${DB}`, 'VCPUs-params=1'], "Error: Field 'VCPUs-params' is a map or set. use the 'name:key=value' syntax.\n"],
    [['vm-param-set', `uuid=${DB}`, 'VCPUs-params:pin=1'], "Error: Failed to add parameter 'pin': expecting 'weight','cap' or 'mask'\n"],
    [['vm-param-set', `uuid=${DB}`, 'VCPUs-max=two'], "Error: Failed to parse parameter 'VCPUs-max': expecting an integer\n"],
    [
      ['vm-param-set', `uuid=${DB}`, 'memory-static-max=1XiB'],
      /^Error: Failed to parse field 'memory-static-max': expecting an integer \(possibly/,
    ],
    [['vm-param-set', `uuid=${DB}`, 'is-a-template=yes'], /expecting a boolean \(true or false\)/],
    [
      ['host-param-set', `uuid=${HOST}`, 'numa-affinity-policy=some'],
      "Error: Expected one of 'any', 'best_effort', 'default_policy', got some\n",
    ],
    [['vm-param-remove', `uuid=${DB}`, 'param-name=VCPUs-params', 'param-key=mask'], 'Error: Key mask is not in map\n'],
    [['vm-param-clear', `uuid=${DB}`, 'param-name=uuid'], 'Error: Can only clear RW parameters\n'],
    [['vm-list', 'colour=red'], "Error: Unknown field 'colour'\n"],
    [['vm-start', 'vm=nobody'], 'Error: No matching VMs found\n'],
    [['vm-pause'], 'Error: Multiple matches VMs found. --multiple required to complete the operation\n'],
    [['vm-start', 'vm=db', 'on=nowhere'], 'Error: Host nowhere not found\n'],
    [['vm-migrate', 'vm=web'], 'Error: No destination host specified\n'],
    [['event-wait', 'class=disk'], "Error: Cli listening for class 'disk' not currently implemented\n"],
  ] as [string[], string | RegExp][])('%j', async (words, text) => {
    const { code, out, err } = await xe(...words);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    if (typeof text === 'string') expect(err).toBe(text);
    else expect(err).toMatch(text);
  });

  it('names objects in place of references, and codes that it does not know', async () => {
    host.answer = (method) => (method === 'VM.pause' ? refuse('VM_BAD_POWER_STATE', 'OpaqueRef:web', 'Running', 'Paused') : undefined);
    const { err } = await xe('vm-pause', 'vm=web');
    expect(err.split('\n').slice(1)).toEqual([`vm: ${WEB} (web)`, 'expected: Running', 'actual: Paused', '']);
    host.answer = (method) => (method === 'VM.pause' ? refuse('SOMETHING_NEW', 'a', 'b') : undefined);
    expect((await xe('vm-pause', 'vm=web')).err).toBe('Error code: SOMETHING_NEW\nError parameters: a, b\n');
  });

  it("tells a task's failure as the call's own", async () => {
    host.answer = (method) => {
      if (method !== 'Async.VM.start') return undefined;
      host.tables.task!['OpaqueRef:t'] = {
        uuid: 't',
        status: 'failure',
        progress: 1,
        error_info: ['HOST_NOT_ENOUGH_FREE_MEMORY', '5', '3'],
      };
      return 'OpaqueRef:t';
    };
    expect((await xe('vm-start', 'vm=db')).err).toBe(
      'Not enough server memory is available to perform this operation.\nneeded: 5\navailable: 3\n',
    );
    expect(host.tables.task).toEqual({});
  });

  it('refuses wrong passwords, and says where nothing listens', async () => {
    const streams = { out: () => {}, error: (text: string) => (err += text) };
    let err = '';
    expect(await runXe(['vm-list', '-pw', 'wrong'], {}, streams, host.port)).toBe(1);
    expect(err).toBe("Authentication failed\nFor usage run: 'xe help'\n");
    err = '';
    expect(await runXe(['vm-list', '-p', '1'], {}, streams, host.port)).toBe(1);
    expect(err).toMatch(/^Error: Connection refused \(calling connect \)\n/);
    err = '';
    expect(await runXe(['vm-list', '-p', '65536'], {}, streams, host.port)).toBe(1);
    expect(err).toMatch(/^Port number must be an integer \(0-65535\)\n/);
  });
});

describe('words', () => {
  it('takes the connection from XE_EXTRA_ARGS, and what is typed wins', async () => {
    const env = { XE_EXTRA_ARGS: `server=127.0.0.1,port=${host.port},username=root,password=sec\\,ret` };
    const other = await fakeHost(host.tables, 'sec,ret');
    hosts.push(other);
    let out = '';
    const streams = { out: (text: string) => (out += text), error: () => {} };
    expect(await runXe(['host-list', '--minimal', '-p', String(other.port)], env, streams, 1)).toBe(0);
    expect(out).toBe(`${HOST}\n`);
  });

  it('reads user and password from a file', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'xennuma-xe-'));
    const file = join(dir, 'pw');
    writeFileSync(file, 'root\nsecret\n');
    const run = async (name: string) => {
      let err = '';
      const code = await runXe(['host-list', '--minimal', '-pwf', name], {}, { out: () => {}, error: (text) => (err += text) }, host.port);
      return { code, err };
    };
    expect(await run(file)).toEqual({ code: 0, err: '' });
    expect(await run(join(dir, 'none'))).toEqual({ code: 1, err: `Error opening password file '${join(dir, 'none')}'\n` });
    writeFileSync(file, 'root');
    expect((await run(file)).err).toMatch(/expecting username on the first line/);
    rmSync(dir, { recursive: true });
  });

  it('has help and usage', async () => {
    expect((await xe()).err).toMatch(/^Usage: /);
    expect((await xe('help', 'vm-start')).out).toMatch(/command name +: vm-start/);
    expect((await xe('help', '--all', '--minimal')).out.split(',')).toContain('host-param-set');
  });
});
