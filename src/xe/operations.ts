// The commands of xe on VMs: which VMs the words select, and what is done with each
// (cli_operations.ml of xen-api e2ee48d6).
import { MIB } from '../base/units.js';
import { XapiError } from '../xapi-client/errors.js';
import { asRecord, asText, NULL_REF } from '../xapi-client/values.js';
import { type Param, paramOf } from './command-line.js';
import type { XeContext } from './context.js';
import { tellOneOfSeveral, XeFailure, XeMissingParameter, XeMultipleFailure } from './failures.js';
import type { XeObject } from './field.js';
import type { ClientFiles } from './files/client-files.js';
import { HOST } from './host-class.js';
import { withHostReport } from './host-report.js';
import { allObjects, filterByAll, flag, required, STANDARD_PARAMS } from './objects.js';
import type { Printer, Write } from './print.js';
import { VM } from './vm-class.js';

/** Parameters of an operation. */
export interface Run {
  readonly context: XeContext;
  readonly params: readonly Param[];
  readonly printer: Printer;
  readonly errorText: Write;
  readonly files: ClientFiles;
}

/** Other VMs than templates and control domains, by name, uuid or any field. */
async function selectVms({ context, params }: Run, { ignored = [], controlDomains, templates }: Selection): Promise<readonly XeObject[]> {
  const named = paramOf(params, 'vm');
  const all = await allObjects(context, VM);
  const candidates = named === undefined ? all : all.filter(({ record }) => record.uuid === named || record.name_label === named);
  const skipped = new Set([...STANDARD_PARAMS, ...ignored, ...(named === undefined ? [] : ['vm'])]);
  const words = params.filter(([key]) => !skipped.has(key.split(':')[0]!));
  const usual: Param[] = [
    ...(templates ? [] : [['is-a-template', 'false'] as const]),
    ...(controlDomains ? [] : [['is-control-domain', 'false'] as const]),
  ];
  return filterByAll(VM, candidates, [...usual, ...words]);
}

interface Selection {
  /** Words of the command that select nothing. */
  readonly ignored?: readonly string[];
  readonly controlDomains?: boolean;
  readonly templates?: boolean;
}

/**
 * One VM, or with --multiple all that were selected: every one is tried, and failures are reported
 * at the end.
 */
export async function forVms(run: Run, work: (vm: XeObject) => Promise<void>, selection: Selection = {}): Promise<void> {
  let vms: readonly XeObject[];
  try {
    vms = await selectVms(run, selection);
  } catch (error) {
    if (!(error instanceof XeMissingParameter)) throw error;
    throw new XeFailure(`Parameter '${error.message}' is not a field of the VM class. Failed to select VM for operation.`);
  }
  if (vms.length === 0) throw new XeFailure('No matching VMs found');
  if (vms.length === 1) return work(vms[0]!);
  if (!flag(run.params, 'multiple')) {
    throw new XeFailure('Multiple matches VMs found. --multiple required to complete the operation');
  }
  const failures: [string, string][] = [];
  for (const vm of vms) {
    try {
      await work(vm);
    } catch (error) {
      if (!(error instanceof XapiError)) throw error;
      failures.unshift([asText(vm.record.uuid), tellOneOfSeveral(error)]);
    }
  }
  if (failures.length > 0) throw new XeMultipleFailure(failures);
}

async function hostNamed({ context }: Run, name: string): Promise<XeObject> {
  const found = (await allObjects(context, HOST)).find(({ record }) => record.name_label === name || record.uuid === name);
  if (found === undefined) throw new XeFailure(`Host ${name} not found`);
  return found;
}

/** As a task of the host, with a progress bar on stderr if requested. */
async function asTask(run: Run, method: string, ...params: readonly unknown[]): Promise<void> {
  await run.context.session.run(method, params, showProgress(run).onProgress);
}

