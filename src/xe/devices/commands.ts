// The commands of xe on storage and networks (cli_operations.ml of xen-api e2ee48d6).
import { asText, NULL_REF } from '../../xapi-client/values.js';
import { paramOf } from '../command-line.js';
import { XeFailure } from '../failures.js';
import { parseBool, parseBytes } from '../field.js';
import { flag, required } from '../objects.js';
import type { Run } from '../operations.js';
import { NETWORK_COMMANDS } from './network-commands.js';
import { command, mapParam, type Named, optionalRef, printUuid, refOf, simple } from './shared.js';

async function makeDisk(run: Run): Promise<void> {
  const { params, context } = run;
  const vdi = await context.session.call('VDI.create', [
    {
      name_label: required(params, 'name-label'),
      name_description: '',
      SR: await refOf(run, 'SR', 'sr-uuid'),
      virtual_size: parseBytes('virtual-size', required(params, 'virtual-size')),
      type: paramOf(params, 'type') ?? 'user',
      sharable: flag(params, 'sharable'),
      read_only: false,
      other_config: {},
      xenstore_data: {},
      sm_config: mapParam(run, 'sm-config'),
      tags: [],
    },
  ]);
  await printUuid(run, 'VDI', vdi);
}

async function copyDisk(run: Run): Promise<void> {
  const [sr, into] = [paramOf(run.params, 'sr-uuid'), paramOf(run.params, 'into-vdi-uuid')];
  if ((sr === undefined) === (into === undefined)) {
    throw new XeFailure('Please specify either a destination sr-uuid, for a new VDI, or a destination into-vdi-uuid, and not both');
  }
  const targets = [await optionalRef(run, 'SR', 'sr-uuid'), await optionalRef(run, 'VDI', 'base-vdi-uuid')];
  const vdi = [await refOf(run, 'VDI'), ...targets, await optionalRef(run, 'VDI', 'into-vdi-uuid')];
  await printUuid(run, 'VDI', await run.context.session.call('VDI.copy', vdi));
}

const DISK_COMMANDS: readonly Named[] = [
  command(
    'vdi-create',
    ['sr-uuid', 'name-label', 'virtual-size'],
    ['type', 'sharable', 'sm-config:'],
    'Creates a VDI; prints its uuid.',
    makeDisk,
  ),
  simple('vdi-destroy', 'VDI', 'destroy', 'Destroys a VDI.'),
  simple('vdi-forget', 'VDI', 'forget', "Removes a VDI's record; what is on its SR stays."),
  command('vdi-resize', ['uuid', 'disk-size'], ['online'], 'Resizes a VDI.', async (run) => {
    const message = paramOf(run.params, 'online') === 'true' ? 'VDI.resize_online' : 'VDI.resize';
    await run.context.session.call(message, [await refOf(run, 'VDI'), parseBytes('disk-size', required(run.params, 'disk-size'))]);
  }),
  command(
    'vdi-copy',
    ['uuid'],
    ['sr-uuid', 'base-vdi-uuid', 'into-vdi-uuid'],
    'Copies a VDI, into another one or an SR; prints its uuid.',
    copyDisk,
  ),
  ...(['clone', 'snapshot'] as const).map((how) =>
    command(`vdi-${how}`, ['uuid'], ['driver-params:'], `Makes a ${how} of a VDI; prints its uuid.`, async (run) => {
      await printUuid(run, 'VDI', await run.context.session.call(`VDI.${how}`, [await refOf(run, 'VDI'), mapParam(run, 'driver-params')]));
    }),
  ),
];

function wordOf(text: string | undefined, words: readonly string[], otherwise: string): string {
  if (text === undefined) return otherwise;
  const found = words.find((word) => word.toLowerCase() === text.toLowerCase());
  if (found === undefined) throw new XeFailure(`Unknown word: ${text} (should be one of ${words.join(', ')})`);
  return found;
}

