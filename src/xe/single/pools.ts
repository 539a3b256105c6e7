// Commands of xe on the pool: high availability, certificates, workload balancing, users
// (cli_operations.ml of xen-api e2ee48d6).
import { asList, asRecord, asText, NULL_REF } from '../../xapi-client/values.js';
import { type Param, paramOf } from '../command-line.js';
import { XeFailure } from '../failures.js';
import { downloadAndTell, transfer } from '../files/transfers.js';
import { flag, required, STANDARD_PARAMS } from '../objects.js';
import type { Run } from '../operations.js';
import { type Named, oneCall } from './calls.js';
import { asLine, asTable, asUuidsOf } from './prints.js';
import { baseName, file, integer, listed, onlyPool, pairs, pool, truth, truthOr, uuid, uuids, word } from './words.js';

const CERTIFICATE = file('filename', 'certificate');
const PURPOSES = listed('purpose');

const CERTIFICATES: readonly Named[] = [
  ...['pool-certificate-install', 'pool-install-ca-certificate'].map((name) =>
    oneCall(name, 'Trusts a certificate of others.', 'pool.install_ca_certificate', [baseName('filename'), { ...CERTIFICATE, needs: [] }]),
  ),
  oneCall('pool-crl-install', 'Adds a list of revoked certificates.', 'pool.crl_install', [
    ...[baseName('filename'), { ...file('filename', 'CRL'), needs: [] }],
  ]),
  oneCall('pool-install-trusted-certificate', 'Trusts a certificate for some purposes.', 'pool.install_trusted_certificate', [
    ...[onlyPool, truthOr('ca', null), CERTIFICATE, PURPOSES],
  ]),
  oneCall('pool-uninstall-trusted-certificate', 'Trusts a certificate no longer.', 'pool.uninstall_trusted_certificate', [
    ...[onlyPool, uuid('Certificate', 'certificate-uuid')],
  ]),
  oneCall('pool-enable-client-certificate-auth', 'Lets clients log in by certificate.', 'pool.enable_client_certificate_auth', [
    ...[pool, word('name')],
  ]),
  oneCall(
    'pool-get-guest-secureboot-readiness',
    "Tells whether the pool's guests can boot securely.",
    'pool.get_guest_secureboot_readiness',
    [pool],
    asLine,
  ),
  oneCall('pool-external-auth-set-ldaps', 'Reaches the directory of users by TLS, or not.', 'pool.external_auth_set_ldaps', [
    ...[onlyPool, truthOr('ldaps', null), truth('force')],
  ]),
];

/** Repeated, each vm-uuid with its restart-priority. */
async function hypothetical({ context, params, printer }: Run): Promise<void> {
  const values = (key: string): string[] => params.filter(([name]: Param) => name === key).map(([, value]) => value);
  const [vms, priorities] = [values('vm-uuid'), values('restart-priority')];
  if (vms.length !== priorities.length) throw new XeFailure('give as many restart-priority as vm-uuid');
  const configuration: Record<string, string> = {};
  for (const [index, one] of vms.entries()) {
    configuration[asText(await context.session.call('VM.get_by_uuid', [one]))] = priorities[index]!;
  }
  const answer = await context.session.call('pool.ha_compute_hypothetical_max_host_failures_to_tolerate', [configuration]);
  printer.list([asText(answer)]);
}

async function failoverPlan(run: Run): Promise<void> {
  const { session } = run.context;
  const hosts = asList(await uuids('host', 'host-uuids', false).of(run));
  const vms = await session.records('VM');
  const failed = [...vms].filter(([, vm]) => hosts.includes(asText(vm.resident_on)) && vm.is_control_domain !== true).map(([ref]) => ref);
  const plan = asRecord(await session.call('pool.ha_compute_vm_failover_plan', [hosts, failed]));
  const named = await session.records('host');
  const rows = Object.entries(plan).map(([vm, result]) => {
    const { host = '', error_code: code = 'UNKNOWN' } = asRecord(result);
    const to = named.get(asText(host));
    const { uuid: vmUuid, name_label: name } = vms.get(vm) ?? {};
    return [
      `${asText(vmUuid)} (${asText(name)})`,
      to === undefined ? asText(code) : `${asText(to.uuid)} (${asText(to.name_label)})`,
    ] as const;
  });
  asTable(run, [['VM', 'Destination Host or Error'], ...rows]);
}

