// The commands of xe on a VM's drives and cards: lists, and CDs by their name (cli_operations.ml of
// xen-api e2ee48d6).
import { XapiError } from '../../xapi-client/errors.js';
import { asList, asRecord, asText, type Json } from '../../xapi-client/values.js';
import type { XeCommand } from '../command.js';
import { paramOf } from '../command-line.js';
import { XeFailure } from '../failures.js';
import type { XeClass, XeObject } from '../field.js';
import { required, shownObjects } from '../objects.js';
import { forVms, type Run } from '../operations.js';
import { snapshotOf } from '../snapshot-commands.js';
import { VBD, VDI, VIF } from './classes.js';

const objectOf = async ({ context }: Run, { apiClass }: XeClass, ref: string): Promise<XeObject> => ({
  context,
  apiClass,
  ref,
  record: asRecord(await context.session.call(`${apiClass}.get_record`, [ref])),
});

const drivesOf = async (run: Run, vm: Json, type: 'CD' | 'Disk'): Promise<XeObject[]> => {
  const all = await Promise.all(asList(vm.VBDs).map((vbd) => objectOf(run, VBD, vbd)));
  return all.filter(({ record }) => record.type === type);
};

function wanted({ params }: Run, name: string, usual: readonly string[]): readonly string[] | null {
  const given = paramOf(params, name);
  return given === 'all' ? null : (given?.split(',') ?? usual);
}

/** Each drive with its disk; the number is its place in the list. */
async function listDrives(run: Run, vm: Json, type: 'CD' | 'Disk'): Promise<void> {
  const drives = await drivesOf(run, vm, type);
  const vbdFields = wanted(run, 'vbd-params', ['uuid', 'vm-name-label', 'userdevice', ...(type === 'CD' ? ['empty'] : [])]);
  const vdiFields = wanted(run, 'vdi-params', ['uuid', 'name-label', 'virtual-size', 'sr-name-label']);
  for (const [number, drive] of drives.entries()) {
    run.printer.list([`${type} ${number} VBD:`]);
    run.printer.table(await shownObjects(VBD, [drive], vbdFields));
    if (drive.record.empty === true) continue;
    run.printer.list([`${type} ${number} VDI:`]);
    run.printer.table(await shownObjects(VDI, [await objectOf(run, VDI, asText(drive.record.VDI))], vdiFields));
  }
}

/** The CDs of this name, in storage for CDs. */
async function cdsNamed({ context }: Run, name: string): Promise<string[]> {
  const srs = await context.session.records('SR');
  const vdis = [...(await context.session.records('VDI'))].filter(([, vdi]) => vdi.name_label === name);
  return vdis.filter(([, vdi]) => srs.get(asText(vdi.SR))?.content_type === 'iso').map(([ref]) => ref);
}

async function insert(run: Run): Promise<void> {
  const name = required(run.params, 'cd-name');
  const [cd, ...more] = await cdsNamed(run, name);
  if (cd === undefined) throw new XeFailure(`CD ${name} not found`);
  if (more.length > 0) throw new XeFailure(`Multiple CDs named ${name} found. Please use vbd-insert and specify uuids`);
  const work = async (vm: XeObject): Promise<void> => {
    const [drive, other] = (await drivesOf(run, vm.record, 'CD')).filter(({ record }) => record.empty === true);
    if (drive === undefined) throw new XapiError('VM_NO_EMPTY_CD_VBD', [vm.ref]);
    if (other !== undefined) throw new XeFailure('Two or more empty CD devices found. Please use vbd-insert');
    await run.context.session.call('VBD.insert', [drive.ref, cd]);
  };
  await forVms(run, work, { ignored: ['cd-name'] });
}

async function eject(run: Run): Promise<void> {
  await forVms(run, async (vm) => {
    const [drive, other] = await drivesOf(run, vm.record, 'CD');
    if (drive === undefined) throw new XeFailure('No CDs found');
    if (other !== undefined) throw new XeFailure('Two or more CDs found. Please use vbd-eject');
    await run.context.session.call('VBD.eject', [drive.ref]);
  });
}

