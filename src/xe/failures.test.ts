// xe against the daemon: its errors as xen-api words them (xapi_cli.ml, cli_util.ml at e2ee48d6),
// and the words that say where to connect and as whom.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type XeHost, xeHost } from '../../test/support/xe-host.js';
import { XapiError } from '../xapi/wire/errors.js';
import { runXe } from './run.js';

let host: XeHost;
beforeEach(async () => {
  host = await xeHost();
});
afterEach(() => host.close());

describe('errors', () => {
  it.each<[string[], string | RegExp]>([
    [['vm-param-list', 'uuid=none'], 'The uuid you supplied was invalid.\ntype: VM\nuuid: none\n'],
    [['vm-param-list'], "Required parameter not found: uuid\nFor usage run: 'xe help'\n"],
    [['vm-param-get', 'uuid=<db>'], "Required parameter not found: param-name\nFor usage run: 'xe help'\n"],
    [['vm-burn'], "Unknown command: vm-burn\nFor usage run: 'xe help'\n"],
    [['vm=web'], "Syntax error\nFor usage run: 'xe help'\n"],
    [['vm-param-get', 'uuid=<db>', 'param-name=colour'], 'Error code: Missing parameter\nError parameters: colour\n'],
    [['vm-param-get', 'uuid=<db>', 'param-name=VCPUs-params', 'param-key=mask'], 'Error: Key mask not found in map\n'],
    [['vm-param-set', 'uuid=<db>', 'uuid=x', 'power-state=running'], "Error: Field 'power-state' is read-only.\n"],
    [['vm-param-set', 'uuid=<db>', 'VCPUs-params=1'], "Error: Field 'VCPUs-params' is a map or set. use the 'name:key=value' syntax.\n"],
    [['vm-param-set', 'uuid=<db>', 'VCPUs-params:pin=1'], "Error: Failed to add parameter 'pin': expecting 'weight','cap' or 'mask'\n"],
    [['vm-param-set', 'uuid=<db>', 'VCPUs-max=two'], "Error: Failed to parse parameter 'VCPUs-max': expecting an integer\n"],
    [
      ['vm-param-set', 'uuid=<db>', 'memory-static-max=1XiB'],
      /^Error: Failed to parse field 'memory-static-max': expecting an integer \(possibly/,
    ],
    [['vm-param-set', 'uuid=<db>', 'is-a-template=yes'], /expecting a boolean \(true or false\)/],
    [
      ['host-param-set', 'uuid=<host>', 'numa-affinity-policy=some'],
      "Error: Expected one of 'any', 'best_effort', 'default_policy', got some\n",
    ],
    [['vm-param-remove', 'uuid=<db>', 'param-name=VCPUs-params', 'param-key=mask'], 'Error: Key mask is not in map\n'],
    [['vm-param-clear', 'uuid=<db>', 'param-name=uuid'], 'Error: Can only clear RW parameters\n'],
    [['vm-list', 'colour=red'], "Error: Unknown field 'colour'\n"],
    [['vm-start', 'vm=nobody'], 'Error: No matching VMs found\n'],
    [['vm-pause'], 'Error: Multiple matches VMs found. --multiple required to complete the operation\n'],
    [['vm-start', 'vm=db', 'on=nowhere'], 'Error: Host nowhere not found\n'],
    [['vm-migrate', 'vm=web'], 'Error: No destination host specified\n'],
    [['event-wait', 'class=disk'], "Error: Cli listening for class 'disk' not currently implemented\n"],
  ])('%j', async (words, text) => {
    const { code, out, err } = await host.xe(...words);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    if (typeof text === 'string') expect(err).toBe(text);
    else expect(err).toMatch(text);
    expect(host.changes).toEqual([]);
  });

  it('names objects in place of references', async () => {
    await host.ask('VM.pause', host.refs.web!);
    const { err } = await host.xe('vm-pause', 'vm=web');
    expect(err.split('\n').slice(1)).toEqual([`vm: ${host.uuids.web} (web)`, 'expected: running', 'actual: paused', '']);
  });

  it('shows a code that it does not know, as a newer host may have', async () => {
    host.refusals.set('VM.pause', new XapiError('SOMETHING_NEW', 'a', 'b'));
    expect((await host.xe('vm-pause', 'vm=web')).err).toBe('Error code: SOMETHING_NEW\nError parameters: a, b\n');
  });

  it("tells a task's failure as the call's own", async () => {
    for (const field of ['static', 'dynamic']) await host.ask(`VM.set_memory_${field}_max`, host.refs.db!, 2 ** 40);
    const { code, out, err } = await host.xe('vm-start', 'vm=db');
    expect({ code, out }).toEqual({ code: 1, out: '' });
    const [, needed, available] =
      /^Not enough server memory is available to perform this operation\.\nneeded: (\d+)\navailable: (\d+)\n$/.exec(err)!;
    expect(Number(needed)).toBeGreaterThanOrEqual(2 ** 40);
    expect(Number(available)).toBeLessThan(64 * 2 ** 30);
    expect(await host.ask('task.get_all')).toEqual([]);
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
    // Nothing listens at port 1.
    const env = { XE_EXTRA_ARGS: 'server=127.0.0.1,port=1,username=comma,password=sec\\,ret' };
    let out = '';
    const streams = { out: (text: string) => (out += text), error: () => {} };
    expect(await runXe(['host-list', '--minimal', '-p', String(host.port)], env, streams, 1)).toBe(0);
    expect(out).toBe(`${host.uuids.host}\n`);
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
    let err = '';
    expect(await runXe([], {}, { out: () => {}, error: (text) => (err += text) }, host.port)).toBe(0);
    expect(err).toMatch(/^Usage: /);
    expect((await host.xe('help', 'vm-start')).out).toMatch(/command name +: vm-start/);
    expect((await host.xe('help', '--all', '--minimal')).out.split(',')).toContain('host-param-set');
  });
});