const AVAILABILITY: readonly Named[] = [
  oneCall('pool-ha-enable', 'Restarts VMs of hosts that fail.', 'pool.enable_ha', [uuids('SR', 'heartbeat-sr-uuids'), pairs('ha-config')]),
  oneCall('pool-ha-prevent-restarts-for', 'Restarts no VMs for some seconds.', 'pool.ha_prevent_restarts_for', [integer('seconds')]),
  [
    'pool-ha-compute-hypothetical-max-host-failures-to-tolerate',
    {
      required: [],
      optional: ['vm-uuid', 'restart-priority'],
      help: 'Prints how many hosts may fail if VMs had these priorities; both may be repeated.',
      run: hypothetical,
    },
  ],
  [
    'pool-ha-compute-vm-failover-plan',
    { required: ['host-uuids'], optional: [], help: 'Prints where VMs would run if hosts failed.', run: failoverPlan },
  ],
  oneCall(
    'pool-recover-slaves',
    'Tells all hosts who is the coordinator; prints those that answer.',
    'pool.recover_slaves',
    [],
    asUuidsOf('host'),
  ),
  [
    'pool-emergency-transition-to-master',
    { required: [], optional: ['force'], help: 'Makes a host the coordinator when there is none.', run: becomeMaster },
  ],
  [
    'pool-emergency-reset-master',
    { required: ['master-address'], optional: [], help: 'Tells a host where its coordinator is.', run: resetMaster },
  ],
];

async function becomeMaster({ context, params, printer }: Run): Promise<void> {
  const host = asText(await context.session.call('session.get_this_host', [context.session.ref]));
  const [only] = [...(await context.session.records('pool')).values()];
  if (only?.master === host && !flag(params, 'force')) {
    printer.list(['The host is the coordinator already. --force does it all the same.']);
    return;
  }
  await context.session.call('pool.emergency_transition_to_master');
  printer.list(['The daemon starts anew as the coordinator.']);
}

async function resetMaster({ context, params, printer }: Run): Promise<void> {
  const address = required(params, 'master-address');
  await context.session.call('pool.emergency_reset_master', [address]);
  printer.list([`The daemon starts anew with the coordinator ${address}.`]);
}

const DATABASE = '/pool/xmldbdump';

async function restoreDatabase(run: Run): Promise<void> {
  const dryRun = paramOf(run.params, 'dry-run') !== undefined;
  if (!dryRun && paramOf(run.params, 'force') === undefined) {
    throw new XeFailure('The host becomes the coordinator, and forgets the others. Then give --force.');
  }
  const name = required(run.params, 'file-name');
  await transfer(run, { label: 'restore database', way: 'upload', name, path: DATABASE, query: { dry_run: String(dryRun) } });
  run.printer.list([dryRun ? 'The database could be restored.' : 'The host reboots with the restored database.']);
}

const DATABASES: readonly Named[] = [
  oneCall('pool-enable-binary-storage', 'Lets objects have blobs.', 'pool.enable_binary_storage', []),
  oneCall('pool-disable-binary-storage', 'Removes the blobs of all objects.', 'pool.disable_binary_storage', []),
  [
    'pool-dump-database',
    {
      ...{ required: ['file-name'], optional: [], help: "Downloads the pool's database." },
      run: async (run) => {
        await transfer(run, { label: 'dump database', way: 'download', name: required(run.params, 'file-name'), path: DATABASE });
      },
    },
  ],
  [
    'pool-restore-database',
    { required: ['file-name'], optional: ['dry-run', 'force'], help: "Uploads the pool's database.", run: restoreDatabase },
  ],
  oneCall(
    'pool-send-test-post',
    'Sends a request to a web server, and prints its answer.',
    'pool.send_test_post',
    [...[word('dest-host'), integer('dest-port'), word('body')]],
    asLine,
  ),
  oneCall('pool-enable-ssh', 'Lets users log in to all hosts by ssh.', 'pool.enable_ssh', [pool]),
  oneCall('pool-disable-ssh', 'Lets nobody log in to hosts by ssh.', 'pool.disable_ssh', [pool]),
];