async function removeCd(run: Run): Promise<void> {
  const name = required(run.params, 'cd-name');
  const cds = await cdsNamed(run, name);
  const fits = ({ empty, VDI: vdi }: Json) => (empty === true ? name === '<EMPTY>' : cds.includes(asText(vdi)));
  const work = async (vm: XeObject): Promise<void> => {
    const drive = (await drivesOf(run, vm.record, 'CD')).find(({ record }) => fits(record));
    if (drive === undefined) throw new XeFailure('Disk not found');
    await run.context.session.call('VBD.destroy', [drive.ref]);
  };
  await forVms(run, work, { ignored: ['cd-name'] });
}

async function removeDisk(run: Run): Promise<void> {
  const device = required(run.params, 'device');
  const work = async (vm: XeObject): Promise<void> => {
    const drives = await Promise.all(asList(vm.record.VBDs).map((vbd) => objectOf(run, VBD, vbd)));
    const drive = drives.find(({ record }) => record.userdevice === device);
    if (drive === undefined) throw new XeFailure('Disk not found');
    await run.context.session.call('VBD.destroy', [drive.ref]);
    await run.context.session.call('VDI.destroy', [drive.record.VDI]);
  };
  await forVms(run, work, { ignored: ['device'] });
}

async function listCards(run: Run): Promise<void> {
  const fields = wanted(run, 'params', ['uuid', 'device', 'MAC', 'network-uuid', 'network-name-label', 'vm-name-label']);
  const show = async (vm: XeObject): Promise<void> => {
    const cards = await Promise.all(asList(vm.record.VIFs).map((vif) => objectOf(run, VIF, vif)));
    run.printer.table(await shownObjects(VIF, cards, fields));
  };
  await forVms({ ...run, params: [['multiple', 'true'], ...run.params] }, show, { ignored: ['params'] });
}

async function listCds(run: Run): Promise<void> {
  const srs = [...(await run.context.session.records('SR')).values()].filter(({ content_type: type }) => type === 'iso');
  const cds = await Promise.all(srs.flatMap(({ VDIs: vdis }) => asList(vdis)).map((vdi) => objectOf(run, VDI, vdi)));
  run.printer.table(await shownObjects(VDI, cds, wanted(run, 'params', ['name-label', 'uuid'])));
}

const PARAMS = ['vbd-params', 'vdi-params'] as const;
const onVms = (needs: readonly string[], optional: readonly string[], help: string, run: XeCommand['run']): XeCommand => ({
  required: needs,
  optional,
  help,
  selectsVms: true,
  run,
});
const lists = (type: 'CD' | 'Disk') => (run: Run) => forVms(run, (vm) => listDrives(run, vm.record, type), { ignored: PARAMS });

export const DRIVE_COMMANDS: readonly (readonly [string, XeCommand])[] = [
  ['vm-disk-list', onVms([], PARAMS, 'Lists the disks of VMs.', lists('Disk'))],
  ['vm-cd-list', onVms([], PARAMS, 'Lists the CD drives of VMs.', lists('CD'))],
  ['vm-vif-list', onVms([], ['params'], 'Lists the VIFs of VMs.', listCards)],
  ['vm-cd-insert', onVms(['cd-name'], [], 'Puts a CD into the empty drive of VMs.', insert)],
  ['vm-cd-eject', onVms([], [], 'Takes the CD out of the drive of VMs.', eject)],
  ['vm-cd-remove', onVms(['cd-name'], [], 'Removes the drive with a CD from VMs; <EMPTY> is an empty one.', removeCd)],
  ['vm-disk-remove', onVms(['device'], [], 'Removes a disk from VMs, and destroys it.', removeDisk)],
  ['cd-list', { required: [], optional: ['params'], help: 'Lists the CDs of all storage for CDs.', run: listCds }],
  [
    'snapshot-disk-list',
    {
      required: [],
      optional: ['uuid', 'snapshot-uuid', ...PARAMS],
      help: 'Lists the disks of a snapshot.',
      run: async (run) => {
        const snapshot = asRecord(await run.context.session.call('VM.get_record', [await snapshotOf(run)]));
        await listDrives(run, snapshot, 'Disk');
      },
    },
  ],
];
