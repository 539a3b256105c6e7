// Commands of xe on hosts: emergencies, certificates, diagnostics, and what comes as a file
// (cli_operations.ml of xen-api e2ee48d6).
import { asText } from '../../xapi-client/values.js';
import { paramOf } from '../command-line.js';
import { XeFailure } from '../failures.js';
import { transfer } from '../files/transfers.js';
import { forHosts } from '../host-commands.js';
import { required } from '../objects.js';
import type { Run } from '../operations.js';
import { type Named, oneCall, onHosts } from './calls.js';
import { asFields, asLine, asLines } from './prints.js';
import { file, hostOrOwn, maybe, maybeFile, others, truth, truthOr, uuid, type Word, word } from './words.js';

const MAY_CUT_OFF = 'The host may no longer be reached.';

/** Of the host that is asked, which may be without its coordinator. */
const EMERGENCIES: readonly Named[] = [
  oneCall('host-is-in-emergency-mode', 'Tells whether a host is without its coordinator.', 'host.is_in_emergency_mode', [], asLine),
  oneCall(
    'host-emergency-management-reconfigure',
    'Manages a host in an emergency through another card.',
    'host.local_management_reconfigure',
    [word('interface')],
  ),
  oneCall(
    'host-emergency-ha-disable',
    'Ends high availability on a host alone.',
    'host.emergency_ha_disable',
    [truth('soft')],
    undefined,
    'Other hosts may start the VMs of this one.',
  ),
  oneCall('host-emergency-reset-server-certificate', 'Makes a new certificate for a host.', 'host.emergency_reset_server_certificate', []),
  oneCall(
    'host-emergency-disable-tls-verification',
    'Checks no certificates of other hosts.',
    'host.emergency_disable_tls_verification',
    [],
  ),
  oneCall(
    'host-emergency-reenable-tls-verification',
    'Checks the certificates of other hosts again.',
    'host.emergency_reenable_tls_verification',
    [],
  ),
  oneCall(
    'host-emergency-clear-mandatory-guidance',
    'Lets a host be used without what its updates ask for.',
    'host.emergency_clear_mandatory_guidance',
    [],
  ),
  oneCall('host-management-disable', 'Manages a host through no card.', 'host.management_disable', [], undefined, MAY_CUT_OFF),
  oneCall('host-shutdown-agent', "Ends a host's daemon.", 'host.shutdown_agent', [], undefined, MAY_CUT_OFF),
  oneCall('host-signal-networking-change', 'Tells a host that its network has changed.', 'host.signal_networking_change', []),
  oneCall('host-notify', 'Tells a host that something has happened.', 'host.notify', [word('type'), maybe('params')]),
  oneCall('host-update-firewalld-service-status', "Sets a host's firewall by what it runs.", 'host.update_firewalld_service_status', []),
  ['host-ha-xapi-healthcheck', { required: [], optional: [], help: "Tells whether a host's daemon works.", run: healthCheck }],
];

async function healthCheck({ context, printer }: Run): Promise<void> {
  if ((await context.session.call('host.ha_xapi_healthcheck')) !== true) throw new XeFailure('the daemon says that it does not work');
  printer.list(['xapi is healthy.']);
}

const CERTIFICATES: readonly Named[] = [
  onHosts('host-reset-server-certificate', 'Makes a new certificate for hosts.', 'host.reset_server_certificate', [], { several: false }),
  onHosts('host-refresh-server-certificate', "Makes a host's certificate inside the pool anew.", 'host.refresh_server_certificate', [], {
    several: false,
  }),
  onHosts(
    'host-server-certificate-install',
    'Gives a host a certificate.',
    'host.install_server_certificate',
    [file('certificate', 'certificate'), file('private-key', 'private key'), maybeFile('certificate-chain', 'certificate chain')],
    { several: false },
  ),
  oneCall('host-license-remove', "Removes a host's license.", 'host.license_remove', [hostOrOwn('host-uuid')]),
  ['host-license-add', { required: ['license-file'], optional: ['host-uuid'], help: 'Gives a host a license.', run: addLicense }],
  oneCall('host-external-auth-set-ldaps', 'Reaches the directory of users by TLS, or not.', 'host.external_auth_set_ldaps', [
    ...[uuid('host', 'host-uuid'), truthOr('ldaps', null), truth('force')],
  ]),
];

async function addLicense(run: Run): Promise<void> {
  const host = await hostOrOwn('host-uuid').of(run);
  const content = asText(await file('license-file', 'license file').of(run));
  await run.context.session.call('host.license_add', [host, Buffer.from(content).toString('base64')]);
  run.printer.list(['License applied.']);
}