async function report(run: Run): Promise<void> {
  const name = required(run.params, 'report');
  const more = run.params.filter(([key]) => !['report', 'filename'].includes(key) && !STANDARD_PARAMS.has(key));
  const query = { report: name, ...Object.fromEntries(more) };
  const what = { label: `WLB report: ${name}`, name: paramOf(run.params, 'filename') ?? '', path: '/wlb_report', query };
  await downloadAndTell(run, what, 'Report generation');
}

const BALANCING: readonly Named[] = [
  oneCall('pool-initialize-wlb', 'Connects the pool with workload balancing.', 'pool.initialize_wlb', [
    ...[word('wlb_url'), word('wlb_username'), word('wlb_password'), word('xenserver_username'), word('xenserver_password')],
  ]),
  oneCall('pool-send-wlb-configuration', 'Changes settings of workload balancing.', 'pool.send_wlb_configuration', [pairs('config')]),
  [
    'pool-retrieve-wlb-report',
    { required: ['report'], optional: ['filename'], help: 'Downloads a report of workload balancing.', run: report },
  ],
  [
    'pool-retrieve-wlb-diagnostics',
    {
      ...{ required: [], optional: ['filename'], help: 'Downloads the log of workload balancing.' },
      run: (run) => {
        const label = 'WLB diagnostics download';
        return downloadAndTell(run, { label, name: paramOf(run.params, 'filename') ?? '', path: '/wlb_diagnostics' }, label);
      },
    },
  ],
];

/** A role by one of two words. */
async function changeRole({ context: { session }, params }: Run, verb: 'add_to' | 'remove_from'): Promise<void> {
  const [byUuid, byName] = [paramOf(params, 'role-uuid') ?? '', paramOf(params, 'role-name') ?? ''];
  if (byUuid === '' && byName === '') throw new XeFailure('Required parameter not found: role-uuid or role-name');
  if (byUuid !== '' && byName !== '') throw new XeFailure('Give only one of role-uuid and role-name');
  const role =
    byUuid === '' ? asList(await session.call('role.get_by_name_label', [byName]))[0] : await session.call('role.get_by_uuid', [byUuid]);
  const subject = await session.call('subject.get_by_uuid', [required(params, 'uuid')]);
  await session.call(`subject.${verb}_roles`, [subject, role ?? NULL_REF]);
}

async function logoutAll({ context: { session } }: Run): Promise<void> {
  for (const one of asList(await session.call('session.get_all_subject_identifiers'))) {
    await session.call('session.logout_subject_identifier', [one]);
  }
}

/** Longer times are cut off, as xe does it. */
const SINCE_CHARS = 255;

function auditLog(run: Run): Promise<void> {
  const name = required(run.params, 'filename');
  const since = paramOf(run.params, 'since')?.slice(0, SINCE_CHARS) ?? '';
  const label = `audit-log-get${since === '' ? ' ' : ` (since "${since}") `}into file ${name.slice(0, SINCE_CHARS)}`;
  return downloadAndTell(run, { label, name, path: '/audit_log', query: since === '' ? {} : { since } }, label);
}

const ROLE = { required: ['uuid'], optional: ['role-name', 'role-uuid'] };
const USERS: readonly Named[] = [
  ['subject-role-add', { ...ROLE, help: 'Gives a user a role.', run: (run) => changeRole(run, 'add_to') }],
  ['subject-role-remove', { ...ROLE, help: 'Takes a role from a user.', run: (run) => changeRole(run, 'remove_from') }],
  ['session-subject-identifier-logout-all', { required: [], optional: [], help: 'Ends the sessions of all users.', run: logoutAll }],
  ['audit-log-get', { required: ['filename'], optional: ['since'], help: 'Downloads the log of what users did.', run: auditLog }],
];

export const SINGLE_POOL_COMMANDS: readonly Named[] = [...CERTIFICATES, ...AVAILABILITY, ...DATABASES, ...BALANCING, ...USERS];
