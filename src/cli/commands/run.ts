// `xennuma run SCENARIO`: events over time, the outcome of each, and the scenario's expectations.

import type { Command } from 'commander';
import { wrapWords } from '../../base/columns.js';
import { type EventResult, runScenario } from '../../scenario/run-scenario.js';
import type { Outcome } from '../../xenopsd/api/outcome.js';
import { effectivePolicy, profileOf } from '../../xenopsd/api/profiles.js';
import type { RunAnswer } from '../answers/answers.js';
import { type Summary, summarise, surprisesOf } from '../answers/summary.js';
import { STATE_FOLDER } from '../input/running.js';
import { openScenario, type RunOptions, type ScenarioInput, type ScenarioWorkload } from '../input/scenario-input.js';
import { addHostOverride, addXenstoreOptions, onOption, parseSeed } from '../input/workload-options.js';
import { EXIT } from '../output/exit-codes.js';
import { cpuWords, memoryWords } from '../output/phrases.js';
import { columns, out, type Palette, Progress, palette } from '../output/terminal.js';
import { VERSION } from '../output/version.js';
import { remarks, totalsLines, vmTable } from '../output/vm-table.js';
import { isRemarkable, type UserWarning } from '../output/warnings.js';
import { FLOW_FILES, formatOf, writeFlow, writeMap } from '../output/write-files.js';

export function define(command: Command, answer: (code: number) => void): void {
  command
    .description('Play a scenario: events over time, the outcome of each, and the host at the end. On an embedded Xen or a real host.')
    .argument('<scenario>', 'scenario file in YAML or JSON, or - for stdin');
  addXenstoreOptions(addHostOverride(command))
    .option('--seed <number>', "seed for the order of parallel starts (default: the scenario's)", parseSeed)
    .addOption(onOption('play on the host this command runs on'))
    .option('--state <dir>', 'with --on: folder of the VMs; created when missing', STATE_FOLDER)
    .option('--keep', "with --on: leave the scenario's VMs running; by default they are stopped and forgotten")
    .option('--change-host', 'with --on: allow events that change the host itself (CPUs offline, pools)')
    .option('--summary', 'print only events that broke an expectation, and the host at the end')
    .option('--json', 'print JSON (schemas/run.schema.json)')
    .option('--flow <file>', 'write the paths through the flowchart to a .txt, .mmd or .svg file')
    .option('--map <file>', 'write the picture of the host at the end to an .svg file')
    .addHelpText(
      'after',
      `
Exit codes: 0 every expectation held, 1 one did not, or an operation failed
unexpectedly, 2 bad input, 3 no Xen here.

With --xenstore SOCKET the keys of the VMs go to a daemon (docs/xenstore.md),
and those of VMs that run at the end stay there until the next run.

With --on xen the scenario's VMs are started on the real host, and need a kernel
to boot (docs/real-host.md). A killed run leaves its VMs in the state folder:
xennuma vm list --on xen shows them.

  xennuma run examples/scenarios/chart.yaml`,
    )
    .action(async (file: string, options: RunOptions) => answer(await run(file, options)));
}

async function run(file: string, options: RunOptions): Promise<number> {
  if (options.flow !== undefined) formatOf(options.flow, FLOW_FILES, '--flow');
  if (options.map !== undefined) formatOf(options.map, ['svg'], '--map');
  if (options.on !== undefined) return (await import('../answers/run-on-xen.js')).runOnXen(file, options, play);
  const opened = await openScenario(file, options);
  try {
    return await play(opened, options);
  } finally {
    await opened.workload.toolstack.doors.xs.close();
  }
}

async function play(
  { scenario, workload }: Pick<ScenarioInput, 'scenario'> & { readonly workload: ScenarioWorkload },
  options: RunOptions,
): Promise<number> {
  const colour = palette();
  const { toolstack } = workload;
  const results: EventResult[] = [];
  const progress = new Progress('events', scenario.events.length);
  if (!options.json) out([...headLines(scenario.title, workload, colour), ''].join('\n'));
  for await (const result of runScenario(scenario, toolstack)) {
    results.push(result);
    progress.at(results.length);
    const shown = options.json !== true && (options.summary !== true || !result.asExpected);
    if (shown) out(eventText(result, summarise(toolstack), workload.warnings, colour).join('\n'));
  }
  progress.end();
  const summary = summarise(toolstack);
  const outcomes = results.flatMap((result) => result.outcomes);
  if (options.flow !== undefined)
    await writeFlow(
      options.flow,
      outcomes.map((outcome) => outcome.record),
    );
  if (options.map !== undefined) await writeMap(options.map, summary.map);
  const asExpected = results.every((result) => result.asExpected);
  if (options.json) out(JSON.stringify(toAnswer(scenario.title, results, summary, workload.warnings), null, 2));
  else
    out(
      [
        '',
        colour.bold('At the end'),
        '',
        ...vmTable(summary.host, summary.vms, colour),
        '',
        ...totalsLines(summary.totals, colour),
        ...(options.summary === true ? [countLine(results)] : []),
        ...verdict(results, colour),
      ].join('\n'),
    );
  return asExpected ? EXIT.ok : EXIT.no;
}

