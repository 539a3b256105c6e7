// `xennuma explain VM`: a VM's path through the flowchart, in sentences.

import { type Command, Option } from 'commander';
import { wrapWords } from '../../base/columns.js';
import { InputError } from '../../base/errors.js';
import { NO_NAME, unknownName } from '../../base/nearest-word.js';
import { runScenario } from '../../scenario/run-scenario.js';
import type { Outcome } from '../../xenopsd/api/outcome.js';
import { adviceFor, adviceLines } from '../answers/advice/advice.js';
import type { ExplainAnswer } from '../answers/answers.js';
import type { RunningExplanation } from '../answers/explain-on-xen.js';
import { explainedRun } from '../answers/explained-run.js';
import { startAll } from '../answers/start-all.js';
import { summarise } from '../answers/summary.js';
import { refuseBesideFrom } from '../input/from.js';
import { raise, readWorkload, refuseBeside, refuseBesideScenario, settingsOf, type Workload, workloadNotes } from '../input/open-host.js';
import { POOL_ONLY, refuseTogether, refuseWithout } from '../input/option-rules.js';
import { addPoolOptions, type PoolOptions } from '../input/pool-options.js';
import { STATE_FOLDER } from '../input/running.js';
import { openScenario } from '../input/scenario-input.js';
import { type HostSource, hostSources } from '../input/several-hosts.js';
import { addHostOptions, addToolstackOptions, addVmOptions, type WorkloadOptions } from '../input/workload-options.js';
import { EXIT } from '../output/exit-codes.js';
import { writeCapturePage, writeWorkloadPage } from '../output/page-inputs.js';
import { columns, commandColumns, out, palette } from '../output/terminal.js';
import { VERSION } from '../output/version.js';
import { FLOW_FILES, formatOf, writeFlow } from '../output/write-files.js';

const DESCRIBE = 'describe it in --vms';

interface ExplainOptions extends WorkloadOptions, PoolOptions {
  readonly scenario?: string;
  readonly all?: true;
  readonly details?: true;
  readonly state: string;
  readonly json?: true;
  readonly flow?: string;
  readonly html?: string;
}

export function define(command: Command, answer: (code: number) => void): void {
  command
    .description('Explain the placement of a VM, and how to improve it. --details adds each decision, its numbers and surprises.')
    .argument(
      '[vm]',
      'name of the VM; without it the answer lists the names; with --pool its name or uuid; with --on xen and without --vms the name or number of a running domain',
    );
  addToolstackOptions(addPoolOptions(addVmOptions(addHostOptions(command))))
    .option('--scenario <file>', 'explain the VM at the end of a scenario')
    .addOption(new Option('--state <dir>', "with --on xen: folder of xennuma's own VMs").default(STATE_FOLDER))
    .option('--all', 'explain every operation on the VM, not only the last')
    .option('--details', 'add each decision with its numbers, and the sources')
    .option('--json', 'print JSON (schemas/explain.schema.json)')
    .option('--flow <file>', 'write the path through the flowchart to a .txt, .mmd or .svg file')
    .option('--html <file>', 'write a page of the host that opens at this VM: one file, for any browser')
    .addHelpText(
      'after',
      `
Exit codes: 0 it started or runs, 1 it could not start, 2 bad input, 3 no Xen
here, or the pool cannot be reached.

  xennuma explain web-1 --host host.xml --vms vms.yaml --policy best_effort
  xennuma explain web-1 --host host.xml --vms vms.yaml --details
  xennuma explain db --scenario examples/scenarios/race.yaml --all
  xennuma explain web-1 --on xen
  xennuma explain web-1 --pool https://xcp-1 -pwf password.txt --host xcp-1.txt`,
    )
    .action(async (vm: string | undefined, options: ExplainOptions) => answer(await explainVm(vm ?? NO_NAME, options, command)));
}

async function explainVm(name: string, options: ExplainOptions, command: Command): Promise<number> {
  if (options.flow !== undefined) formatOf(options.flow, FLOW_FILES, '--flow');
  if (options.html !== undefined) {
    formatOf(options.html, ['html'], '--html');
    const running = options.vms === undefined && options.scenario === undefined;
    if (options.pool !== undefined || (options.on !== undefined && running)) {
      throw new InputError('--html explains VMs of files, of a scenario or of --from', {}, 'use xennuma show --html, or leave --html out');
    }
  }
  if (options.on !== undefined && options.scenario !== undefined) {
    throw new InputError('expected --on or --scenario, got both', {}, 'leave one of them out');
  }
  if (options.from !== undefined) refuseBesideFrom({ ...options });
  if (options.pool !== undefined && options.ssh === true) {
    refuseTogether(command, '--ssh', BESIDE_POOL);
    const { poolSources } = await import('../input/open-pool.js');
    return explainSources(name, await poolSources(options, [name]), options);
  }
  if (options.pool !== undefined) return explainPoolVm(name, options, command);
  refuseWithout(command, '--pool', POOL_ONLY);
  if (options.from !== undefined && options.vms === undefined) return explainSources(name, hostSources(options.from), options);
  if (options.on !== undefined && options.vms === undefined) return explainDomain(name, options);
  if (options.scenario === undefined && options.vms === undefined && options.host === undefined) {
    throw new InputError(
      'expected a host, got none',
      {},
      'give --from ssh://HOST or --pool URL for a running VM, --host FILE and --vms FILE for a described one',
    );
  }
  const workload = options.scenario === undefined ? await fromFiles(name, options) : await fromScenario(options.scenario, options);
  const known = workload.toolstack.vms();
  const vm = known.find((one) => one.spec.name === name);
  if (vm === undefined)
    throw unknownName(
      'VM',
      name,
      known.map((one) => one.spec.name),
      DESCRIBE,
    );
  const last = vm.outcomes.at(-1);
  if (last === undefined) throw new InputError(`no event starts '${name}'`, {}, 'name a VM that the scenario starts');
  const outcomes: readonly Outcome[] = options.all ? vm.outcomes : [last];
  if (options.flow !== undefined)
    await writeFlow(
      options.flow,
      outcomes.map((outcome) => outcome.record),
    );
  if (options.html !== undefined) await writeWorkloadPage(options.html, workload, name, options.scenario === undefined ? options : null);
  const runs = outcomes.map(({ record }) => explainedRun(record));
  // In the text, the surprises of the run cover them.
  const warnings = workload.warnings.filter((warning) => warning.vms.includes(name));
  const { host, vms } = summarise(workload.toolstack);
  const { profile, policy } = workload.toolstack;
  const seen = workload.seen === undefined ? {} : { seen: workload.seen };
  const recommendation = adviceFor({ spec: vm.spec, vm: vms.find((one) => one.name === name)!, host, profile, policy, ...seen });
  print({ command: 'explain', version: VERSION, vm: name, runs, recommendation, warnings }, options, workloadNotes(workload));
  return last.failure === null ? EXIT.ok : EXIT.no;
}

