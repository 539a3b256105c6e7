// `xennuma replay`: a trace of VMs on a fleet of equal hosts, under several policies, host rules
// and loads.
import { availableParallelism } from 'node:os';
import { type Command, InvalidArgumentError } from 'commander';
import { InputError } from '../../base/errors.js';
import { CHOOSE_RULES } from '../../replay/choose/choosers.js';
import { hostType } from '../../replay/fleet/host-type.js';
import { replayPolicy } from '../../replay/fleet/policies.js';
import { replayAll } from '../../replay/replay-runs.js';
import { generatedTrace } from '../../replay/trace/generated.js';
import { beginningOf, peakOf, scaled, type Trace } from '../../replay/trace/trace.js';
import type { ReplayAnswer } from '../answers/replay-schema.js';
import { addFleetHostOptions, type FleetHostOptions, fleetHost, wholeFrom } from '../input/fleet-host.js';
import { readTrace } from '../input/trace-files.js';
import { parseSeed } from '../input/workload-options.js';
import { EXIT } from '../output/exit-codes.js';
import { replaySvg } from '../output/replay-svg.js';
import { replayCsv, replayMomentsCsv, replayText } from '../output/replay-text.js';
import { replayReport } from '../output/reports/replay-report.js';
import { out, Progress, palette } from '../output/terminal.js';
import { VERSION } from '../output/version.js';
import { formatOf, writeOutput, writePage } from '../output/write-files.js';

interface ReplayOptions extends FleetHostOptions {
  readonly generate?: number;
  readonly first?: number;
  readonly hosts: readonly number[];
  readonly policy: readonly string[];
  readonly choose: readonly (typeof CHOOSE_RULES)[number][];
  readonly scale: readonly number[];
  readonly seed: readonly number[];
  readonly jobs: number;
  readonly moments: number;
  readonly bound?: true;
  readonly json?: true;
  readonly csv?: true;
  readonly overTime?: true;
  readonly svg?: string;
  readonly html?: string;
}

const MOST_HOSTS = 1_000_000;
const MOST_RUNS = 1000;

export function define(command: Command, answer: (code: number) => void): void {
  command
    .description('Replay a trace of VMs on a fleet of equal hosts: how well each placement policy does.')
    .argument('[trace...]', 'CSV with time,vcpus,memory,duration, or files of the Azure format; gzip too')
    .option('--generate <vms>', 'generate a trace of this many VMs instead, from the first --seed', wholeFrom(1, 5_000_000));
  command.option('--first <vms>', 'number of VMs to read from the start of the trace (default: all)', wholeFrom(1, 100_000_000));
  addFleetHostOptions(command)
    .requiredOption('--hosts <numbers>', 'hosts of the fleet; several numbers are several loads', listOf(wholeFrom(1, MOST_HOSTS)))
    .option('--policy <names>', 'profiles, tight, any or PROFILE/POLICY', listOf(policyName), ['xapi-26.3', 'xl', 'tight'])
    .option('--choose <rules>', `how hosts are chosen: ${CHOOSE_RULES.join(', ')}`, listOf(chooseRule), ['random'])
    .option('--scale <factors>', "factor of the VMs' vCPUs and memory", listOf(factor), [1])
    .option('--seed <numbers>', 'seed of the random choice of hosts', listOf(parseSeed), [1])
    .option('--jobs <number>', 'replays to run at once (one for each core by default)', wholeFrom(1, 256), availableParallelism())
    .option('--moments <number>', 'number of moments to record', wholeFrom(0, 100_000), 48)
    .option('--bound', 'add the share of memory that could be on one node at most, at the peak of the trace')
    .option('--json', 'print JSON (schemas/replay.schema.json)')
    .option('--csv', 'print CSV, a line for each replay')
    .option('--svg <file>', 'draw the figures over time as an .svg file; - prints it')
    .option('--html <file>', 'write a page with the figures: one file, for any browser')
    .option('--over-time', 'with --csv: a line for each replay and moment')
    .addHelpText(
      'after',
      `
Lists are separated by commas. Each combination is one replay; the same seed
gives the same figures. Exit codes: 0 done (failed starts are in the table),
2 bad input.

  xennuma replay vms.csv --nodes 4 --hosts 100,120 --policy xapi-26.3,tight`,
    )
    .action(async (files: string[], options: ReplayOptions, command: Command) => answer(await replayCommand(files, options, command)));
}

