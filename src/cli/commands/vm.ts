// `xennuma vm`: the life of VMs on the real host. A state folder keeps the VMs from one command to
// the next.
import { Argument, type Command } from 'commander';
import { InputError } from '../../base/errors.js';
import { harmless } from '../../base/safe-text.js';
import type { VmSpec } from '../../machine/vm.js';
import type { Outcome } from '../../xenopsd/api/outcome.js';
import { DEFAULT_PROFILE } from '../../xenopsd/api/profiles.js';
import type { Toolstack } from '../../xenopsd/api/toolstack.js';
import type { VmsAnswer } from '../answers/answers.js';
import { summarise } from '../answers/summary.js';
import { STATE_FOLDER } from '../input/running.js';
import { addToolstackOptions, onOption, type WorkloadOptions } from '../input/workload-options.js';
import { EXIT } from '../output/exit-codes.js';
import { out, Progress, palette } from '../output/terminal.js';
import { VERSION } from '../output/version.js';
import { remarks, totalsLines, vmTable } from '../output/vm-table.js';
import { endedWarnings, userWarnings } from '../output/warnings.js';
import { FLOW_FILES, formatOf, writeFlow } from '../output/write-files.js';

const ACTIONS = [
  'create',
  'start',
  'shutdown',
  'stop',
  'reboot',
  'pause',
  'unpause',
  'suspend',
  'resume',
  'migrate',
  'destroy',
  'list',
] as const;
type Action = (typeof ACTIONS)[number];

interface VmOptions extends Pick<WorkloadOptions, 'vms' | 'profile' | 'policy' | 'hostMask'> {
  readonly state: string;
  readonly keepOnNode?: true;
  readonly flow?: string;
  readonly json?: true;
}

export function define(command: Command, answer: (code: number) => void): void {
  command
    .description('Create, start, stop and destroy VMs on this host. A state folder keeps them from one command to the next.')
    .addArgument(new Argument('<action>', 'action').choices(ACTIONS))
    .argument('[vms...]', 'names of VMs');
  addToolstackOptions(command.addOption(onOption('the host this command runs on').makeOptionMandatory()))
    .option('--state <dir>', 'folder of the VMs; created when missing', STATE_FOLDER)
    .option('--vms <file...>', 'for create: VM descriptions in YAML or JSON, or xl configs')
    .option('--host-mask <list>', "the host's guest_VCPUs_params:mask, such as 0,1,2")
    .option('--keep-on-node', "allocate a VM's memory on its one node, even if extents of 1 GiB would come from another")
    .option('--flow <file>', 'write the paths through the flowchart to a .txt, .mmd or .svg file')
    .option('--json', 'print JSON (schemas/vm.schema.json)')
    .addHelpText(
      'after',
      `
create registers VMs, shutdown asks their guests to shut down, stop ends their
domains at once, destroy also forgets them. suspend keeps a guest's memory in
the state folder, resume gives it to a new domain, and migrate moves it to one
while the guest runs. The next command cleans up after a killed one, and
removes the domain of a guest that shut itself down.

Exit codes: 0 done, 1 the host refused, 2 bad input, 3 no Xen here.

  xennuma vm create --on xen --vms web.yaml
  xennuma vm start web-1 web-2 --on xen --policy best_effort`,
    )
    .action(async (action: Action, names: string[], options: VmOptions) => answer(await vm(action, names, options)));
}

async function vm(action: Action, names: readonly string[], options: VmOptions): Promise<number> {
  check(action, names, options);
  const { withToolstack } = await import('../input/toolstack-on-xen.js');
  const { profile = DEFAULT_PROFILE, policy, hostMask, keepOnNode } = options;
  const settings = { profile, policy, seed: 1, ...(hostMask === undefined ? {} : { hostMask }) };
  return withToolstack(options.state, settings, keepOnNode === true ? { keepOnNode } : {}, (toolstack) =>
    perform(toolstack, action, names, options),
  );
}

function check(action: Action, names: readonly string[], { vms, flow }: VmOptions): void {
  if (flow !== undefined) formatOf(flow, FLOW_FILES, '--flow');
  if (action === 'create' && vms === undefined)
    throw new InputError('expected VMs, got none', {}, 'give --vms FILE (see docs/hosts-and-vms.md)');
  if (action !== 'create' && vms !== undefined) throw new InputError('--vms is only for create', {}, 'name the VMs instead');
  const wantsNames = action !== 'create' && action !== 'list';
  if (wantsNames && names.length === 0) throw new InputError(`expected names of VMs to ${action}, got none`, {}, 'vm list shows them');
  if (!wantsNames && names.length > 0) throw new InputError(`${action} takes no names, got '${names[0]}'`, {}, 'leave them out');
  if (new Set(names).size !== names.length) throw new InputError('a VM is named twice', { path: names.join(' ') }, 'name each VM once');
}

