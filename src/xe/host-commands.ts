// The commands of xe on hosts (cli_operations.ml of xen-api e2ee48d6).
import { asList, asRecord, asText } from '../xapi-client/values.js';
import type { XeCommand } from './command.js';
import { type Param, paramOf } from './command-line.js';
import { XeFailure } from './failures.js';
import type { XeObject } from './field.js';
import { HOST } from './host-class.js';
import { allObjects, filterByAll, flag, required, STANDARD_PARAMS } from './objects.js';
import type { Run } from './operations.js';
import type { ShownField } from './print.js';

/** Hosts by host= (name, hostname or uuid) or any of their fields. */
export async function forHosts(
  run: Run,
  ignored: readonly string[],
  work: (host: XeObject) => Promise<void>,
  several = false,
): Promise<void> {
  const named = paramOf(run.params, 'host');
  const skipped = new Set([...STANDARD_PARAMS, ...ignored, ...(named === undefined ? [] : ['host'])]);
  const words = run.params.filter(([key]: Param) => !skipped.has(key.split(':')[0]!));
  const all = await allObjects(run.context, HOST);
  const candidates =
    named === undefined ? all : all.filter(({ record: { uuid, name_label, hostname } }) => [uuid, name_label, hostname].includes(named));
  const hosts = await filterByAll(HOST, candidates, words);
  if (hosts.length === 0) throw new XeFailure('No matching hosts found');
  if (hosts.length > 1 && !(several && flag(run.params, 'multiple'))) {
    const way = several ? '--multiple required to complete the operation' : 'Operation can only be performed on one host at a time';
    throw new XeFailure(`Multiple matching hosts found. ${way}`);
  }
  for (const host of hosts) await work(host);
}

function plainField(name: string, value: string): ShownField {
  return { name, mark: ' ( RO)', value, json: value };
}

/** Each VM that cannot leave, with the reason. */
async function stuckVms({ context, params, printer }: Run): Promise<void> {
  const host = await context.session.call('host.get_by_uuid', [required(params, 'uuid')]);
  const stuck = asRecord(await context.session.call('host.get_vms_which_prevent_evacuation', [host]));
  for (const [ref, reason] of Object.entries(stuck)) {
    const vm = asRecord(await context.session.call('VM.get_record', [ref]));
    printer.table([
      [
        plainField('uuid', asText(vm.uuid)),
        { ...plainField('name-label', asText(vm.name_label)), mark: ' ( RW)' },
        plainField('reason', asList(reason).join(',')),
      ],
    ]);
  }
}

function hostCommand(help: string, method: string, several: boolean): XeCommand {
  return {
    required: [],
    optional: ['host'],
    help: `${help} The host is selected by host= (name or uuid) or by any of its fields.`,
    run: (run) => forHosts(run, [], async ({ ref }) => void (await run.context.session.call(method, [ref])), several),
  };
}

/** xe asks whether to go on; here --force is the answer. */
async function ejectHost({ context, params, printer }: Run): Promise<void> {
  const host = await context.session.call('host.get_by_uuid', [required(params, 'host-uuid')]);
  if (!flag(params, 'force')) throw new XeFailure("The host's local SRs go with it. Give --force to take it out of the pool.");
  await context.session.call('pool.eject', [host]);
  printer.list(['The host has left the pool.']);
}

async function joinPool({ context, params }: Run): Promise<void> {
  const words = ['master-address', 'master-username', 'master-password'].map((key) => required(params, key));
  await context.session.call(flag(params, 'force') ? 'pool.join_force' : 'pool.join', words);
}

async function setPowerOnMode(run: Run): Promise<void> {
  const mode = required(run.params, 'power-on-mode');
  const prefix = 'power-on-config:';
  const config = run.params.filter(([key]) => key.startsWith(prefix)).map(([key, value]) => [key.slice(prefix.length), value]);
  const call = (ref: string) => run.context.session.call('host.set_power_on_mode', [ref, mode, Object.fromEntries(config)]);
  await forHosts(run, ['power-on-mode', 'power-on-config'], async ({ ref }) => void (await call(ref)), true);
}

export const HOST_COMMANDS: readonly (readonly [string, XeCommand])[] = [
  ['host-enable', hostCommand('Lets a host take VMs again.', 'host.enable', true)],
  ['host-disable', hostCommand('Keeps a host from taking VMs; those that run stay.', 'host.disable', true)],
  ['host-evacuate', hostCommand('Migrates all VMs away from a host.', 'host.evacuate', false)],
  ['host-reboot', hostCommand('Reboots a host that is disabled and has no VMs.', 'host.reboot', true)],
  ['host-shutdown', hostCommand('Shuts down a host that is disabled and has no VMs.', 'host.shutdown', true)],
  ['host-power-on', hostCommand('Powers on a host that has a power-on mode.', 'host.power_on', true)],
  [
    'host-set-power-on-mode',
    {
      required: ['power-on-mode'],
      optional: ['power-on-config', 'host'],
      help: 'Sets how a host is powered on, such as wake-on-lan; an empty mode: not at all.',
      run: setPowerOnMode,
    },
  ],
  ['pool-eject', { required: ['host-uuid'], optional: ['force'], help: 'Takes a host without VMs out of the pool.', run: ejectHost }],
  [
    'pool-join',
    {
      required: ['master-address', 'master-username', 'master-password'],
      optional: ['force'],
      help: 'Joins the pool of another host.',
      run: joinPool,
    },
  ],
  [
    'host-get-vms-which-prevent-evacuation',
    { required: ['uuid'], optional: [], help: 'Lists the VMs that cannot leave a host, with reasons.', run: stuckVms },
  ],
  [
    'host-compute-free-memory',
    {
      required: [],
      optional: [],
      help: 'Prints the free memory of the host, in bytes.',
      run: (run) =>
        forHosts(run, [], async ({ ref }) => {
          run.printer.list([String(await run.context.session.call('host.compute_free_memory', [ref]))]);
        }),
    },
  ],
];