function listOf<T>(item: (text: string) => T): (text: string) => T[] {
  return (text) => text.split(',').map((part) => item(part.trim()));
}

function policyName(text: string): string {
  try {
    return replayPolicy(text).name;
  } catch (error) {
    throw new InvalidArgumentError((error as { mend?: string }).mend ?? String(error));
  }
}

function chooseRule(text: string): (typeof CHOOSE_RULES)[number] {
  const found = CHOOSE_RULES.find((rule) => rule === text);
  if (found === undefined) throw new InvalidArgumentError(`unknown '${text}': expected one of ${CHOOSE_RULES.join(', ')}`);
  return found;
}

function factor(text: string): number {
  const value = Number(text);
  if (!/^\d{1,3}(\.\d{1,3})?$/.test(text) || value <= 0) throw new InvalidArgumentError('expected a factor such as 4 or 0.5');
  return value;
}

/** @throws InputError when there is no trace, or two */
function traceOf(files: readonly string[], { generate, seed }: ReplayOptions): Trace {
  if (generate === undefined && files.length === 0)
    throw new InputError('expected a trace, got none', {}, 'name its file, or give --generate VMS');
  if (generate === undefined) return readTrace(files);
  if (files.length > 0) throw new InputError('expected a trace or --generate, got both', {}, 'leave one of them out');
  return generatedTrace(generate, seed[0]!);
}

async function replayCommand(files: readonly string[], options: ReplayOptions, command: Command): Promise<number> {
  if (options.json && options.csv) command.error('error: expected --json or --csv, got both; leave one of them out');
  if (options.overTime && !options.csv) command.error('error: --over-time needs --csv; JSON has the moments in any case');
  const { svg } = options;
  if (svg !== undefined && svg !== '-') formatOf(svg, ['svg'], '--svg');
  if (options.html !== undefined) formatOf(options.html, ['html'], '--html');
  if (svg !== undefined && options.moments === 0) command.error('error: --svg draws moments, and --moments 0 records none');
  if (svg === '-' && (options.json || options.csv)) command.error('error: --svg - prints the picture; leave --json and --csv out');
  const host = fleetHost(options, command);
  const type = hostType(host);
  const { moments, bound = false, hosts: loads, policy: policies, choose: rules, scale: scales, seed: seeds } = options;
  const runs = loads.flatMap((hosts) =>
    scales.flatMap((scale) =>
      rules.flatMap((choose) => policies.flatMap((policy) => seeds.map((seed) => ({ policy, hosts, choose, scale, seed })))),
    ),
  );
  if (runs.length > MOST_RUNS) command.error(`error: these are ${runs.length} replays, at most ${MOST_RUNS}; shorten the lists`);
  const whole = traceOf(files, options);
  const trace = options.first === undefined ? whole : beginningOf(whole, options.first);
  const traces = new Map(scales.map((scale) => [scale, scale === 1 ? trace : scaled(trace, scale)]));
  const tasks = runs.map(({ scale, ...settings }) => ({ trace: traces.get(scale)!, settings: { ...settings, host, moments, bound } }));
  const progress = new Progress('replaying', 2 * trace.vms * tasks.length);
  const results = await replayAll(tasks, options.jobs, (events) => progress.at(events));
  progress.end();
  const result: ReplayAnswer = {
    command: 'replay',
    version: VERSION,
    trace: { name: trace.name, vms: trace.vms, seconds: trace.endSeconds - trace.arrival[0]!, peak: peakOf(trace) },
    host: {
      name: type.name,
      nodes: type.nodes,
      cores: type.cores.reduce((sum, cores) => sum + cores, 0),
      cpus: type.cpus.reduce((sum, cpus) => sum + cpus, 0),
      freeBytes: type.freeMib * 2 ** 20,
    },
    runs: runs.map((run, index) => ({ ...run, ...results[index]!, overTime: [...results[index]!.overTime] })),
  };
  if (svg !== undefined) writeOutput(svg, replaySvg(result));
  if (options.html !== undefined) await writePage(options.html, 'file', [], { view: 'view=report', report: replayReport(result) });
  if (svg === '-') return EXIT.ok;
  if (options.json) out(JSON.stringify(result, null, 2));
  else if (options.csv) out((options.overTime ? replayMomentsCsv(result) : replayCsv(result)).join('\n'));
  else out(replayText(result, palette()).join('\n'));
  return EXIT.ok;
}
