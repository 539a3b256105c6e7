// `xennuma plan`: a dry run of VM starts.
import { type Command, Option } from 'commander';
import { wrapWords } from '../../base/columns.js';
import type { VmSpec } from '../../machine/vm.js';
import { effectivePolicy, profileOf } from '../../xenopsd/api/profiles.js';
import type { PlanAnswer } from '../answers/answers.js';
import { startAll } from '../answers/start-all.js';
import { planAnswer } from '../answers/summary.js';
import { type Origin, raise, readWorkload, settingsOf, workloadNotes } from '../input/open-host.js';
import { poolSettings, poolVms, withPoolHost } from '../input/open-pool.js';
import { POOL_ONLY, refuseTogether, refuseWithout } from '../input/option-rules.js';
import { addPoolOptions, type PoolOptions } from '../input/pool-options.js';
import { addHostOptions, addToolstackOptions, addVmOptions, type WorkloadOptions } from '../input/workload-options.js';
import { batchOrder } from '../output/batch-order.js';
import { EXIT } from '../output/exit-codes.js';
import { chosenRows, nodeTable, ROW_CHOICES, type RowChoice, rowsByDefault } from '../output/plan-rows.js';
import { columns, out, palette } from '../output/terminal.js';
import { VERSION } from '../output/version.js';
import { MOST_ROWS, remarks, totalsLines, vmTable } from '../output/vm-table.js';
import { FLOW_FILES, formatOf, writeFlow, writeMap } from '../output/write-files.js';
import { xlLines } from '../output/xl-lines.js';

interface PlanOptions extends WorkloadOptions, PoolOptions {
  readonly json?: true;
  readonly flow?: string;
  readonly map?: string;
  readonly rows?: RowChoice;
  readonly batch?: true;
  readonly as?: 'xl';
}

export function define(command: Command, answer: (code: number) => void): void {
  command.description('Show the nodes that VMs would get if they started now, in this order. Nothing is changed.');
  addToolstackOptions(addPoolOptions(addVmOptions(addHostOptions(command))))
    .option('--json', 'print JSON (schemas/plan.schema.json)')
    .option('--flow <file>', 'write the paths through the flowchart to a .txt, .mmd or .svg file')
    .option('--map <file>', 'write the picture of the host to an .svg file')
    .addOption(
      new Option(
        '--rows <which>',
        'VMs that get a row: all, those spread over nodes, those that fail, or none (default: all up to 200 VMs)',
      ).choices(ROW_CHOICES),
    )
    .option('--batch', 'with --policy tight: start the VMs in the order that places them best')
    .addOption(new Option('--as <format>', 'print the lines of each VM for a configuration of that toolstack').choices(['xl']))
    .addHelpText(
      'after',
      `
Exit codes: 0 all VMs start, 1 a VM cannot start, 2 bad input,
3 the host or pool cannot be reached.

  xennuma plan --host host.xml --vms vms.yaml --policy best_effort
  xl info -n | xennuma plan --host - --vms guest.cfg --profile xl
  xennuma plan --pool https://xcp-1 -pwf password.txt --host xcp-1.txt`,
    )
    .action(async (options: PlanOptions, command: Command) => answer(await plan(options, command)));
}

async function plan(options: PlanOptions, command: Command): Promise<number> {
  if (options.batch === true && options.policy !== 'tight') command.error('error: --batch needs --policy tight');
  if (options.batch === true) refuseTogether(command, '--batch', ['--parallel']);
  if (options.as !== undefined) refuseTogether(command, '--as', ['--json']);
  if (options.flow !== undefined) formatOf(options.flow, FLOW_FILES, '--flow');
  if (options.map !== undefined) formatOf(options.map, ['svg'], '--map');
  if (options.pool === undefined) {
    refuseWithout(command, '--pool', POOL_ONLY);
    const { origin, vms } = await readWorkload(options);
    return planOn(options, origin, vms);
  }
  refuseTogether(command, '--pool', ['--cpupools']);
  // The pool's halted VMs, on the memory that is currently free.
  return withPoolHost(options, (access) =>
    planOn(poolSettings(options, command, access), { host: access.host, live: null }, poolVms(options, access)),
  );
}

async function planOn(options: PlanOptions, origin: Origin, vms: readonly VmSpec[]): Promise<number> {
  const settings = settingsOf(options, origin);
  const policy = effectivePolicy(profileOf(settings.profile), settings.policy);
  const workload = await raise(origin, vms, settings, options);
  const outcomes = await startAll(workload, options.parallel === true, options.batch ? batchOrder(workload, settings.profile) : undefined);
  const { answer: result, summary } = planAnswer(VERSION, { ...workload, settings });
  if (options.flow !== undefined)
    await writeFlow(
      options.flow,
      outcomes.map((outcome) => outcome.record),
    );
  if (options.map !== undefined) await writeMap(options.map, summary.map);
  if (options.json) out(JSON.stringify(result, null, 2));
  else if (options.as === 'xl') out(xlLines(result).join('\n'));
  else {
    const shown = planText(result, policy.name, options.rows ?? rowsByDefault(result.vms.length));
    const notes = workloadNotes(workload).flatMap((note) => wrapWords(`note: ${note}`, columns(), '  '));
    out([...shown, ...(notes.length === 0 ? [] : ['', ...notes])].join('\n'));
  }
  return summary.totals.failed > 0 ? EXIT.no : EXIT.ok;
}

function planText(result: PlanAnswer, means: string, rows: RowChoice): string[] {
  const colour = palette();
  const policy = result.policy === means ? means : `${result.policy} (${means})`;
  const notes = remarks(result.vms, result.warnings, colour);
  const count = result.vms.length;
  const vms = `${count} VM${count === 1 ? '' : 's'}`;
  const shown = chosenRows(result.vms, rows);
  const say = (text: string) => wrapWords(text, columns(), '  ');
  return [
    ...say(`${colour.bold(result.host.name)}, ${result.host.hypervisor}: ${vms}, profile ${result.profile}, policy ${policy}`),
    '',
    ...(rows === 'all' && count <= MOST_ROWS ? [] : [...nodeTable(result.host, result.vms, colour), '']),
    ...(shown.length === 0 ? [] : [...vmTable(result.host, shown, colour, shown.length), '']),
    ...totalsLines(result.totals, colour),
    ...(rows === 'none' ? say('Rows of the VMs: --rows all, --rows spread or --rows failed').map(colour.dim) : []),
    ...(means === 'any' ? say(`${result.profile} places no VM under this policy; try --policy best_effort.`) : []),
    ...(notes.length === 0 ? [] : ['', ...notes]),
  ];
}
