// Messages about what the daemon does not have, those about messages and TPMs, and calls that leave
// out what they may.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { failure, type TestDaemon, testDaemon, vmRecord } from '../../../../test/support/daemon.js';
import { type Wire, WireDate, type WireStruct } from '../../wire/values.js';

let daemon: TestDaemon;
let pool: string;
let host: string;
beforeAll(async () => {
  daemon = await testDaemon();
  ({ pool, host } = daemon.objects);
});
afterAll(() => daemon.close());
const refused = (method: string, ...params: Wire[]) => failure(daemon.call(method, ...params));
const record = async (type: string, ref: string) => (await daemon.call(`${type}.get_record`, ref)) as WireStruct;

describe('a pool without high availability, certificates, updates and workload balancing', () => {
  // Codes and parameters: ocaml/xapi/xapi_pool.ml and xapi_host.ml of xen-api e2ee48d6.
  it.each<readonly [string, readonly Wire[], readonly string[]]>([
    ['pool.disable_ha', [], ['HA_NOT_ENABLED']],
    ['pool.retrieve_wlb_configuration', [], ['WLB_NOT_INITIALIZED']],
    ['pool.certificate_uninstall', ['a.pem'], ['CERTIFICATE_DOES_NOT_EXIST', 'a.pem']],
    ['pool.crl_uninstall', ['a.pem'], ['CRL_DOES_NOT_EXIST', 'a.pem']],
    ['pool.rotate_secret', [], ['NOT_IMPLEMENTED', 'pool.rotate_secret']],
    ['auth.get_subject_identifier', ['eve'], ['AUTH_IS_DISABLED']],
    ['host.dmesg_clear', ['$host'], ['NOT_IMPLEMENTED', 'dmesg_clear']],
    ['host.set_ssl_legacy', ['$host', true], ['VALUE_NOT_SUPPORTED', 'value', 'true', 'Legacy SSL support has been removed']],
    ['host.apply_edition', ['$host', 'enterprise'], ['INVALID_EDITION', 'enterprise']],
    ['pool.set_update_sync_enabled', ['$pool', true], ['NO_REPOSITORIES_CONFIGURED']],
    ['pool.configure_update_sync', ['$pool', 'weekly', 7], ['INVALID_UPDATE_SYNC_DAY', '7']],
    ['pool.configure_repository_proxy', ['$pool', 'ftp://a', '', ''], ['INVALID_REPOSITORY_PROXY_URL', 'ftp://a']],
    ['pool.configure_repository_proxy', ['$pool', 'http://a', 'b', ''], ['INVALID_REPOSITORY_PROXY_CREDENTIAL']],
    ['pool.add_to_guest_agent_config', ['$pool', 'colour', 'red'], ['INVALID_VALUE', 'guest_agent_config', 'colour = red']],
    ['VM.query_services', ['$vm'], ['NOT_IMPLEMENTED', 'query_services']],
    ['host.call_extension', ['$host', '{"method":"a.b","params":[],"id":1}'], ['MESSAGE_METHOD_UNKNOWN', 'a.b']],
    ['host.local_management_reconfigure', ['eth0'], ['NOT_IN_EMERGENCY_MODE']],
  ])('%s with %j: %j', async (method, params, answer) => {
    const vm = String(await daemon.call('VM.create', vmRecord('v')));
    const known: Readonly<Record<string, string>> = { $host: host, $pool: pool, $vm: vm };
    expect(await refused(method, ...params.map((one) => known[String(one)] ?? one))).toEqual(answer);
  });

  it('answers what such a pool can answer', async () => {
    expect(await daemon.call('pool.certificate_list')).toEqual([]);
    expect(await daemon.call('pool.get_license_state', pool)).toMatchObject({ edition: await daemon.call('host.get_edition', host) });
    expect(await daemon.call('pool.designate_new_master', host)).toBe('');
    expect(await daemon.call('host.disable_display', host)).toBe('disable_on_reboot');
    expect(await daemon.call('host.enable_display', host)).toBe('enabled');
    await daemon.call('pool.add_to_guest_agent_config', pool, 'auto_update_enabled', 'true');
    expect((await record('pool', pool)).guest_agent_config).toEqual({ auto_update_enabled: 'true' });
    await daemon.call('pool.remove_from_guest_agent_config', pool, 'auto_update_enabled');
    expect((await record('pool', pool)).guest_agent_config).toEqual({});
    await daemon.call('pool.configure_update_sync', pool, 'weekly', 6);
    expect(await record('pool', pool)).toMatchObject({ update_sync_frequency: 'weekly', update_sync_day: 6 });
  });

  it('moves the management of all hosts to a network where each has a card', async () => {
    const [spare] = (await daemon.call('network.get_all_where', 'field "bridge" = "xenbr1"')) as string[];
    const alone = String(await daemon.call('network.create', { name_label: 'n', name_description: '', MTU: 1500, other_config: {} }));
    expect(await refused('pool.management_reconfigure', alone)).toEqual(['PIF_NOT_PRESENT', host, alone]);
    const [pif] = (await daemon.call('network.get_PIFs', spare!)) as string[];
    await daemon.call('PIF.reconfigure_ip', pif!, 'DHCP', '', '', '', '');
    await daemon.call('pool.management_reconfigure', spare!);
    expect((await record('PIF', pif!)).management).toBe(true);
  });

  it('has no license that restricts what it does', async () => {
    const { restrictions } = await record('pool', pool);
    expect(restrictions).toMatchObject({ restrict_vtpm: 'false', restrict_pooling: 'false', restrict_wlb: 'true' });
    const { license_params: license } = await record('host', host);
    expect(Date.parse(String((license as WireStruct).expiry).replace(/^(\d{4})(\d{2})/, '$1-$2-'))).toBeGreaterThan(Date.now());
  });
});

