// xe on appliances and on groups of VMs: fields in xe's order (records.ml and cli_operations.ml of
// xen-api e2ee48d6).
import { asText } from '../../xapi-client/values.js';
import type { XeCommand } from '../command.js';
import { paramOf } from '../command-line.js';
import { refs, text, words, type XeClass } from '../field.js';
import { flag, required } from '../objects.js';
import type { Run } from '../operations.js';

const common = [text('uuid', 'uuid'), text('name-label', 'name_label', 'rw'), text('name-description', 'name_description', 'rw')];

export const GROUP_XE_CLASSES: readonly XeClass[] = [
  {
    name: 'appliance',
    apiClass: 'VM_appliance',
    fields: [
      ...common,
      refs('VMs', 'VMs', 'VM', true),
      words('allowed-operations', 'allowed_operations'),
      words('current-operations', 'current_operations'),
    ],
    // xe lists all of them.
    listed: ['uuid', 'name-label', 'name-description', 'VMs', 'allowed-operations', 'current-operations'],
    filters: [],
  },
  {
    name: 'vm-group',
    apiClass: 'VM_group',
    fields: [...common, text('placement', 'placement'), refs('vm-uuids', 'VMs', 'VM')],
    listed: ['uuid', 'name-label', 'name-description', 'placement', 'vm-uuids'],
    filters: [],
  },
];

type Named = readonly [string, XeCommand];

/** Prints the uuid of what it makes. */
function creation(name: string, type: string, needs: readonly string[], help: string, more: (run: Run) => object): Named {
  const run = async (context: Run): Promise<void> => {
    const { session } = context.context;
    const label = required(context.params, 'name-label');
    const about = paramOf(context.params, 'name-description') ?? '';
    const ref = await session.call(`${type}.create`, [{ name_label: label, name_description: about, ...more(context) }]);
    context.printer.list([asText(await session.call(`${type}.get_uuid`, [ref]))]);
  };
  return [name, { required: ['name-label', ...needs], optional: ['name-description'], help, run }];
}

function onOne(name: string, type: string, optional: readonly string[], help: string, call: (run: Run) => [string, ...unknown[]]): Named {
  const run = async (context: Run): Promise<void> => {
    const { session } = context.context;
    const ref = await session.call(`${type}.get_by_uuid`, [required(context.params, 'uuid')]);
    const [message, ...more] = call(context);
    await session.call(`${type}.${message}`, [ref, ...more]);
  };
  return [name, { required: ['uuid'], optional, help, run }];
}

export const GROUP_COMMANDS: readonly Named[] = [
  creation('appliance-create', 'VM_appliance', [], 'Makes an appliance: VMs that start and stop together.', () => ({})),
  onOne('appliance-destroy', 'VM_appliance', [], 'Destroys an appliance; its VMs stay.', () => ['destroy']),
  onOne('appliance-start', 'VM_appliance', ['paused'], "Starts an appliance's VMs, the lowest order first.", ({ params }) => [
    'start',
    flag(params, 'paused'),
  ]),
  onOne('appliance-shutdown', 'VM_appliance', ['force'], "Shuts down an appliance's VMs, the highest order first.", ({ params }) => [
    flag(params, 'force') ? 'hard_shutdown' : 'clean_shutdown',
  ]),
  creation('vm-group-create', 'VM_group', ['placement'], 'Makes a group of VMs, with placement=anti_affinity or normal.', ({ params }) => ({
    placement: required(params, 'placement'),
  })),
  onOne('vm-group-destroy', 'VM_group', [], 'Destroys a group; its VMs stay.', () => ['destroy']),
];