const SETTINGS: readonly Named[] = [
  onHosts('host-enable-local-storage-caching', 'Caches disks of hosts in an SR of theirs.', 'host.enable_local_storage_caching', [
    uuid('SR', 'sr-uuid'),
  ]),
  onHosts('host-enable-ssh', 'Lets users log in to hosts by ssh.', 'host.enable_ssh'),
  onHosts('host-disable-ssh', 'Lets nobody log in to hosts by ssh.', 'host.disable_ssh'),
  oneCall('host-prepare-for-poweroff', 'Gets a host ready to be powered off.', 'host.prepare_for_poweroff', [uuid('host')]),
  oneCall('host-refresh-pack-info', 'Finds out anew which packs a host has.', 'host.refresh_pack_info', [uuid('host', 'host-uuid')]),
  oneCall('host-crashdump-destroy', "Removes a host's crash dump.", 'host_crashdump.destroy', [uuid('host_crashdump')]),
  oneCall('host-crashdump-upload', "Sends a host's crash dump to its vendor.", 'host_crashdump.upload', [
    ...[uuid('host_crashdump'), maybe('url'), others(['uuid', 'url'], ['http_proxy'])],
  ]),
  onHosts('host-bugreport-upload', "Sends a report of a host's state to its vendor.", 'host.bugreport_upload', [
    maybe('url'),
    others(['host', 'url'], ['http_proxy']),
  ]),
];

const NET_STATS = ['method', 'uri', 'params', 'requests', 'connections', 'framed'];
const netStats: Word = {
  needs: [],
  optional: NET_STATS,
  of: ({ params }) => Object.fromEntries(params.filter(([key]) => NET_STATS.includes(key))),
};

const DIAGNOSTICS: readonly Named[] = [
  onHosts('host-get-system-status-capabilities', 'Prints what a report on a host can have.', 'host.get_system_status_capabilities', [], {
    print: asLine,
  }),
  onHosts('host-get-sm-diagnostics', "Prints what a host's storage is doing.", 'host.get_sm_diagnostics', [], {
    print: asLine,
    several: false,
  }),
  onHosts('host-get-thread-diagnostics', "Prints what a host's daemon is doing.", 'host.get_thread_diagnostics', [], {
    print: asLine,
    several: false,
  }),
  onHosts('host-sm-dp-destroy', "Removes a data path of a host's storage.", 'host.sm_dp_destroy', [word('dp'), truth('allow-leak')], {
    several: false,
  }),
  onHosts('diagnostic-compact', "Tidies the memory of a host's daemon.", 'Diagnostics.gc_compact', [], { several: false }),
  onHosts('diagnostic-gc-stats', "Prints figures of the memory of a host's daemon.", 'Diagnostics.gc_stats', [], {
    print: asFields,
    several: false,
  }),
  onHosts('diagnostic-net-stats', "Prints figures of a host's calls.", 'Diagnostics.network_stats', [netStats], {
    print: (run, rows) =>
      asLines(
        run,
        (rows as readonly (readonly string[])[]).map((row) => row.join(' | ')),
      ),
    several: false,
  }),
  onHosts('hostdriver-rescan', 'Finds out anew which drivers a host has.', 'Host_driver.rescan', [], { several: false }),
];

interface HostFile {
  readonly way: 'download' | 'upload';
  readonly path: string;
  readonly label: string;
  /** The parameter with the file's name. */
  readonly key: string;
  /** What the file is called when no name is given. */
  readonly initial?: () => string;
  readonly words?: readonly string[];
}

/** For the one host that is selected. */
function hostFile(name: string, help: string, { way, path, label, key, initial, words = [] }: HostFile): Named {
  const run = async (one: Run): Promise<void> => {
    const file = initial === undefined ? required(one.params, key) : (paramOf(one.params, key) ?? initial());
    const query = Object.fromEntries(words.map((each) => [each, paramOf(one.params, each) ?? '']));
    await forHosts(one, [key, ...words], async () => void (await transfer(one, { label, way, name: file, path, query })));
  };
  const optional = [...(initial === undefined ? [] : [key]), ...words, 'host'];
  return [name, { required: initial === undefined ? [key] : [], optional, help, run }];
}

/** logs-2026-11-30T230600Z */
const nameOfLogs = () => `logs-${new Date().toISOString().replace(/:/g, '').replace(/\.\d+/, '')}`;

const FILES: readonly Named[] = [
  hostFile('host-backup', "Downloads a backup of a host's control domain.", {
    ...{ way: 'download', path: '/host_backup', label: 'host backup download', key: 'file-name' },
  }),
  hostFile('host-restore', "Uploads a backup of a host's control domain.", {
    ...{ way: 'upload', path: '/host_restore', label: 'host backup upload', key: 'file-name' },
  }),
  hostFile('host-logs-download', "Downloads a host's logs.", {
    ...{ way: 'download', path: '/host_logs_download', label: 'host logs download', key: 'file-name', initial: nameOfLogs },
  }),
  hostFile('host-get-system-status', 'Downloads a report on a host.', {
    ...{ way: 'download', path: '/system-status', label: 'system-status download', key: 'filename', words: ['entries', 'output'] },
  }),
];

export const SINGLE_HOST_COMMANDS: readonly Named[] = [...EMERGENCIES, ...CERTIFICATES, ...SETTINGS, ...DIAGNOSTICS, ...FILES];
