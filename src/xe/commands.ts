// The table of xe's commands: the parameters and action of each, for running, for help and for
// completion.

import type { XeCommand } from './command.js';
import type { Param } from './command-line.js';
import type { XeContext } from './context.js';
import { DEVICE_XE_CLASSES } from './devices/classes.js';
import { DEVICE_COMMANDS } from './devices/commands.js';
import { DRIVE_COMMANDS } from './devices/drives.js';
import { INSTALL_COMMANDS } from './devices/install.js';
import { eventWait } from './event-wait.js';
import type { Field, XeClass } from './field.js';
import { GROUP_COMMANDS, GROUP_XE_CLASSES } from './groups/groups.js';
import { HOST, HOST_CPU, POOL, TASK } from './host-class.js';
import { HOST_COMMANDS } from './host-commands.js';
import { list, paramAdd, paramClear, paramGet, paramList, paramRemove, paramSet } from './objects.js';
import {
  type Run,
  taskCancel,
  vmCopied,
  vmCreate,
  vmDestroy,
  vmMigrate,
  vmPause,
  vmReboot,
  vmResume,
  vmShutdown,
  vmStart,
  vmSuspend,
  vmUnpause,
} from './operations.js';
import type { Printer } from './print.js';
import { REMAINING_XE_CLASSES } from './remaining/classes.js';
import { REMAINING_COMMANDS } from './remaining/commands.js';
import { LIVE_COMMANDS } from './settings/live.js';
import { SETTINGS } from './settings/vm.js';
import { SINGLE_COMMANDS } from './single/all.js';
import { SINGLE_XE_CLASSES } from './single/classes.js';
import { SNAPSHOT_COMMANDS } from './snapshot-commands.js';
import { SNAPSHOT, TEMPLATE, VM } from './vm-class.js';

export const XE_CLASSES: readonly XeClass[] = [
  POOL,
  VM,
  TEMPLATE,
  SNAPSHOT,
  HOST,
  HOST_CPU,
  TASK,
  ...GROUP_XE_CLASSES,
  ...DEVICE_XE_CLASSES,
  ...REMAINING_XE_CLASSES,
  ...SINGLE_XE_CLASSES,
];

const settable = (field: Field) => field.set !== undefined;
const growing = (field: Field) => field.addToSet !== undefined || field.addToMap !== undefined;

type OfClass = (context: XeContext, xeClass: XeClass, params: readonly Param[], printer: Printer) => Promise<void>;

function classCommands(xeClass: XeClass): [string, XeCommand][] {
  const fields = xeClass.fields.filter((field) => !field.hidden);
  const names = fields.map((field) => field.name);
  const sets = fields.filter((field) => field.getSet !== undefined).map((field) => `${field.name}:contains`);
  const writable = [
    ...fields.filter(settable).map((field) => field.name),
    ...fields.filter((field) => field.addToMap ?? field.setInMap).map((field) => `${field.name}:`),
  ];
  const of = (work: OfClass): Pick<XeCommand, 'of' | 'run'> => ({
    of: xeClass,
    run: ({ context, params, printer }) => work(context, xeClass, params, printer),
  });
  const commands: [string, XeCommand][] = [
    [
      'list',
      {
        required: [],
        optional: ['params', ...names, ...sets],
        help: `Lists the ${xeClass.name}s that fit the given fields; a map is filtered by map:key=value, a set by set:contains=value.`,
        ...(xeClass === VM ? { common: true } : {}),
        ...of(list),
      },
    ],
    ['param-list', { required: ['uuid'], optional: [], help: 'Lists all fields of the object.', ...of(paramList) }],
    [
      'param-get',
      {
        required: ['uuid', 'param-name'],
        optional: ['param-key'],
        help: 'Prints one field; of a map, the value of one key.',
        ...of(paramGet),
      },
    ],
  ];
  if (writable.length > 0) {
    commands.push([
      'param-set',
      { required: ['uuid'], optional: writable, help: 'Sets fields; a key of a map is set by map:key=value.', ...of(paramSet) },
    ]);
  }
  if (fields.some(growing)) {
    commands.push(
      [
        'param-add',
        {
          required: ['uuid', 'param-name'],
          optional: ['param-key'],
          help: 'Adds a member to a set by param-key=member, or keys to a map by key=value.',
          ...of(paramAdd),
        },
      ],
      [
        'param-remove',
        {
          required: ['uuid', 'param-name', 'param-key'],
          optional: [],
          help: 'Removes a member of a set or a key of a map.',
          ...of(paramRemove),
        },
      ],
    );
  }
  if (fields.some((field) => settable(field) || field.getSet !== undefined || field.getMap !== undefined)) {
    commands.push(['param-clear', { required: ['uuid', 'param-name'], optional: [], help: 'Empties a field.', ...of(paramClear) }]);
  }
  return commands.map(([name, command]) => [`${xeClass.name}-${name}`, command]);
}

