// Every command of the real xe is there, and is a call that the API takes: on a host that has
// nothing of the kind the answer is the API's own.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import NAMES from '../../../test/support/xe-commands.json' with { type: 'json' };
import { checkedXe, type XeHost, xeHost } from '../../../test/support/xe-host.js';
import type { XapiError } from '../../xapi/wire/errors.js';
import { XE_COMMANDS } from '../commands.js';
import { SINGLE_COMMANDS } from './all.js';

/** Messages that xapi does not publish, or has had since the data model of the daemon. */
const NEWER_BY_CLASS: Readonly<Record<string, string>> = {
  Caller: 'create destroy query_all_usage query_group_token_usage',
  Diagnostics: 'db_stats gc_compact gc_stats network_stats',
  Driver_variant: 'select',
  Host_driver: 'deselect get_variants rescan',
  PCI: 'disable_dom0_access enable_dom0_access get_dom0_access_status',
  Rate_limit: 'add_caller create destroy remove_caller',
  Repository: 'introduce_bundle introduce_remote_pool',
  VBD: 'pause unpause',
  VDI: 'force_unlock generate_config',
  VM: 'call_host_plugin get_secureboot_readiness set_uefi_mode sysprep update_secureboot_certificates_on_boot',
  host: 'disable_ssh enable_ssh external_auth_set_ldaps get_sm_diagnostics get_thread_diagnostics notify prepare_for_poweroff signal_networking_change sm_dp_destroy update_firewalld_service_status',
  network: 'attach',
  pool: 'disable_ssh enable_binary_storage enable_ssh external_auth_set_ldaps get_guest_secureboot_readiness install_trusted_certificate uninstall_trusted_certificate',
};
const NEWER = new Set(Object.entries(NEWER_BY_CLASS).flatMap(([type, names]) => names.split(' ').map((name) => `${type}.${name}`)));

let host: XeHost;
const snapshots = { uuid: '' };
const folder = mkdtempSync(join(tmpdir(), 'xennuma-xe-'));
const file = join(folder, 'file');
beforeAll(async () => {
  host = await xeHost();
  writeFileSync(file, 'text of a file\n');
});
afterAll(async () => {
  await host.close();
  rmSync(folder, { recursive: true });
});

it('each command of the real xe is there', () => {
  expect(NAMES).toHaveLength(387);
  expect(NAMES.filter((name) => name !== 'help' && !XE_COMMANDS.has(name))).toEqual([]);
});

it('each is in the table once, with its own help, and takes each of its words once', () => {
  expect(SINGLE_COMMANDS.filter(([name, command]) => XE_COMMANDS.get(name) !== command).map(([name]) => name)).toEqual([]);
  for (const [name, { required, optional, help }] of SINGLE_COMMANDS) {
    expect([name, new Set([...required, ...optional]).size]).toEqual([name, required.length + optional.length]);
    expect([name, help]).toEqual([name, expect.stringMatching(/^[A-Z].*\.$/)]);
  }
});

const NOTHING = '5a1c3c6e-8c3c-4f0e-8f2e-0d6f3a6b9d10';
/** Values of parameters by their form; all others are a word. */
const FORMS: readonly (readonly [RegExp, string])[] = [
  [/uuids?$/, NOTHING],
  [/^(virtual-)?size|allocation|quantum|target|total/, '1GiB'],
  [/port$|seconds|multiplier|burst|rate|timeout/, '2'],
  [/^(ldaps|ca|update|value|enabled|mark)$/, 'true'],
  [/frequency/, 'daily'],
  [/^mode$/, 'setup'],
];
/** Where a command needs more than its required parameters, or others. */
const MORE: Readonly<Record<string, readonly string[]>> = {
  'vmss-create': ['type=snapshot'],
  'subject-role-add': ['role-name=pool-admin'],
  'subject-role-remove': ['role-name=pool-admin'],
  'snapshot-clone': ['uuid=<snapshot>'],
  'snapshot-copy': ['uuid=<snapshot>'],
  'snapshot-reset-powerstate': ['uuid=<snapshot>'],
  'snapshot-export-to-template': ['snapshot-uuid=<snapshot>'],
  'template-export': ['template-uuid=<template>'],
  'blob-create': ['vm-uuid=<db>'],
  'vm-import': ['filename=<file>'],
  'caller-create': ['user-agent=x'],
  'caller-query-usage': ['group=x'],
};