/** Title, settings at the start, and why the profile is that one where the scenario names none. */
function headLines(title: string, { toolstack, warnings, profileNote }: ScenarioWorkload, colour: Palette): string[] {
  const { profile, policy } = toolstack;
  const { name, hypervisor } = summarise(toolstack).host;
  const means = effectivePolicy(profileOf(profile), policy).name;
  const settings = `${name}, ${hypervisor}: profile ${profile}, policy ${policy}${policy === means ? '' : ` (${means})`}`;
  return [
    ...wrapWords(title, columns()).map(colour.bold),
    ...wrapWords(settings, columns(), '  ').map(colour.dim),
    ...remarks([], warnings, colour),
    ...(profileNote === undefined ? [] : wrapWords(`note: ${profileNote}`, columns(), '  ')),
  ];
}

function toAnswer(title: string, results: readonly EventResult[], summary: Summary, warnings: readonly UserWarning[]): RunAnswer {
  return {
    command: 'run',
    version: VERSION,
    title,
    events: results.map((result) => ({
      ...result,
      outcomes: result.outcomes.map(({ vm, operation, domid, failure, record }) => ({
        vm,
        operation,
        domid,
        failure,
        surprises: surprisesOf(record),
        path: record.edgesTaken(),
      })),
      checks: [...result.checks],
    })),
    host: summary.host,
    vms: [...summary.vms],
    totals: summary.totals,
    asExpected: results.every((result) => result.asExpected),
    warnings: [...warnings],
  };
}

/** The event, its outcomes, and its checks. */
function eventText(result: EventResult, summary: Summary, warnings: readonly UserWarning[], colour: Palette): string[] {
  const width = columns();
  const lines = wrapWords(`${String(result.index + 1).padStart(3)}  ${colour.bold(result.title)}`, width, '     ');
  const add = (text: string, paint = (line: string) => line) => lines.push(...wrapWords(`     ${text}`, width, '       ').map(paint));
  if (result.note !== null) lines.push(...wrapWords(`     ${result.note}`, width, '     ').map(colour.dim));
  const shown = result.outcomes.slice(0, 12);
  for (const outcome of shown) {
    add(outcomeText(outcome, summary), outcome.failure === null ? undefined : colour.bad);
    for (const { code, text } of surprisesOf(outcome.record)) if (isRemarkable(code, warnings)) add(`note: ${text}`);
  }
  if (result.outcomes.length > shown.length) add(`... and ${result.outcomes.length - shown.length} more`);
  if (result.refusal !== null) add(`refused: ${result.refusal}`, colour.bad);
  const alone = new Set(result.checks.map((check) => check.vm)).size === 1;
  for (const vm of new Set(result.checks.map((check) => check.vm))) {
    const name = vm === null || alone ? '' : `${vm}: `;
    const checks = result.checks.filter((check) => check.vm === vm);
    const held = checks.filter((check) => check.held).map((check) => check.text);
    if (held.length > 0) add(`as expected: ${name}${held.join(', ')}`, colour.good);
    for (const check of checks) if (!check.held) add(`NOT AS EXPECTED: ${name}${check.text}; found: ${check.found}`, colour.bad);
  }
  return lines;
}

function outcomeText(outcome: Outcome, summary: Summary): string {
  if (outcome.failure !== null) return `${outcome.vm}: FAILED in ${outcome.failure.step}: ${outcome.failure.message}`;
  const vm = summary.vms.find((one) => one.name === outcome.vm);
  if (vm === undefined || vm.domid === null || outcome.domid === null) return `${outcome.vm}: halted`;
  const words = cpuWords(summary.host);
  const masks = (lists: readonly string[] | null) => (lists ?? []).map((list) => words(list, 20)).join(' | ');
  return `${outcome.vm}: domain ${outcome.domid}, hard ${masks(vm.hard)}, soft ${masks(vm.soft)}, memory on ${memoryWords(vm.pagesByNode ?? [])}`;
}

function verdict(results: readonly EventResult[], colour: Palette): string[] {
  const checks = results.flatMap((result) => result.checks);
  const broken = results.filter((result) => !result.asExpected);
  const held = checks.filter((check) => check.held).length;
  const line = checks.length === 0 ? [] : [`${held} of ${checks.length} expectations held.`];
  const named = broken.map((result) => result.index + 1).slice(0, 10);
  return broken.length === 0
    ? line
    : [...line, colour.bad(`Not as expected: event ${named.join(', ')}${broken.length > 10 ? ' ...' : ''}.`)];
}

/** "600 events, 812 operations, 3 failed." */
function countLine(results: readonly EventResult[]): string {
  const outcomes = results.flatMap((result) => result.outcomes);
  const failed = outcomes.filter(({ failure }) => failure !== null).length;
  return `${results.length} event${results.length === 1 ? '' : 's'}, ${outcomes.length} operation${outcomes.length === 1 ? '' : 's'}, ${failed} failed.`;
}
