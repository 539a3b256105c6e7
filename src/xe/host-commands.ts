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

export const HOST_COMMANDS: readonly (readonly [string, XeCommand])[] = [
  ['host-enable', hostCommand('Lets a host take VMs again.', 'host.enable', true)],
  ['host-disable', hostCommand('Keeps a host from taking VMs; those that run stay.', 'host.disable', true)],
  ['host-evacuate', hostCommand('Migrates all VMs away from a host.', 'host.evacuate', false)],
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