function vmCommand(optional: readonly string[], help: string, run: (run: Run) => Promise<void>): XeCommand {
  return { required: [], optional, help, selectsVms: true, common: true, run };
}

export const XE_COMMANDS: ReadonlyMap<string, XeCommand> = new Map<string, XeCommand>([
  ...XE_CLASSES.flatMap(classCommands),
  [
    'vm-create',
    {
      required: ['name-label'],
      optional: ['name-description'],
      help: 'Creates a halted VM with one vCPU and 256 MiB; prints its uuid.',
      run: vmCreate,
    },
  ],
  ['vm-destroy', { required: ['uuid'], optional: [], help: 'Destroys a halted VM; its storage stays.', run: vmDestroy }],
  [
    'vm-clone',
    {
      required: ['new-name-label'],
      optional: ['new-name-description'],
      help: 'Makes a copy of a halted VM; prints its uuid.',
      selectsVms: true,
      common: true,
      run: (run) => vmCopied(run, 'VM.clone', { templates: true }),
    },
  ],
  ['vm-start', vmCommand(['force', 'on', 'paused', 'progress'], 'Starts VMs; on= takes the name or uuid of a host.', vmStart)],
  ['vm-shutdown', vmCommand(['force', 'progress'], 'Shuts VMs down; --force takes their power.', vmShutdown)],
  ['vm-reboot', vmCommand(['force', 'progress'], 'Reboots VMs; --force does not ask the guest.', vmReboot)],
  ['vm-pause', vmCommand([], 'Pauses running VMs; they keep their memory.', vmPause)],
  ['vm-unpause', vmCommand([], 'Lets paused VMs run again.', vmUnpause)],
  ['vm-suspend', vmCommand(['progress'], 'Suspends VMs to storage.', vmSuspend)],
  ['vm-resume', vmCommand(['force', 'on', 'progress'], 'Resumes suspended VMs.', vmResume)],
  [
    'vm-migrate',
    {
      required: [],
      optional: ['host', 'host-uuid', 'live', 'force', 'compress', 'progress'],
      help: 'Migrates VMs to a host of the pool; host= takes its name or uuid.',
      selectsVms: true,
      common: true,
      run: vmMigrate,
    },
  ],
  [
    'event-wait',
    {
      required: ['class'],
      optional: [],
      help: 'Waits until an object of the class (vm, host, pool, task) fits all of field=value and field=/=value.',
      run: (run) => eventWait(run),
    },
  ],
  ...SETTINGS,
  ...HOST_COMMANDS,
  ...SNAPSHOT_COMMANDS,
  ...INSTALL_COMMANDS,
  ...DRIVE_COMMANDS,
  ...LIVE_COMMANDS,
  ...GROUP_COMMANDS,
  ...DEVICE_COMMANDS,
  ...REMAINING_COMMANDS,
  ...SINGLE_COMMANDS,
  ['task-cancel', { required: ['uuid'], optional: [], help: 'Asks the host to cancel a task.', run: taskCancel }],
]);