/** Of a task, where the command says progress. */
export function showProgress({ params, errorText }: Run): { readonly onProgress?: (progress: number) => void } {
  const shown = paramOf(params, 'progress') !== undefined;
  return shown ? { onProgress: (progress) => errorText(`${progressBar(progress)}\n`) } : {};
}

export function progressBar(progress: number): string {
  const percent = Math.trunc(progress * 100);
  return `\r ${String(percent).padStart(3)}% ${'|/-\\'[percent % 4]} ${'#'.repeat(Math.trunc(progress * 70))}`;
}

export async function vmCreate({ context, params, printer }: Run): Promise<void> {
  const record = {
    name_label: required(params, 'name-label'),
    name_description: paramOf(params, 'name-description') ?? '',
    user_version: 0,
    is_a_template: false,
    affinity: NULL_REF,
    memory_target: 256 * MIB,
    memory_static_max: 256 * MIB,
    memory_dynamic_max: 256 * MIB,
    memory_dynamic_min: 128 * MIB,
    memory_static_min: 128 * MIB,
    VCPUs_params: {},
    VCPUs_max: 1,
    VCPUs_at_startup: 1,
    actions_after_softreboot: 'soft_reboot',
    actions_after_shutdown: 'destroy',
    actions_after_reboot: 'restart',
    actions_after_crash: 'destroy',
    PV_bootloader: '',
    PV_kernel: '',
    PV_ramdisk: '',
    PV_args: '',
    PV_bootloader_args: '',
    PV_legacy_args: '',
    HVM_boot_policy: '',
    HVM_boot_params: {},
    HVM_shadow_multiplier: 1.0,
    platform: {},
    PCI_bus: '',
    other_config: {},
    xenstore_data: {},
    recommendations: '',
    ha_always_run: false,
    ha_restart_priority: '',
    tags: [],
    blocked_operations: {},
    protection_policy: NULL_REF,
    is_snapshot_from_vmpp: false,
    snapshot_schedule: NULL_REF,
    is_vmss_snapshot: false,
    appliance: NULL_REF,
    start_delay: 0,
    shutdown_delay: 0,
    order: 0,
    suspend_SR: NULL_REF,
    suspend_VDI: NULL_REF,
    version: 0,
    generation_id: '',
    hardware_platform_version: 0,
    has_vendor_device: false,
    reference_label: '',
    domain_type: 'unspecified',
    NVRAM: {},
    last_booted_record: '',
    last_boot_CPU_flags: {},
    power_state: 'Halted',
  };
  const ref = asText(await context.session.call('VM.create', [record]));
  printer.list([asText(await context.session.call('VM.get_uuid', [ref]))]);
}

export async function vmDestroy({ context, params }: Run): Promise<void> {
  const ref = asText(await context.session.call('VM.get_by_uuid', [required(params, 'uuid')]));
  const record = asRecord(await context.session.call('VM.get_record', [ref]));
  if (record.is_control_domain === true) {
    throw new XapiError('OPERATION_NOT_ALLOWED', ['You cannot destroy a control domain via the CLI']);
  }
  await context.session.call('VM.destroy', [ref]);
}

export function vmStart(run: Run): Promise<void> {
  const force = flag(run.params, 'force');
  const paused = flag(run.params, 'paused');
  const on = paramOf(run.params, 'on');
  const start = async (vm: XeObject) => {
    const task = async () => {
      if (on === undefined) await asTask(run, 'VM.start', vm.ref, paused, force);
      else await asTask(run, 'VM.start_on', vm.ref, (await hostNamed(run, on)).ref, paused, force);
    };
    await withHostReport(run, vm.ref, task);
  };
  return forVms(run, start, { ignored: ['on', 'paused', 'progress'], controlDomains: true });
}

