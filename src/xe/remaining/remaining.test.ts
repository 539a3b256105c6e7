// xe on messages, TPMs, and on what the pool of a daemon does not have, as a user types it.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkedXe, type XeHost, xeHost } from '../../../test/support/xe-host.js';
import { XE_COMMANDS } from '../commands.js';
import { REMAINING_COMMANDS } from './commands.js';

let host: XeHost;
let out: ReturnType<typeof checkedXe>['xe'];
beforeAll(async () => {
  host = await xeHost();
  out = checkedXe(host).xe;
});
afterAll(() => host.close());

it('a message is made, listed, read and destroyed', async () => {
  await out('message-create', 'name=ALARM', 'priority=3', 'body=hot', 'vm-uuid=<db>');
  await out('message-create', 'name=QUIET', 'priority=5', 'body=', 'vm-uuid=<db>');
  const uuid = await out('message-list', 'name=ALARM', '--minimal');
  expect(await out('message-param-get', `uuid=${uuid}`, 'param-name=obj-uuid')).toBe(host.uuids.db);
  expect(await out('message-list', `uuid=${uuid}`)).toMatch(/name \( RO\): ALARM\s+priority \( RO\): 3\s+class \( RO\): VM/);
  await out('message-destroy-all', 'priority=5');
  expect(await out('message-list', '--minimal')).toBe(uuid);
  await out('message-destroy-all', 'before=2001-01-01T00:00:00Z');
  expect(await out('message-list', '--minimal')).toBe(uuid);
  await out('message-destroy', `uuids=${uuid}`);
  expect(await out('message-list', '--minimal')).toBe('');
  expect((await host.xe('message-create', 'name=a', 'priority=3', 'body=b')).err).toContain(
    'Need one of: vm-uuid, host-uuid, sr-uuid or pool-uuid',
  );
  expect((await host.xe('message-create', 'name=a', 'priority=high', 'body=b', 'vm-uuid=<db>')).err).toContain(
    'Priority field should be an integer',
  );
});

it('a TPM is given to a halted VM and taken away', async () => {
  const uuid = await out('vtpm-create', 'vm-uuid=<db>');
  expect(await out('vtpm-list', '--minimal')).toBe(uuid);
  expect(await out('vtpm-param-get', `uuid=${uuid}`, 'param-name=vm-uuid')).toBe(host.uuids.db);
  expect((await host.xe('vtpm-create', 'vm-uuid=<db>')).err).toContain('The VM cannot be associated with more VTPMs.\namount: 1');
  expect((await host.xe('vtpm-destroy', `uuid=${uuid}`)).code).toBe(1);
  await out('vtpm-destroy', `uuid=${uuid}`, '--force');
  expect(await out('vtpm-list', '--minimal')).toBe('');
});

it('what the pool does not have is refused in the words of xe', async () => {
  expect((await host.xe('pool-ha-disable')).err).toContain('The operation could not be performed because HA is not enabled on the Pool');
  expect((await host.xe('pool-retrieve-wlb-configuration')).err).toContain('No WLB connection is configured.');
  expect((await host.xe('host-apply-edition', 'edition=gold')).err).toContain('The edition you supplied is invalid.\nedition: gold');
  expect(await out('pool-certificate-list')).toBe('');
  expect(await out('host-all-editions')).toBe('xennuma');
  expect(await out('host-license-view')).toContain('restrict_vtpm ( RO): false');
  expect(await out('host-cpu-info')).toMatch(/cpu_count \( RO\) *: \d+/);
  expect(await out('session-subject-identifier-list')).toBe('');
});

it('each command is in the table once, and takes each of its words once', () => {
  expect(REMAINING_COMMANDS.filter(([name, command]) => XE_COMMANDS.get(name) !== command).map(([name]) => name)).toEqual([]);
  for (const [name, { required, optional }] of REMAINING_COMMANDS) {
    expect([name, new Set([...required, ...optional]).size]).toEqual([name, required.length + optional.length]);
  }
});
