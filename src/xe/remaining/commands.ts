// Commands of xe on messages, TPMs, and on what a pool here does not have: high availability,
// certificates, updates, licenses, workload balancing and external authentication. The host answers
// as such a pool does (cli_operations.ml of xen-api e2ee48d6).
import { asRecord, asText } from '../../xapi-client/values.js';
import { paramOf } from '../command-line.js';
import { XeFailure } from '../failures.js';
import { required } from '../objects.js';
import type { Run } from '../operations.js';
import { type Named, oneCall } from '../single/calls.js';
import { asFields, asLine, asLines, asUuidOf } from '../single/prints.js';
import { constant, hostOrOwn, maybe, pairs, pool, truth, uuid, word } from '../single/words.js';

const OBJECTS = { 'vm-uuid': 'VM', 'pool-uuid': 'Pool', 'sr-uuid': 'SR', 'host-uuid': 'Host' } as const;

async function createMessage({ context, params }: Run): Promise<void> {
  const priority = required(params, 'priority');
  if (!/^-?\d{1,15}$/.test(priority)) throw new XeFailure('Priority field should be an integer');
  const found = Object.entries(OBJECTS).find(([key]) => paramOf(params, key) !== undefined);
  if (found === undefined) throw new XeFailure('Need one of: vm-uuid, host-uuid, sr-uuid or pool-uuid');
  const [key, type] = found;
  const words = [required(params, 'name'), Number(priority), type, required(params, key), required(params, 'body')];
  await context.session.call('message.create', words);
}

async function destroyMessages({ context, params }: Run): Promise<void> {
  const [one, several] = [paramOf(params, 'uuid'), paramOf(params, 'uuids')];
  if (one !== undefined && several !== undefined) throw new XeFailure('Ambiguous arguments; need one of uuid, uuids');
  const uuids = one === undefined ? several?.split(',') : [one];
  if (uuids === undefined) throw new XeFailure('Need one of uuid, uuids');
  const refs = [];
  for (const each of uuids) refs.push(await context.session.call('message.get_by_uuid', [each]));
  await context.session.call('message.destroy_many', [refs]);
}

/** Those between two times, and of one priority. */
async function destroyAllMessages({ context, params }: Run): Promise<void> {
  const time = (key: string): number | null => {
    const text = paramOf(params, key);
    if (text === undefined) return null;
    const ms = Date.parse(text.replace(/^(\d{4})(\d{2})(\d{2})T/, '$1-$2-$3T'));
    if (Number.isNaN(ms)) {
      throw new XeFailure(`invalid timestamp format for '${key}' (expected RFC3339, for example, 2025-01-01T00:00:00Z)`);
    }
    return ms;
  };
  const [before, after, priority] = [time('before'), time('after'), paramOf(params, 'priority')];
  const refs = [...(await context.session.records('message'))].flatMap(([ref, record]) => {
    const at = Date.parse(asText(record.timestamp).replace(/^(\d{4})(\d{2})(\d{2})T/, '$1-$2-$3T'));
    const fits = (before === null || at < before) && (after === null || at > after);
    return fits && (priority === undefined || String(record.priority) === priority) ? [ref] : [];
  });
  await context.session.call('message.destroy_many', [refs]);
}

const features = ({ printer }: Run, record: unknown) => printer.list([asText(asRecord(record).features)]);

const plain = (
  name: string,
  required: readonly string[],
  optional: readonly string[],
  help: string,
  run: (run: Run) => Promise<void>,
): Named => [name, { required, optional, help, run }];