async function perform(toolstack: Toolstack, action: Action, names: readonly string[], options: VmOptions): Promise<number> {
  const known = new Set(toolstack.vms().map(({ spec }) => spec.name));
  const unknown = names.find((name) => !known.has(name));
  if (unknown !== undefined)
    throw new InputError(`there is no VM '${unknown}' in ${options.state}`, { path: unknown }, 'vm list shows them');
  const ended = toolstack.vms().flatMap(({ outcomes }) => outcomes.filter(({ operation }) => operation === 'ended'));
  if (action === 'create') for (const spec of await newVms(toolstack, options)) await toolstack.add(spec);
  const outcomes: Outcome[] = [];
  const progress = new Progress('VMs', names.length);
  for (const name of names) {
    outcomes.push(...(await act(toolstack, action, name)));
    progress.at(outcomes.length);
  }
  progress.end();
  if (options.flow !== undefined)
    await writeFlow(
      options.flow,
      outcomes.map(({ record }) => record),
    );
  print(toolstack, action, { ended, outcomes }, options);
  return outcomes.some(({ failure }) => failure !== null) ? EXIT.no : EXIT.ok;
}

/**
 * All are checked before the first is added.
 * @throws InputError for files of VMs, a name in use, and a VM that no real host can start
 */
async function newVms(toolstack: Toolstack, { vms, state }: VmOptions): Promise<VmSpec[]> {
  const [{ mustBeLoadable, mustBeNew, runningHost }, { readVms }] = await Promise.all([
    import('../input/toolstack-on-xen.js'),
    import('../input/open-host.js'),
  ]);
  const specs = readVms(vms!, await runningHost(toolstack));
  const names = specs.map(({ name }) => name);
  mustBeNew(toolstack, names, state);
  mustBeLoadable(specs);
  return specs;
}

async function act(toolstack: Toolstack, action: Action, name: string): Promise<Outcome[]> {
  const { domid, power, outcomes } = toolstack.vms().find(({ spec }) => spec.name === name)!;
  const justEnded = domid === null && outcomes.at(-1)?.operation === 'ended';
  switch (action) {
    case 'stop':
    case 'shutdown':
      return justEnded ? [] : [await toolstack[action](name)];
    case 'reboot':
      return [justEnded ? await toolstack.start(name) : await toolstack.reboot(name)];
    case 'start':
    case 'pause':
    case 'unpause':
    case 'suspend':
    case 'resume':
      return [await toolstack[action](name)];
    case 'migrate':
      return [await toolstack.migrateLocal(name)];
    case 'destroy': {
      const stopped = power === 'halted' ? [] : [await toolstack.stop(name)];
      if (stopped.every(({ failure }) => failure === null)) await toolstack.remove(name);
      return stopped;
    }
    case 'create':
    case 'list':
      return [];
  }
}

interface Happened {
  /** VMs whose guests had shut down before this command. */
  readonly ended: readonly Outcome[];
  readonly outcomes: readonly Outcome[];
}

function print(toolstack: Toolstack, action: Action, { ended, outcomes }: Happened, options: VmOptions): void {
  const { host, vms, totals } = summarise(toolstack);
  const warnings = [...endedWarnings(ended), ...userWarnings(toolstack)];
  if (options.json) {
    const result: VmsAnswer = {
      command: 'vm',
      version: VERSION,
      action,
      host,
      outcomes: [...ended, ...outcomes].map(({ vm, operation, domid, failure }) => ({ vm, operation, domid, failure })),
      vms: [...vms],
      totals,
      warnings: [...warnings],
    };
    out(JSON.stringify(result, null, 2));
    return;
  }
  const colour = palette();
  if (vms.length === 0) {
    out(`no VMs in ${harmless(options.state)}`);
    return;
  }
  const notes = remarks(vms, warnings, colour);
  out([...vmTable(host, vms, colour), '', ...totalsLines(totals, colour), ...(notes.length === 0 ? [] : ['', ...notes])].join('\n'));
}
