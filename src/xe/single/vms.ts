// Commands of xe on VMs, snapshots and templates (cli_operations.ml of xen-api e2ee48d6).
import { XapiError } from '../../xapi-client/errors.js';
import { asList, asMap, asRecord, asText } from '../../xapi-client/values.js';
import { paramOf } from '../command-line.js';
import { VBD } from '../devices/classes.js';
import { XeFailure } from '../failures.js';
import { printHostReport, reasonText } from '../host-report.js';
import { flag, inTurns, required, shownObjects } from '../objects.js';
import { forVms, type Run, vmCopied } from '../operations.js';
import { snapshotOf } from '../snapshot-commands.js';
import { VM } from '../vm-class.js';
import { type Named, oneCall, onVms } from './calls.js';
import { asFields, asLine, asTable } from './prints.js';
import { objectOf } from './storage.js';
import { bytes, file, float, maybeUuid, oneOf, pairs, truthOr, uuid, type Word, word } from './words.js';

/** Three minutes, as xe has it. */
const SYSPREP_SECONDS = 180;
const TIMEOUT: Word = {
  ...float('timeout', SYSPREP_SECONDS),
  of: async (run) => Math.max(0, Number(await float('timeout', SYSPREP_SECONDS).of(run))),
};
const target = bytes('target');

const SETTINGS: readonly Named[] = [
  onVms(
    'vm-memory-balloon',
    'Sets the memory of VMs that run; vm-memory-dynamic-range-set does it with a range.',
    'VM.set_memory_dynamic_range',
    [target, { ...target, needs: [] }],
    undefined,
    true,
  ),
  onVms('vm-memory-shadow-multiplier-set', 'Sets how much memory VMs have for shadow pages.', 'VM.set_shadow_multiplier_live', [
    float('multiplier'),
  ]),
  onVms('vm-query-services', 'Prints the services that VMs offer.', 'VM.query_services', [], asFields),
  onVms(
    'vm-retrieve-wlb-recommendations',
    'Prints where workload balancing would run a VM.',
    'VM.retrieve_wlb_recommendations',
    [],
    asFields,
  ),
  onVms(
    'vm-update-secureboot-certificates-on-boot',
    'Renews the certificates of VMs for secure boot at their next start.',
    'VM.update_secureboot_certificates_on_boot',
    [truthOr('mark', null)],
  ),
  onVms('vm-sysprep', 'Has Windows in VMs prepared for copies.', 'VM.sysprep', [file('filename', 'file'), TIMEOUT]),
  oneCall(
    'vm-set-uefi-mode',
    'Sets how a VM keeps its variables for secure boot.',
    'VM.set_uefi_mode',
    [...[uuid('VM'), oneOf('mode', ['setup', 'user'])]],
    asLine,
  ),
  oneCall('vm-get-secureboot-readiness', 'Tells whether a VM can boot securely.', 'VM.get_secureboot_readiness', [uuid('VM')], asLine),
  oneCall(
    'vm-call-host-plugin',
    "Calls a function of a plugin of a VM's host.",
    'VM.call_host_plugin',
    [...[uuid('VM', 'vm-uuid'), word('plugin'), word('fn'), pairs('args')]],
    asLine,
  ),
  ['vm-crashdump-list', onSelected([], 'Lists the crash dumps of VMs.', listCrashDumps)],
  ['vm-is-bios-customized', onSelected([], 'Tells whether VMs have BIOS strings of their own.', tellBios)],
  [
    'vm-snapshot-with-quiesce',
    {
      ...onSelected(['new-name-description'], 'Makes a snapshot of a VM whose guest writes out its files first; prints its uuid.', (run) =>
        vmCopied(run, 'VM.snapshot_with_quiesce'),
      ),
      required: ['new-name-label'],
    },
  ],
  ['console', onSelected([], 'Connects to the text console of a VM.', connect)],
];

function onSelected(optional: readonly string[], help: string, run: Named[1]['run']): Named[1] {
  return { required: [], optional, help, selectsVms: true, run };
}

function listCrashDumps(run: Run): Promise<void> {
  return forVms(run, async ({ record }) => {
    for (const ref of asList(record.crash_dumps)) {
      const { uuid: dump } = asRecord(await run.context.session.call('crashdump.get_record', [ref]));
      run.printer.table([[{ name: 'uuid', mark: ' ( RO)', value: asText(dump), json: dump }]]);
    }
  });
}