const OF_OBJECTS: readonly Named[] = [
  plain('message-create', ['name', 'priority', 'body'], Object.keys(OBJECTS), 'Makes a message about an object.', createMessage),
  plain('message-destroy', [], ['uuid', 'uuids'], 'Destroys messages.', destroyMessages),
  plain('message-destroy-all', [], ['before', 'after', 'priority'], 'Destroys the messages between two times.', destroyAllMessages),
  oneCall(
    'vtpm-create',
    'Gives a halted VM a TPM; prints its uuid.',
    'VTPM.create',
    [uuid('VM', 'vm-uuid'), truth('is-unique')],
    asUuidOf('VTPM'),
  ),
  oneCall('vtpm-destroy', 'Takes the TPM from a VM.', 'VTPM.destroy', [uuid('VTPM')], undefined, 'What the guest sealed with it is lost.'),
  oneCall('secret-create', 'Keeps a secret.', 'secret.create', [
    { ...word('value'), of: ({ params }) => ({ value: required(params, 'value') }) },
  ]),
  oneCall('secret-destroy', 'Destroys a secret.', 'secret.destroy', [uuid('secret')]),
  oneCall('vdi-update', "Reads a disk's size from its SR anew.", 'VDI.update', [uuid('VDI')]),
  oneCall('vdi-enable-cbt', 'Tracks the changed blocks of a disk.', 'VDI.enable_cbt', [uuid('VDI')]),
  oneCall('vdi-disable-cbt', 'Stops tracking the changed blocks of a disk.', 'VDI.disable_cbt', [uuid('VDI')]),
  oneCall('vdi-data-destroy', 'Destroys the contents of a snapshot and keeps its changed blocks.', 'VDI.data_destroy', [uuid('VDI')]),
  oneCall(
    'vdi-pool-migrate',
    'Moves a disk of a running VM to another SR.',
    'VDI.pool_migrate',
    [uuid('VDI'), uuid('SR', 'sr-uuid'), constant({})],
    asUuidOf('VDI'),
  ),
  oneCall(
    'vdi-list-changed-blocks',
    'Prints the blocks that differ between two disks.',
    'VDI.list_changed_blocks',
    [uuid('VDI', 'vdi-from-uuid'), uuid('VDI', 'vdi-to-uuid')],
    asLine,
  ),
  oneCall('pif-db-forget', "Removes a PIF's record.", 'PIF.db_forget', [uuid('PIF')]),
  oneCall('pusb-scan', "Looks for a host's USB devices.", 'PUSB.scan', [uuid('host', 'host-uuid')]),
  oneCall('sr-enable-database-replication', "Keeps the pool's database in an SR.", 'SR.enable_database_replication', [uuid('SR')]),
  oneCall('sr-disable-database-replication', "Ends the copy of the pool's database in an SR.", 'SR.disable_database_replication', [
    uuid('SR'),
  ]),
];

const OF_HOSTS: readonly Named[] = [
  oneCall('host-dmesg', "Prints the messages of a host's Xen.", 'host.dmesg', [hostOrOwn('uuid')], asLine),
  oneCall('host-all-editions', 'Lists the editions that a host can have.', 'host.get_editions', [hostOrOwn('uuid')], asLines),
  oneCall('host-apply-edition', "Sets a host's edition.", 'host.apply_edition', [hostOrOwn('host-uuid'), word('edition'), truth('force')]),
  oneCall(
    'host-compute-memory-overhead',
    "Prints what a host's Xen takes of its memory, in bytes.",
    'host.compute_memory_overhead',
    [hostOrOwn('uuid')],
    asLine,
  ),
  oneCall('host-cpu-info', "Prints the kind and number of a host's CPUs.", 'host.get_cpu_info', [hostOrOwn('uuid')], asFields),
  oneCall('host-get-cpu-features', "Prints the features of a host's CPUs.", 'host.get_cpu_info', [hostOrOwn('uuid')], features),
  oneCall('host-license-view', "Prints a host's license.", 'host.get_license_params', [hostOrOwn('host-uuid')], asFields),
  oneCall('host-disable-display', "Gives a host's display to its guests after its reboot.", 'host.disable_display', [uuid('host')], asLine),
  oneCall('host-enable-display', "Takes a host's display back after its reboot.", 'host.enable_display', [uuid('host')], asLine),
  oneCall('host-get-server-certificate', "Prints a host's certificate.", 'host.get_server_certificate', [hostOrOwn('uuid')], asLine),
  oneCall('host-send-debug-keys', "Sends keys to a host's Xen.", 'host.send_debug_keys', [uuid('host', 'host-uuid'), word('keys')]),
  oneCall('host-disable-local-storage-caching', 'Ends the cache of disks in local storage.', 'host.disable_local_storage_caching', [
    hostOrOwn('uuid'),
  ]),
  oneCall('host-enable-external-auth', 'Lets users of a directory log in.', 'host.enable_external_auth', [
    ...[uuid('host', 'host-uuid'), pairs('config'), word('service-name'), word('auth-type')],
  ]),
  oneCall('host-disable-external-auth', 'Lets no users of a directory log in.', 'host.disable_external_auth', [
    uuid('host', 'host-uuid'),
    pairs('config'),
  ]),
  oneCall(
    'host-retrieve-wlb-evacuate-recommendations',
    'Lists where the VMs of a host should go.',
    'host.retrieve_wlb_evacuate_recommendations',
    [uuid('host')],
    asFields,
  ),
];