export function vmResume(run: Run): Promise<void> {
  const force = flag(run.params, 'force');
  const on = paramOf(run.params, 'on');
  const resume = async (vm: XeObject) => {
    if (on === undefined) await withHostReport(run, vm.ref, () => asTask(run, 'VM.resume', vm.ref, false, force));
    else await asTask(run, 'VM.resume_on', vm.ref, (await hostNamed(run, on)).ref, false, force);
  };
  return forVms(run, resume, { ignored: ['on', 'progress'] });
}

export function vmSuspend(run: Run): Promise<void> {
  return forVms(run, (vm) => asTask(run, 'VM.suspend', vm.ref), { ignored: ['progress'] });
}

export function vmShutdown(run: Run): Promise<void> {
  const method = flag(run.params, 'force') ? 'VM.hard_shutdown' : 'VM.clean_shutdown';
  return forVms(run, (vm) => asTask(run, method, vm.ref), { ignored: ['progress'] });
}

export function vmReboot(run: Run): Promise<void> {
  const method = flag(run.params, 'force') ? 'VM.hard_reboot' : 'VM.clean_reboot';
  return forVms(run, (vm) => asTask(run, method, vm.ref), { ignored: ['progress'] });
}

export function vmPause(run: Run): Promise<void> {
  return forVms(run, (vm) => plainly(run, 'VM.pause', vm));
}

export function vmUnpause(run: Run): Promise<void> {
  return forVms(run, (vm) => plainly(run, 'VM.unpause', vm));
}

async function plainly({ context }: Run, method: string, vm: XeObject): Promise<void> {
  await context.session.call(method, [vm.ref]);
}

/**
 * Within the pool. Storage migration to another pool belongs to the storage that xennuma does not
 * manage.
 */
export async function vmMigrate(run: Run): Promise<void> {
  if (run.params.some(([key]) => key.startsWith('remote-') || key.startsWith('vdi:') || key.startsWith('vif:'))) {
    throw new XeFailure('Storage live migration is not part of xennuma; use xe of the pool itself');
  }
  const renamed = run.params.map(([key, value]): Param => [key === 'host-uuid' || key === 'host-name' ? 'host' : key, value]);
  const to = paramOf(renamed, 'host');
  if (to === undefined) throw new XeFailure('No destination host specified');
  const compress = paramOf(renamed, 'compress');
  const options: Record<string, string> = compress === undefined ? {} : { compress };
  for (const key of ['force', 'live', 'copy']) options[key] = String(flag(renamed, key));
  const { ref: host } = await hostNamed(run, to);
  await forVms({ ...run, params: renamed }, (vm) => asTask(run, 'VM.pool_migrate', vm.ref, host, options), {
    ignored: ['host', 'live', 'copy', 'compress', 'progress'],
    controlDomains: true,
  });
}

interface Copying {
  /** What the call takes besides. */
  readonly more?: (run: Run) => Promise<readonly unknown[]>;
  readonly ignored?: readonly string[];
  /** Templates can be copied too. */
  readonly templates?: boolean;
}

/** vm-clone, vm-copy, vm-snapshot and vm-checkpoint: prints the uuid of what was made. */
export async function vmCopied(run: Run, method: string, { more, ignored = [], templates = false }: Copying = {}): Promise<void> {
  const name = required(run.params, 'new-name-label');
  const description = paramOf(run.params, 'new-name-description');
  const { session } = run.context;
  const rest = (await more?.(run)) ?? [];
  await forVms(
    run,
    async (vm) => {
      const clone = asText(await session.call(method, [vm.ref, name, ...rest]));
      if (description !== undefined) await session.call('VM.set_name_description', [clone, description]);
      run.printer.list([asText(await session.call('VM.get_uuid', [clone]))]);
    },
    { ignored: ['new-name-label', 'new-name-description', ...ignored], templates },
  );
}

export async function taskCancel({ context, params }: Run): Promise<void> {
  const ref = asText(await context.session.call('task.get_by_uuid', [required(params, 'uuid')]));
  await context.session.call('task.cancel', [ref]);
}