async function makeVbd(run: Run): Promise<void> {
  const { params, context } = run;
  const vdi = await optionalRef(run, 'VDI', 'vdi-uuid');
  const unpluggable = paramOf(params, 'unpluggable');
  const vbd = await context.session.call('VBD.create', [
    {
      VM: await refOf(run, 'VM', 'vm-uuid'),
      VDI: vdi,
      device: '',
      userdevice: required(params, 'device'),
      bootable: flag(params, 'bootable'),
      mode: wordOf(paramOf(params, 'mode'), ['RO', 'RW'], 'RW'),
      type: wordOf(paramOf(params, 'type'), ['CD', 'Disk', 'Floppy'], 'Disk'),
      unpluggable: unpluggable === undefined || parseBool('unpluggable', unpluggable),
      empty: vdi === NULL_REF,
      other_config: {},
      qos_algorithm_type: '',
      qos_algorithm_params: {},
    },
  ]);
  await printUuid(run, 'VBD', vbd);
}

const VBD_COMMANDS: readonly Named[] = [
  command(
    'vbd-create',
    ['vm-uuid', 'device'],
    ['vdi-uuid', 'bootable', 'mode', 'type', 'unpluggable'],
    'Creates a VBD; without vdi-uuid it is an empty drive. Prints its uuid.',
    makeVbd,
  ),
  simple('vbd-destroy', 'VBD', 'destroy', 'Destroys a VBD.'),
  simple('vbd-plug', 'VBD', 'plug', 'Attaches a VBD to its running VM.'),
  command('vbd-unplug', ['uuid'], ['force', 'timeout'], 'Detaches a VBD from its running VM.', async (run) => {
    await run.context.session.call(flag(run.params, 'force') ? 'VBD.unplug_force' : 'VBD.unplug', [await refOf(run, 'VBD')]);
  }),
  command('vbd-insert', ['uuid', 'vdi-uuid'], [], 'Puts a CD into a drive.', async (run) => {
    await run.context.session.call('VBD.insert', [await refOf(run, 'VBD'), await refOf(run, 'VDI', 'vdi-uuid')]);
  }),
  simple('vbd-eject', 'VBD', 'eject', 'Takes the CD out of a drive.'),
];

/** host-uuid, or the pool's master. */
async function hostOf(run: Run): Promise<string> {
  if (paramOf(run.params, 'host-uuid') !== undefined) return refOf(run, 'host', 'host-uuid');
  const [pool] = [...(await run.context.session.records('pool')).values()];
  return asText(pool?.master);
}

async function makeSr(run: Run): Promise<void> {
  const { params, context } = run;
  const size = paramOf(params, 'physical-size');
  const sr = await context.session.call('SR.create', [
    await hostOf(run),
    mapParam(run, 'device-config'),
    size === undefined ? 0 : parseBytes('physical-size', size),
    required(params, 'name-label'),
    paramOf(params, 'name-description') ?? '',
    required(params, 'type'),
    paramOf(params, 'content-type') ?? '',
    flag(params, 'shared'),
    mapParam(run, 'sm-config'),
  ]);
  await printUuid(run, 'SR', sr);
}

const SR_COMMANDS: readonly Named[] = [
  command(
    'sr-create',
    ['name-label', 'type'],
    ['name-description', 'host-uuid', 'physical-size', 'content-type', 'shared', 'device-config:', 'sm-config:'],
    'Creates an SR and plugs it in; prints its uuid.',
    makeSr,
  ),
  simple('sr-destroy', 'SR', 'destroy', 'Destroys an SR that is unplugged and empty.'),
  simple('sr-forget', 'SR', 'forget', 'Removes the records of an SR and its VDIs; what is on it stays.'),
  simple('sr-scan', 'SR', 'scan', 'Looks for VDIs on an SR.'),
  simple('sr-update', 'SR', 'update', 'Reads the sizes of an SR.'),
  command('pbd-create', ['host-uuid', 'sr-uuid'], ['device-config:'], 'Creates a PBD; prints its uuid.', async (run) => {
    const [host, sr] = [await refOf(run, 'host', 'host-uuid'), await refOf(run, 'SR', 'sr-uuid')];
    const record = { host, SR: sr, device_config: mapParam(run, 'device-config'), other_config: {} };
    await printUuid(run, 'PBD', await run.context.session.call('PBD.create', [record]));
  }),
  simple('pbd-destroy', 'PBD', 'destroy', 'Destroys a PBD.'),
  simple('pbd-plug', 'PBD', 'plug', 'Plugs an SR into its host.'),
  simple('pbd-unplug', 'PBD', 'unplug', 'Unplugs an SR from its host.'),
];

export const DEVICE_COMMANDS: readonly Named[] = [...DISK_COMMANDS, ...VBD_COMMANDS, ...SR_COMMANDS, ...NETWORK_COMMANDS];