const ONLY_POOL: readonly (readonly [name: string, method: string, help: string])[] = [
  ['pool-ha-disable', 'disable_ha', 'Ends high availability.'],
  ['pool-disable-redo-log', 'disable_redo_log', 'Ends the redo log.'],
  ['pool-secret-rotate', 'rotate_secret', "Changes the pool's secret."],
  ['pool-deconfigure-wlb', 'deconfigure_wlb', 'Ends workload balancing.'],
  ['pool-certificate-sync', 'certificate_sync', 'Copies the certificates to all hosts.'],
  ['pool-enable-tls-verification', 'enable_tls_verification', 'Checks the certificates of other hosts.'],
];
const ON_POOL: readonly (readonly [name: string, method: string, help: string])[] = [
  ['pool-disable-local-storage-caching', 'disable_local_storage_caching', 'Ends the cache of disks in local storage.'],
  ['pool-enable-local-storage-caching', 'enable_local_storage_caching', 'Caches disks in local storage.'],
  ['pool-disable-ssl-legacy', 'disable_ssl_legacy', 'Does nothing, as with xapi.'],
  ['pool-disable-repository-proxy', 'disable_repository_proxy', 'Reaches repositories directly.'],
  ['pool-disable-client-certificate-auth', 'disable_client_certificate_auth', 'Lets nobody log in by certificate.'],
  ['pool-reset-telemetry-uuid', 'reset_telemetry_uuid', 'Sets a new id for telemetry.'],
];

const OF_POOLS: readonly Named[] = [
  ...ONLY_POOL.map(([name, method, help]) => oneCall(name, help, `pool.${method}`, [])),
  ...ON_POOL.map(([name, method, help]) => oneCall(name, help, `pool.${method}`, [pool])),
  oneCall('pool-get-cpu-features', "Prints the features of the pool's CPUs.", 'pool.get_cpu_info', [pool], features),
  oneCall('pool-certificate-list', 'Lists the certificates of others.', 'pool.certificate_list', [], asLines),
  oneCall('pool-crl-list', 'Lists the revoked certificates.', 'pool.crl_list', [], asLines),
  oneCall('pool-crl-uninstall', 'Removes a list of revoked certificates.', 'pool.crl_uninstall', [word('name')]),
  oneCall('pool-certificate-uninstall', 'Removes a certificate.', 'pool.certificate_uninstall', [word('name')]),
  oneCall('pool-uninstall-ca-certificate', 'Removes a certificate.', 'pool.uninstall_ca_certificate', [word('name'), truth('force')]),
  oneCall(
    'pool-ha-compute-max-host-failures-to-tolerate',
    'Prints how many hosts may fail.',
    'pool.ha_compute_max_host_failures_to_tolerate',
    [],
    asLine,
  ),
  oneCall('pool-designate-new-master', 'Makes a host the coordinator.', 'pool.designate_new_master', [uuid('host', 'host-uuid')]),
  oneCall('pool-management-reconfigure', 'Manages all hosts through a network.', 'pool.management_reconfigure', [
    uuid('network', 'network-uuid'),
  ]),
  oneCall('pool-enable-redo-log', 'Writes changes of the database to an SR.', 'pool.enable_redo_log', [uuid('SR', 'sr-uuid')]),
  oneCall('pool-apply-edition', 'Sets the edition of all hosts.', 'pool.apply_edition', [pool, word('edition')]),
  oneCall('pool-enable-external-auth', 'Lets users of a directory log in.', 'pool.enable_external_auth', [
    ...[pool, pairs('config'), word('service-name'), word('auth-type')],
  ]),
  oneCall('pool-disable-external-auth', 'Lets no users of a directory log in.', 'pool.disable_external_auth', [pool, pairs('config')]),
  oneCall('pool-set-vswitch-controller', 'Sets the controller of virtual switches.', 'pool.set_vswitch_controller', [word('address')]),
  oneCall(
    'pool-sync-updates',
    'Fetches the updates.',
    'pool.sync_updates',
    [pool, truth('force'), maybe('token'), maybe('token-id')],
    asLine,
  ),
  oneCall('pool-retrieve-wlb-configuration', 'Prints the settings of workload balancing.', 'pool.retrieve_wlb_configuration', [], asFields),
  oneCall('pool-retrieve-wlb-recommendations', 'Lists where VMs should run.', 'pool.retrieve_wlb_recommendations', [], asFields),
  oneCall('session-subject-identifier-list', 'Lists the users with sessions.', 'session.get_all_subject_identifiers', [], asLines),
  oneCall('session-subject-identifier-logout', "Ends a user's sessions.", 'session.logout_subject_identifier', [
    word('subject-identifier'),
  ]),
  oneCall('subject-remove', 'Removes a user.', 'subject.destroy', [uuid('subject', 'subject-uuid')]),
  oneCall('user-password-change', 'Changes the password of root.', 'session.change_password', [maybe('old'), word('new')]),
  oneCall('subject-add', 'Adds a user of a directory.', 'auth.get_subject_identifier', [word('subject-name')]),
];

export const REMAINING_COMMANDS: readonly Named[] = [...OF_OBJECTS, ...OF_HOSTS, ...OF_POOLS];
