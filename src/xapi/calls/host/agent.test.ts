import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { failure, testDaemon, vmRecord } from '../../../../test/support/daemon.js';
import type { WireFloat, WireStruct } from '../../wire/values.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function opened(given: Parameters<typeof testDaemon>[0] = {}) {
  const daemon = await testDaemon(given);
  ends.push(() => daemon.close());
  return daemon;
}

it('the certificate is the first of those that clients get', async () => {
  const cert = (name: string) => `-----BEGIN CERTIFICATE-----\n${name}\n-----END CERTIFICATE-----\n`;
  const { call, objects } = await opened({ certificate: `${cert('leaf')}${cert('authority')}` });
  expect(await call('host.get_server_certificate', objects.host)).toBe(cert('leaf'));
  const plain = await opened();
  expect(await failure(plain.call('host.get_server_certificate', plain.objects.host))).toEqual([
    'NOT_IMPLEMENTED',
    'host.get_server_certificate',
  ]);
});

it('after a restart of the agent it started later, as clients wait for', async () => {
  const { call, objects } = await opened();
  const config = async () => (await call('host.get_other_config', objects.host)) as WireStruct;
  const before = await config();
  await call('host.restart_agent', objects.host);
  const after = await config();
  expect(Number(after.agent_start_time)).toBeGreaterThan(Number(before.agent_start_time));
  expect(after.boot_time).toBe(before.boot_time);
});

it('the data sources are stored when a client asks for it', async () => {
  const state = mkdtempSync(join(tmpdir(), 'xennuma-agent-'));
  ends.push(() => rmSync(state, { recursive: true }));
  const { call, objects, rrds } = await opened({ state });
  rrds.read();
  await call('host.backup_rrds', objects.host, 0);
  await vi.waitFor(() => expect(existsSync(join(state, 'rrd.json.gz'))).toBe(true), 10_000);
  expect(await failure(call('host.backup_rrds', objects.host, -1))).toEqual(['INVALID_VALUE', 'delay', '-1']);
  expect(((await call('host.query_data_source', objects.host, 'running_domains')) as WireFloat).value).toBe(1);
});

it('a VM is ready for secure boot by its firmware, its platform and its variables', async () => {
  const { call, objects } = await opened();
  const ready = async (more: WireStruct) => call('VM.get_secureboot_readiness', (await call('VM.create', vmRecord('v', more))) as string);
  expect(await ready({})).toBe('not_supported');
  const uefi = { HVM_boot_params: { firmware: 'uefi' } };
  expect(await ready(uefi)).toBe('disabled');
  expect(await ready({ ...uefi, platform: { secureboot: 'auto' } })).toBe('disabled');
  expect(await ready({ ...uefi, platform: { secureboot: 'TRUE' } })).toBe('first_boot');
  expect(await failure(ready({ HVM_boot_params: { firmware: 'u' } }))).toEqual(['INVALID_VALUE', "HVM-boot-params['firmware']", 'u']);
  expect(await call('pool.get_guest_secureboot_readiness', objects.pool)).toBe('not_ready');
});
