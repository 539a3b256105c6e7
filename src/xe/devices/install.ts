// vm-install and vm-uninstall of xe, and the lists and additions of a VM's disks (cli_operations.ml
// of xen-api e2ee48d6).
import { XapiError } from '../../xapi-client/errors.js';
import { asList, asMap, asRecord, asText, type Json, NULL_REF } from '../../xapi-client/values.js';
import type { XeCommand } from '../command.js';
import { paramOf } from '../command-line.js';
import { XeFailure } from '../failures.js';
import { parseBytes } from '../field.js';
import { flag, required } from '../objects.js';
import { forVms, type Run } from '../operations.js';
import { snapshotOf } from '../snapshot-commands.js';

const DISKS = 'disks';
/** Disks that go with their VM. */
const OWNER = 'owner';

/** By template-uuid, template-name(-label), or template, which is either. */
async function templateOf({ context, params }: Run): Promise<string> {
  const vms = [...(await context.session.records('VM'))];
  const byName = (name: string): string => {
    const found = vms.filter(([, vm]) => vm.name_label === name && vm.is_a_template === true && vm.is_control_domain === false);
    if (found.length === 0) throw new XeFailure('No templates matched');
    if (found.length > 1) throw new XeFailure('More than one matching template found');
    return found[0]![0];
  };
  const byUuid = (uuid: string): string | undefined => vms.find(([, vm]) => vm.uuid === uuid)?.[0];
  const uuid = paramOf(params, 'template-uuid');
  if (uuid !== undefined) {
    const found = byUuid(uuid);
    if (found === undefined) throw new XeFailure('Cannot find template');
    return found;
  }
  const name = paramOf(params, 'template-name-label') ?? paramOf(params, 'template-name');
  if (name !== undefined) return byName(name);
  const either = paramOf(params, 'template');
  if (either !== undefined) return byUuid(either) ?? byName(either);
  throw new XeFailure("Template must be specified by parameter 'template-uuid', 'template-name', 'template-name-label' or 'template'");
}

/** The SR that the caller names; NULL = none is named. */
async function namedSr({ context, params }: Run): Promise<string> {
  const uuid = paramOf(params, 'sr-uuid');
  const sr = uuid === undefined ? null : asText(await context.session.call('SR.get_by_uuid', [uuid]));
  const name = paramOf(params, 'sr-name-label');
  if (name === undefined) return sr ?? NULL_REF;
  const found = asList(await context.session.call('SR.get_by_name_label', [name]));
  if (found.length === 0) throw new XeFailure('No SR with that name-label found');
  if (sr !== null) {
    if (found.includes(sr)) return sr;
    throw new XeFailure("SR specified via sr-uuid doesn't have the name specified via sr-name-label");
  }
  if (found.length > 1) throw new XeFailure('Multiple SRs with that name-label found');
  return found[0]!;
}

/** The uuid of the pool's default SR; null = it has none. */
export async function defaultSr({ context }: Run): Promise<string | null> {
  const [pool] = [...(await context.session.records('pool')).values()];
  try {
    return asText(await context.session.call('SR.get_uuid', [asText(pool?.default_SR)]));
  } catch (error) {
    if (error instanceof XapiError) return null;
    throw error;
  }
}

async function install(run: Run): Promise<void> {
  const { context, params, printer } = run;
  const { session } = context;
  const template = await templateOf(run);
  const record = asRecord(await session.call('VM.get_record', [template]));
  if (record.is_a_template !== true) throw new XeFailure('Can only install from templates');
  const sr = await namedSr(run);
  const disks = asMap(record.other_config).find(([key]) => key === DISKS)?.[1];
  const srUuid = sr === NULL_REF ? await defaultSr(run) : asText(await session.call('SR.get_uuid', [sr]));
  if (srUuid === null && disks !== undefined) {
    throw new XeFailure('Failed to find a valid default SR for the Pool. Please provide an sr-name-label or sr-uuid parameter.');
  }
  const name = required(params, 'new-name-label');
  const creation = sr === NULL_REF ? session.call('VM.clone', [template, name]) : session.call('VM.copy', [template, name, sr]);
  const vm = asText(await creation);
  try {
    await session.call('VM.set_name_description', [vm, 'Installed via xe CLI']);
    if (disks !== undefined) {
      await session.call('VM.remove_from_other_config', [vm, DISKS]);
      await session.call('VM.add_to_other_config', [vm, DISKS, disks.replace(/\bsr=(""|'')/g, `sr="${srUuid ?? ''}"`)]);
    }
    await session.call('VM.provision', [vm]);
  } catch (error) {
    await session.call('VM.destroy', [vm]).catch(() => {});
    throw error;
  }
  printer.list([asText(await session.call('VM.get_uuid', [vm]))]);
}

/** Disks of a VM that go with it. */
async function ownedDisks({ context }: Run, vm: string): Promise<string[]> {
  const vbds = asList(await context.session.call('VM.get_VBDs', [vm]));
  const records = await Promise.all(vbds.map(async (vbd) => asRecord(await context.session.call('VBD.get_record', [vbd]))));
  const owned = records.filter(({ other_config: config, VDI: vdi }) => asMap(config).some(([key]) => key === OWNER) && vdi !== NULL_REF);
  return owned.map(({ VDI: vdi }) => asText(vdi));
}

/** The thin client would be asked; this one has nobody to ask. */
function assertForced({ params }: Run): void {
  if (!flag(params, 'force')) throw new XeFailure('This operation destroys the VM and its disks; confirm it with --force');
}