/** What Xen's own BIOS says, which xapi gives to VMs without strings of a host. */
const GENERIC_MANUFACTURER = 'Xen';

function tellBios(run: Run): Promise<void> {
  return forVms(run, ({ record }) => {
    const strings = new Map(asMap(record.bios_strings));
    const generic = strings.get('system-manufacturer') === GENERIC_MANUFACTURER && strings.get('bios-vendor') === GENERIC_MANUFACTURER;
    const kind = generic ? 'This VM is BIOS-generic.' : 'This VM is BIOS-customized.';
    run.printer.list([strings.size === 0 ? 'The BIOS strings of this VM have not yet been set.' : kind]);
    return Promise.resolve();
  });
}

function connect(run: Run): Promise<void> {
  return forVms(
    run,
    async ({ record }) => {
      const consoles = await inTurns(asList(record.consoles), async (ref) =>
        asRecord(await run.context.session.call('console.get_record', [ref])),
      );
      if (!consoles.some(({ protocol }) => protocol === 'vt100')) throw new XeFailure('No text console available');
      throw new XeFailure('this xe shows no consoles; use the xe of the host itself, or `xennuma console`');
    },
    { controlDomains: true },
  );
}

/** xe's snapshot-clone and snapshot-copy. */
function fromSnapshot(method: string, more: readonly Word[]): Named[1]['run'] {
  return async (run) => {
    const { session } = run.context;
    const words: unknown[] = [await snapshotOf(run), required(run.params, 'new-name-label')];
    for (const each of more) words.push(await each.of(run));
    const made = await session.call(method, words);
    const description = paramOf(run.params, 'new-name-description');
    if (description !== undefined) await session.call('VM.set_name_description', [made, description]);
    run.printer.list([asText(await session.call('VM.get_uuid', [made]))]);
  };
}

async function resetSnapshot(run: Run): Promise<void> {
  if (!flag(run.params, 'force')) throw new XeFailure('Its memory is lost. Then give --force.');
  await run.context.session.call('VM.power_state_reset', [await snapshotOf(run)]);
}

const NAMED = { required: ['new-name-label'], optional: ['uuid', 'snapshot-uuid', 'new-name-description'] };

const SNAPSHOTS: readonly Named[] = [
  ['snapshot-clone', { ...NAMED, help: 'Makes a template of a snapshot; prints its uuid.', run: fromSnapshot('VM.clone', []) }],
  [
    'snapshot-copy',
    {
      ...{ required: NAMED.required, optional: [...NAMED.optional, 'sr-uuid'] },
      help: 'Makes a template of a snapshot with disks of its own; prints its uuid.',
      run: fromSnapshot('VM.copy', [maybeUuid('SR', 'sr-uuid')]),
    },
  ],
  [
    'snapshot-reset-powerstate',
    { required: [], optional: ['uuid', 'snapshot-uuid', 'force'], help: 'Takes a snapshot to be halted.', run: resetSnapshot },
  ],
];

/** In the database that a disk holds. */
function inDatabase(name: string, type: string, message: string, help: string, forced: boolean): Named {
  const run = async ({ context: { session }, params }: Run): Promise<void> => {
    const vdiUuid = paramOf(params, 'database:vdi-uuid');
    if (vdiUuid === undefined) throw new XeFailure('Required parameter not found: database:vdi-uuid');
    const vdi = await session.call('VDI.get_by_uuid', [vdiUuid]);
    const other = asText(await session.call('VDI.open_database', [vdi]));
    try {
      const self = await session.as(other).call(`${type}.get_by_uuid`, [required(params, 'uuid')]);
      await session.as(other).call(`${type}.${message}`, [self, session.ref, ...(forced ? [flag(params, 'force')] : [])]);
    } finally {
      await session.as(other).call('session.logout');
    }
  };
  return [name, { required: ['uuid'], optional: ['database:', ...(forced ? ['force'] : [])], help, run }];
}