const BESIDE_POOL = ['--on', '--cpupools', '--vms', '--scenario', '--state', '--all', '--flow', '--policy', '--host-mask', '--parallel'];

async function explainPoolVm(name: string, options: ExplainOptions, command: Command): Promise<number> {
  refuseTogether(command, '--pool', BESIDE_POOL);
  const { explainInPool } = await import('../answers/explain-pool.js');
  const { profile } = options;
  const { answer, failed } = await explainInPool(name, options, profile);
  print(answer, options);
  return failed ? EXIT.no : EXIT.ok;
}

/** A domain of a host that is read from afar. */
async function explainSources(name: string, sources: readonly HostSource[], options: ExplainOptions): Promise<number> {
  const { explainFrom } = await import('../answers/explain-on-xen.js');
  return answerRunning(name, options, async () => {
    const explained = await explainFrom(name, sources);
    if (options.html !== undefined) await writeCapturePage(options.html, explained.captured, explained.domid);
    return explained;
  });
}

async function explainDomain(name: string, options: ExplainOptions): Promise<number> {
  refuseBeside(options);
  const { explainOnXen } = await import('../answers/explain-on-xen.js');
  return answerRunning(name, options, () => explainOnXen(name, options.state));
}

async function answerRunning(name: string, options: ExplainOptions, explained: () => Promise<RunningExplanation>): Promise<number> {
  if (options.all === true) {
    throw new InputError('expected no --all for a running domain', {}, 'leave it out: only the last start is recorded');
  }
  const { runs, record, failed, recommendation = null } = await explained();
  if (options.flow !== undefined) {
    if (record === null)
      throw new InputError(`xennuma has not started '${name}', so its path is not known`, { path: '--flow' }, 'leave --flow out');
    await writeFlow(options.flow, [record]);
  }
  print({ command: 'explain', version: VERSION, vm: name, runs, recommendation, warnings: [] }, options);
  return failed ? EXIT.no : EXIT.ok;
}

function print(result: ExplainAnswer, { json, details }: ExplainOptions, notes: readonly string[] = []): void {
  out(json ? JSON.stringify(result, null, 2) : explainText(result, details === true, notes).join('\n'));
}

async function fromFiles(name: string, options: ExplainOptions): Promise<Workload> {
  const { origin, vms } = await readWorkload(options);
  if (!vms.some((vm) => vm.name === name))
    throw unknownName(
      'VM',
      name,
      vms.map((vm) => vm.name),
      DESCRIBE,
    );
  const workload = await raise(origin, vms, settingsOf(options, origin), options);
  await startAll(workload, options.parallel === true);
  return workload;
}

async function fromScenario(file: string, options: ExplainOptions): Promise<Workload> {
  refuseBesideScenario(options);
  const { scenario, workload } = await openScenario(file, { ...(options.host === undefined ? {} : { host: options.host }) });
  for await (const _ of runScenario(scenario, workload.toolstack)) {
    // Its outcomes stay with the VMs.
  }
  return workload;
}

/**
 * Place, reason and advice; with --details, or for a run without them, every sentence. Links come
 * last and whole, so that they can be copied.
 */
function explainText({ runs, recommendation }: ExplainAnswer, details: boolean, notes: readonly string[]): string[] {
  const colour = palette();
  const width = columns();
  const lines = runs.flatMap(({ title, summary, sentences, sources }, index) => {
    const said = details ? [...summary, ...sentences] : summary;
    const links = details ? sources.map((link, at) => `[${at + 1}] ${link}`) : [];
    return [
      ...(index === 0 ? [] : ['']),
      ...wrapWords(title, width, '  ').map(colour.bold),
      ...(said.length === 0 ? sentences : said).flatMap((sentence) => wrapWords(`- ${sentence}`, width, '  ')),
      ...links,
    ];
  });
  const more = !details && runs.some(({ summary, sentences }) => summary.length > 0 && sentences.length > 0);
  const advice =
    recommendation === null || (recommendation.commands.length === 0 && runs.some(({ summary }) => summary.length > 0))
      ? []
      : ['', ...adviceLines(recommendation, width, commandColumns())];
  return [
    ...lines,
    ...advice,
    ...(notes.length === 0 ? [] : ['', ...notes.flatMap((note) => wrapWords(`note: ${note}`, width, '  '))]),
    ...(more ? ['', ...wrapWords('Each decision, its numbers and the sources: --details', width, '  ').map(colour.dim)] : []),
  ];
}