describe('parameters that may be left out', () => {
  it('of disks, bonds, tunnels and hosts have their values', async () => {
    const sr = String(await daemon.call('pool.get_default_SR', pool));
    const vdi = String(
      await daemon.call('VDI.create', {
        name_label: 'd',
        SR: sr,
        virtual_size: 2 ** 21,
        type: 'user',
        sharable: false,
        read_only: false,
        other_config: {},
      }),
    );
    for (const [method, ...params] of [['VDI.snapshot'], ['VDI.clone'], ['VDI.copy', sr], ['VDI.copy', sr, 'OpaqueRef:NULL']] as const) {
      expect(await daemon.call(method, vdi, ...params)).toMatch(/^OpaqueRef:/);
    }
    const [network] = (await daemon.call('network.get_all')) as string[];
    const cards = ((await daemon.call('host.get_PIFs', host)) as string[]).slice(1);
    expect(await refused('tunnel.create', cards[0]!, network!)).not.toContain('MESSAGE_PARAMETER_COUNT_MISMATCH');
    expect(await refused('Bond.create', network!, cards, '')).not.toContain('MESSAGE_PARAMETER_COUNT_MISMATCH');
    // A parameter that xapi has since 2025.
    expect(await daemon.call('host.disable', host, false)).toBe('');
    await daemon.call('host.enable', host);
  });
});

describe('messages about objects', () => {
  it('are made, found by object and time, told as events, and destroyed', async () => {
    const vm = String(await daemon.call('VM.create', vmRecord('m')));
    const uuid = String(await daemon.call('VM.get_uuid', vm));
    const { token } = (await daemon.call('event.from', ['message'], '', 0)) as { token: string };
    const ref = String(await daemon.call('message.create', 'ALARM', 3, 'VM', uuid, '<body/>'));
    const { events } = (await daemon.call('event.from', ['message'], token, 0)) as { events: readonly WireStruct[] };
    expect(events).toMatchObject([{ class: 'message', operation: 'add', ref }]);
    const whole = await record('message', ref);
    expect(whole).toMatchObject({ name: 'ALARM', priority: 3, cls: 'VM', obj_uuid: uuid, body: '<body/>' });
    expect(Object.keys((await daemon.call('message.get', 'VM', uuid, new WireDate('19700101T00:00:00Z'))) as WireStruct)).toEqual([ref]);
    expect(await daemon.call('message.get_since', new WireDate('29000101T00:00:00Z'))).toEqual({});
    expect(await daemon.call('message.get_by_uuid', whole.uuid!)).toBe(ref);
    expect(await refused('message.create', 'a', 3, 'Host', uuid, '')).toEqual(['UUID_INVALID', 'Host', uuid]);
    await daemon.call('message.destroy_many', [ref]);
    expect(await refused('message.destroy', ref)).toEqual(['HANDLE_INVALID', 'message', ref]);
  });
});

describe('a TPM', () => {
  it('belongs to a halted VM, which has one at most, and is copied and destroyed with it', async () => {
    const vm = String(await daemon.call('VM.create', vmRecord('t')));
    const vtpm = String(await daemon.call('VTPM.create', vm, true));
    expect(await record('VTPM', vtpm)).toMatchObject({ VM: vm, is_unique: true, persistence_backend: 'xapi' });
    expect(await daemon.call('VM.get_VTPMs', vm)).toEqual([vtpm]);
    expect(await refused('VTPM.create', vm, false)).toEqual(['VTPM_MAX_AMOUNT_REACHED', '1']);
    const clone = String(await daemon.call('VM.clone', vm, 'u'));
    const [copy] = (await daemon.call('VM.get_VTPMs', clone)) as string[];
    expect(copy).not.toBe(vtpm);
    const snapshot = String(await daemon.call('VM.snapshot', vm, 's'));
    await daemon.call('VM.revert', snapshot);
    expect(await daemon.call('VM.get_VTPMs', vm)).toHaveLength(1);
    await daemon.call('VM.start', vm, false, false);
    const [now] = (await daemon.call('VM.get_VTPMs', vm)) as string[];
    expect(await refused('VTPM.destroy', now!)).toEqual(['VM_BAD_POWER_STATE', vm, 'halted, suspended', 'running']);
    for (const one of [clone, snapshot]) await daemon.call('VM.destroy', one);
    expect(await daemon.call('VTPM.get_all')).toEqual([now]);
  });
});

describe('sessions', () => {
  it('open for the superuser of a host without its pool, and are found by uuid', async () => {
    const raw = (method: string, ...params: Wire[]) =>
      daemon.dispatcher.call({ method, params }, '127.0.0.1', new AbortController().signal);
    const session = String(await raw('session.slave_local_login_with_password', 'root', 'x'));
    const uuid = String(await raw('session.get_uuid', session, session));
    expect(await daemon.call('session.get_by_uuid', uuid)).toBe(session);
    expect((await failure(raw('session.slave_local_login_with_password', 'eve', 'x')))[0]).toBe('SESSION_AUTHENTICATION_FAILED');
  });
});