async function destroyWithDisks(run: Run, vm: string): Promise<void> {
  const { session } = run.context;
  const disks = await ownedDisks(run, vm);
  if (asText(await session.call('VM.get_power_state', [vm])) !== 'Halted') await session.call('VM.hard_shutdown', [vm]);
  await session.call('VM.destroy', [vm]);
  for (const disk of disks) await session.call('VDI.destroy', [disk]);
}

async function uninstall(run: Run): Promise<void> {
  const { session } = run.context;
  assertForced(run);
  await forVms(run, async ({ ref }) => {
    const snapshots = asList(await session.call('VM.get_snapshots', [ref]));
    for (const vm of [ref, ...snapshots]) await destroyWithDisks(run, vm);
  });
  run.printer.list(['All objects destroyed']);
}

async function uninstallSnapshot(run: Run): Promise<void> {
  assertForced(run);
  await destroyWithDisks(run, await snapshotOf(run));
  run.printer.list(['All objects destroyed']);
}

async function uninstallTemplate(run: Run): Promise<void> {
  assertForced(run);
  const uuid = required(run.params, 'template-uuid');
  const template = asText(await run.context.session.call('VM.get_by_uuid', [uuid]));
  if ((await run.context.session.call('VM.get_is_a_template', [template])) !== true) throw new XeFailure(`${uuid} is not a template`);
  await destroyWithDisks(run, template);
  run.printer.list(['All objects destroyed']);
}

async function addDisk(run: Run): Promise<void> {
  const { session } = run.context;
  const bytes = parseBytes('disk-size', required(run.params, 'disk-size'));
  const uuid = paramOf(run.params, 'sr-uuid') ?? (await defaultSr(run));
  if (uuid === null) throw new XeFailure('No default Pool SR set; you must specify an SR on the commandline');
  const sr = await session.call('SR.get_by_uuid', [uuid]);
  const disk = { name_label: 'Created by xe', name_description: 'Created by xe', SR: sr, virtual_size: bytes, type: 'user' };
  const add = async (vm: string): Promise<void> => {
    const vdi = await session.call('VDI.create', [{ ...disk, sharable: false, read_only: false, other_config: {} }]);
    const vbd = { VM: vm, VDI: vdi, userdevice: required(run.params, 'device'), mode: 'RW', type: 'Disk', other_config: { [OWNER]: '' } };
    try {
      await makeVbd(run, { ...vbd, bootable: false, unpluggable: true, empty: false });
    } catch (error) {
      await session.call('VDI.destroy', [vdi]);
      throw error;
    }
  };
  await forVms(run, ({ ref }) => add(ref), { ignored: ['disk-size', 'device', 'sr-uuid'] });
}

/** The device is in the VM at once, where it runs. */
async function makeVbd({ context }: Run, record: Json): Promise<void> {
  const vbd = await context.session.call('VBD.create', [{ qos_algorithm_type: '', qos_algorithm_params: {}, ...record }]);
  if (asText(await context.session.call('VM.get_power_state', [record.VM])) !== 'Running') return;
  if (record.type !== 'CD') await context.session.call('VBD.plug', [vbd]);
}

async function addCd(run: Run): Promise<void> {
  const { session } = run.context;
  const name = required(run.params, 'cd-name');
  const found = [...(await session.records('VDI'))].filter(([, vdi]) => vdi.name_label === name);
  const srs = await session.records('SR');
  const cd = found.find(([, vdi]) => srs.get(asText(vdi.SR))?.content_type === 'iso');
  if (cd === undefined) throw new XeFailure(`CD ${name} not found!`);
  const drive = { VDI: cd[0], userdevice: required(run.params, 'device'), mode: 'RO', type: 'CD', other_config: {} };
  const add = (vm: string) => makeVbd(run, { ...drive, VM: vm, bootable: false, unpluggable: true, empty: false });
  await forVms(run, ({ ref }) => add(ref), { ignored: ['cd-name', 'device'] });
}

const onVms = (optional: readonly string[], help: string, run: (run: Run) => Promise<void>, needs: readonly string[] = []): XeCommand => ({
  required: needs,
  optional,
  help,
  selectsVms: true,
  run,
});

export const INSTALL_COMMANDS: readonly (readonly [string, XeCommand])[] = [
  [
    'vm-install',
    {
      required: ['new-name-label'],
      optional: ['template', 'template-uuid', 'template-name', 'sr-name-label', 'sr-uuid'],
      help: 'Makes a VM of a template, which is given by its name or uuid, with its disks; prints its uuid.',
      common: true,
      run: install,
    },
  ],
  ['vm-uninstall', onVms(['force'], 'Destroys a VM, its snapshots and the disks that belong to it.', uninstall)],
  [
    'snapshot-uninstall',
    {
      required: [],
      optional: ['uuid', 'snapshot-uuid', 'force'],
      help: 'Destroys a snapshot and the disks that belong to it.',
      run: uninstallSnapshot,
    },
  ],
  [
    'template-uninstall',
    {
      ...{ required: ['template-uuid'], optional: ['force'], run: uninstallTemplate },
      help: 'Destroys a template and the disks that belong to it.',
    },
  ],
  ['vm-disk-add', onVms(['sr-uuid'], 'Adds a new disk to VMs.', addDisk, ['disk-size', 'device'])],
  ['vm-cd-add', onVms([], 'Adds a CD to VMs.', addCd, ['cd-name', 'device'])],
];