function wordsOf(name: string): string[] {
  const { required, optional, selectsVms } = XE_COMMANDS.get(name)!;
  const more = MORE[name] ?? [];
  const given = new Set(more.map((word) => word.split('=')[0]));
  const downloads = /-(export|download|get|backup|status|report|template)$|dump/.test(name);
  const valueFor = (key: string): string => {
    if (/file|^certificate$|private-key/.test(key)) return downloads ? join(folder, `${name}.new`) : file;
    if (name.startsWith('vdi-') && key === 'type') return 'user';
    return FORMS.find(([form]) => form.test(key))?.[1] ?? 'x';
  };
  return [
    ...required.filter((key) => !given.has(key)).map((key) => `${key}=${valueFor(key)}`),
    ...more.map((word) => word.replace('<file>', file)),
    ...(selectsVms ? ['vm=db'] : []),
    ...(optional.includes('sr') ? ['sr=Local storage'] : []),
    ...(optional.includes('database:') ? [`database:vdi-uuid=${NOTHING}`] : []),
    '--force',
    '--minimal',
  ];
}

describe('on a host without such objects', () => {
  let calls: [method: string, code: string][];
  beforeAll(async () => {
    const { xe } = checkedXe(host);
    const snapshot = await xe('vm-snapshot', 'vm=db', 'new-name-label=snapshot');
    snapshots.uuid = snapshot;
    const call = host.daemon.dispatcher.call.bind(host.daemon.dispatcher);
    host.daemon.dispatcher.call = async (request, ...rest) => {
      const { method, params } = request;
      // Of an object that is not there, so that the call on it is made all the same.
      if (method.endsWith('.get_by_uuid') && params[1] === NOTHING) return `OpaqueRef:${NOTHING}`;
      try {
        const answer = await call(request, ...rest);
        calls.push([method, '']);
        return answer;
      } catch (error) {
        const { code, params: details } = error as XapiError;
        // For what xapi has no other code either: calls between hosts, and data sources.
        const isUsual = code === 'INTERNAL_ERROR' && /^Internal API |^Datasource_missing\(/.test(details[0] ?? '');
        calls.push([method, isUsual ? details[0]! : code]);
        throw error;
      }
    };
  });

  it.each(SINGLE_COMMANDS.map(([name]) => name))('%s calls the API as it is', async (name) => {
    calls = [];
    const words = wordsOf(name).map((word) => word.replace('<snapshot>', snapshots.uuid));
    const { code, err } = await host.xe(name, ...words);
    expect([name, code, err]).toEqual([name, code === 0 ? 0 : 1, code === 0 ? '' : expect.stringMatching(/\S/)]);
    const own = calls.filter(([method]) => !/^(session\.(login|logout)|pool\.get_all)/.test(method));
    expect(own, err).not.toEqual([]);
    const misshapen = own.filter(
      ([method, failure]) =>
        ['MESSAGE_PARAMETER_COUNT_MISMATCH', 'FIELD_TYPE_ERROR', 'INTERNAL_ERROR'].includes(failure) ||
        (failure === 'MESSAGE_METHOD_UNKNOWN' && !NEWER.has(method)),
    );
    expect(misshapen).toEqual([]);
  });

  it.each(SINGLE_COMMANDS.filter(([, { required }]) => required.length > 0).map(([name]) => name))(
    '%s says which parameter it needs',
    async (name) => {
      const { err } = await host.xe(name);
      expect(err).toBe(`Required parameter not found: ${XE_COMMANDS.get(name)!.required[0]}\nFor usage run: 'xe help'\n`);
    },
  );

  it.each(
    [...XE_COMMANDS.keys()].filter(
      (name) => name.endsWith('-list') && !name.endsWith('param-list') && XE_COMMANDS.get(name)!.of !== undefined,
    ),
  )('%s works', async (name) => {
    const { code, err } = await host.xe(name, '--minimal');
    expect([code, err]).toEqual([0, '']);
  });
});
