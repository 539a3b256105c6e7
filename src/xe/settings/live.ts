// The commands of xe on what VMs and hosts have now, and on plugins (cli_operations.ml of xen-api
// e2ee48d6).
import { asText, type Json } from '../../xapi-client/values.js';
import type { XeCommand } from '../command.js';
import { XeFailure } from '../failures.js';
import { parseBytes } from '../field.js';
import { forHosts } from '../host-commands.js';
import { flag, required } from '../objects.js';
import { forVms, type Run } from '../operations.js';

type Named = readonly [string, XeCommand];
type Work = (run: Run, ref: string, record: Json) => Promise<void>;

function onVms(
  name: string,
  needs: readonly string[],
  help: string,
  work: Work,
  controlDomains = false,
  optional: readonly string[] = [],
): Named {
  const run = (one: Run) => forVms(one, ({ ref, record }) => work(one, ref, record), { ignored: [...needs, ...optional], controlDomains });
  return [name, { required: needs, optional, help, selectsVms: true, run }];
}

const refOf = async ({ context, params }: Run, type: string, key: string): Promise<string> =>
  asText(await context.session.call(`${type}.get_by_uuid`, [required(params, key)]));

function plain(name: string, needs: readonly string[], help: string, run: XeCommand['run'], optional: readonly string[] = []): Named {
  return [name, { required: needs, optional, help, run }];
}

/** xe asks whether to go on; here --force is the answer. */
function onDeadHost(name: string, method: string, help: string): Named {
  const run = async (one: Run): Promise<void> => {
    if (!flag(one.params, 'force')) throw new XeFailure('Is the host really off, and does it stay off? Then give --force.');
    await one.context.session.call(method, [await refOf(one, 'host', 'uuid')]);
  };
  return plain(name, ['uuid'], help, run, ['force']);
}

async function callPlugin(run: Run, type: 'VM' | 'host'): Promise<void> {
  const { params, context, printer } = run;
  const args = params.filter(([key]) => key.startsWith('args:')).map(([key, value]) => [key.slice('args:'.length), value]);
  const words = [required(params, 'plugin'), required(params, 'fn'), Object.fromEntries(args)];
  const target = await refOf(run, type, `${type.toLowerCase()}-uuid`);
  printer.list([asText(await context.session.call(`${type}.call_plugin`, [target, ...words]))]);
}

export const LIVE_COMMANDS: readonly Named[] = [
  onVms(
    'vm-memory-target-wait',
    [],
    'Waits until VMs have their memory.',
    async ({ context }, ref) => {
      await context.session.call('VM.wait_memory_target_live', [ref]);
    },
    true,
  ),
  onVms(
    'vm-compute-memory-overhead',
    [],
    'Prints what VMs take beside their memory, in bytes.',
    async ({ context, printer }, ref) => printer.list([String(await context.session.call('VM.compute_memory_overhead', [ref]))]),
    true,
  ),
  onVms(
    'vm-compute-maximum-memory',
    ['total'],
    'Prints the largest memory with which a VM fits into the given one, in bytes.',
    async ({ context, params, printer }, ref) => {
      const words = [parseBytes('total', required(params, 'total')), flag(params, 'approximate')];
      printer.list([String(await context.session.call('VM.maximise_memory', [ref, ...words]))]);
    },
    false,
    ['approximate'],
  ),
  onVms('vm-copy-bios-strings', ['host-uuid'], 'Copies the BIOS strings of a host to VMs.', async (run, ref) => {
    await run.context.session.call('VM.copy_bios_strings', [ref, await refOf(run, 'host', 'host-uuid')]);
  }),
  onVms('vm-restart-device-models', [], 'Starts the device models of VMs anew.', async ({ context }, ref) => {
    await context.session.call('VM.restart_device_models', [ref]);
  }),
  plain('vm-call-plugin', ['vm-uuid', 'plugin', 'fn'], "Calls a function of a plugin of a VM's guest.", (run) => callPlugin(run, 'VM'), [
    'args:',
  ]),
  plain('host-call-plugin', ['host-uuid', 'plugin', 'fn'], 'Calls a function of a plugin of a host.', (run) => callPlugin(run, 'host'), [
    'args:',
  ]),
  plain('host-set-hostname-live', ['host-uuid', 'host-name'], "Sets a host's name in the network.", async (run) => {
    const host = await refOf(run, 'host', 'host-uuid');
    await run.context.session.call('host.set_hostname_live', [host, required(run.params, 'host-name')]);
  }),
  plain('host-management-reconfigure', ['pif-uuid'], 'Manages a host through another PIF.', async (run) => {
    await run.context.session.call('host.management_reconfigure', [await refOf(run, 'PIF', 'pif-uuid')]);
  }),
  plain('host-syslog-reconfigure', ['host-uuid'], "Applies a host's settings of its log.", async (run) => {
    await run.context.session.call('host.syslog_reconfigure', [await refOf(run, 'host', 'host-uuid')]);
  }),
  plain(
    'host-sync-data',
    [],
    'Stores data of a host beside the database of the pool.',
    (run) => forHosts(run, [], async ({ ref }) => void (await run.context.session.call('host.sync_data', [ref])), true),
    ['host'],
  ),
  onDeadHost('host-declare-dead', 'host.declare_dead', 'Says that a host is off.'),
  onDeadHost('host-forget', 'host.destroy', 'Removes a host that is off for ever.'),
  plain('pool-sync-database', [], "Stores the pool's database on all hosts.", async ({ context }) => {
    await context.session.call('pool.sync_database', []);
  }),
];