const RECOVERY: readonly Named[] = [
  inDatabase('vm-recover', 'VM', 'recover', 'Takes a VM over from the database in a disk.', true),
  inDatabase(
    'vm-assert-can-be-recovered',
    'VM',
    'assert_can_be_recovered',
    'Tells whether a VM in the database of a disk could be taken over.',
    false,
  ),
  inDatabase('appliance-recover', 'VM_appliance', 'recover', 'Takes an appliance over from the database in a disk.', true),
  inDatabase(
    ...(['appliance-assert-can-be-recovered', 'VM_appliance', 'assert_can_be_recovered'] as const),
    ...(['Tells whether an appliance in the database of a disk could be taken over.', false] as const),
  ),
];

const DRIVE_FIELDS = ['uuid', 'userdevice', 'device', 'vdi-uuid', 'empty', 'mode', 'type', 'storage-lock', 'attachable'];

async function vmStatus(run: Run): Promise<void> {
  const { printer, context } = run;
  const vm = await objectOf(run, VM, asText(await uuid('VM').of(run)));
  // Of one VM, what takes another call is shown too.
  const all = { ...VM, fields: VM.fields.map((field) => ({ ...field, expensive: false })) };
  printer.table(await shownObjects(all, [vm], ['uuid', 'name-label', 'power-state', 'possible-hosts']));
  printer.list(['Checking to see whether disks are attachable']);
  for (const ref of asList(vm.record.VBDs)) {
    printer.table(await shownObjects(VBD, [await objectOf(run, VBD, ref)], DRIVE_FIELDS));
  }
  printer.list(['Checking to see whether VM can boot on each host']);
  await printHostReport(run, vm.ref);
  const agile = await context.session.call('VM.assert_agile', [vm.ref]).then(
    () => 'VM is agile.',
    (error: unknown) => {
      if (!(error instanceof XapiError)) throw error;
      return `VM is not agile because: ${reasonText(error)}`;
    },
  );
  printer.list([agile]);
}

const DAY_MS = 24 * 3600 * 1000;

/** A line a host: its license, and the days that are left of it. */
async function licenseStatus(run: Run): Promise<void> {
  const hosts = [...(await run.context.session.records('host')).values()];
  const rows = hosts.map((host): [string, string] => {
    const { expiry = '' } = Object.fromEntries(asMap(host.license_params));
    const end = Date.parse(expiry.replace(/^(\d{4})(\d{2})(\d{2})T/, '$1-$2-$3T'));
    const left = Number.isNaN(end) ? '-' : ((end - Date.now()) / DAY_MS).toFixed(1);
    return [asText(host.hostname), [asText(host.uuid).slice(0, 8), asText(host.edition), expiry || '-', left].join(' | ')];
  });
  asTable(run, [['Hostname', 'UUID | Edition | Expiry | Days left'], ...rows]);
}

async function timingStats({ context, printer }: Run): Promise<void> {
  for (const [ref, host] of await context.session.records('host')) {
    const stats = await context.session.call('host.get_diagnostic_timing_stats', [ref, false]).then(asMap, (error: unknown) => {
      if (!(error instanceof XapiError)) throw error;
      return [['Error', error.message]] as const;
    });
    const rows = [['host-uuid', asText(host.uuid)], ['host-name-label', asText(host.name_label)], ...stats] as const;
    printer.table([rows.map(([name, value]) => ({ name: name!, mark: '', value: value!, json: value }))]);
  }
}

async function databaseStats({ context, printer }: Run): Promise<void> {
  const stats = asMap(await context.session.call('Diagnostics.db_stats'));
  printer.list([`DB lock stats: ${stats.map(([key, value]) => `${key}=${value}`).join(' ')}`]);
}

const diagnostic = (name: string, needs: readonly string[], help: string, run: Named[1]['run']): Named => [
  name,
  { required: needs, optional: [], help, run },
];

const DIAGNOSTICS: readonly Named[] = [
  diagnostic('diagnostic-vm-status', ['uuid'], 'Prints whether a VM can start, and where.', vmStatus),
  diagnostic('diagnostic-license-status', [], "Prints the hosts' licenses.", licenseStatus),
  diagnostic('diagnostic-timing-stats', [], "Prints how long functions of the hosts' daemons take.", timingStats),
  diagnostic('diagnostic-db-stats', [], "Prints how long the database's lock is held.", databaseStats),
];

export const SINGLE_VM_COMMANDS: readonly Named[] = [...SETTINGS, ...SNAPSHOTS, ...RECOVERY, ...DIAGNOSTICS];
