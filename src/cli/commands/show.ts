// `xennuma show`: the map of a host, with or without VMs, as text or as SVG.

import type { Command } from 'commander';
import { wrapWords } from '../../base/columns.js';
import { InputError } from '../../base/errors.js';
import { hostSummary } from '../../machine/xen-sees.js';
import type { HostMap } from '../../map/host-map.js';
import type { PageData } from '../../page/page-data.js';
import { mapOfPool } from '../../pool/workload.js';
import { runScenario } from '../../scenario/run-scenario.js';
import { renderHostMapText } from '../../view/host-map-text.js';
import type { ShowAnswer } from '../answers/answers.js';
import { startAll } from '../answers/start-all.js';
import { summarise, summariseMap } from '../answers/summary.js';
import { refuseBesideFrom } from '../input/from.js';
import { raise, readOrigin, readVms, refuseBeside, refuseBesideScenario, settingsOf, type Workload } from '../input/open-host.js';
import { poolSources, withPoolHost } from '../input/open-pool.js';
import { POOL_ONLY, refuseWithout } from '../input/option-rules.js';
import { addPoolOptions, type PoolOptions } from '../input/pool-options.js';
import { openScenario } from '../input/scenario-input.js';
import { type HostSource, hostSources, readHosts, remarkFailures } from '../input/several-hosts.js';
import { addHostOptions, addToolstackOptions, addVmOptions, type WorkloadOptions } from '../input/workload-options.js';
import { EXIT } from '../output/exit-codes.js';
import { pageOfWorkload } from '../output/page-inputs.js';
import { columns, commandColumns, out, palette } from '../output/terminal.js';
import { VERSION } from '../output/version.js';
import { remarks } from '../output/vm-table.js';
import { formatOf, writeMap, writePage } from '../output/write-files.js';

interface ShowOptions extends WorkloadOptions, PoolOptions {
  readonly scenario?: string;
  readonly svg?: string;
  readonly html?: string;
  /** false: --no-memory */
  readonly memory: boolean;
  readonly json?: true;
}

export function define(command: Command, answer: (code: number) => void): void {
  command.description('Show the map of a host: nodes, CPUs and memory to scale, and the VMs of --vms, --scenario or a real host.');
  addToolstackOptions(addPoolOptions(addVmOptions(addHostOptions(command))))
    .option('--scenario <file>', 'show the host at the end of a scenario')
    .option('--no-memory', "with --on: do not read memory by node (debug key 'u')")
    .option('--svg <file>', 'write the picture to an .svg file')
    .option('--html <file>', 'write a page of the host: one file, for any browser')
    .option('--json', 'print JSON (schemas/show.schema.json)')
    .addHelpText(
      'after',
      `
Exit codes: 0 shown, 1 a VM could not start, 2 bad input,
3 the host or pool cannot be reached.

  lstopo --of xml | xennuma show --host -
  xennuma show --host host.xml --vms vms.yaml --svg host.svg
  xennuma show --from ssh://root@xen-1 --html host.html
  xennuma show --on xen`,
    )
    .action(async (options: ShowOptions, command: Command) => {
      if (options.pool === undefined) refuseWithout(command, '--pool', POOL_ONLY);
      answer(await show(options));
    });
}

async function show(options: ShowOptions): Promise<number> {
  if (options.svg !== undefined) formatOf(options.svg, ['svg'], '--svg');
  if (options.html !== undefined) formatOf(options.html, ['html'], '--html');
  if (options.pool !== undefined) {
    if (options.vms !== undefined || options.scenario !== undefined) {
      throw new InputError('--pool shows the VMs that run there', {}, 'leave --vms and --scenario out, or use xennuma plan');
    }
    if (options.ssh === true) return showSources(await poolSources(options, []), options);
    return withPoolHost(options, async (access) => showMap(mapOfPool(access), options, 'live'));
  }
  if (options.from !== undefined && options.vms === undefined) {
    refuseBesideFrom({ ...options });
    return showSources(hostSources(options.from), options);
  }
  if (options.on !== undefined && options.vms === undefined) return showLive(options);
  if (!options.memory) throw new InputError('--no-memory needs a running host', {}, 'leave it out');
  const workload = await occupy(options);
  const summary = summarise(workload.toolstack);
  if (options.svg !== undefined) await writeMap(options.svg, summary.map);
  if (options.html !== undefined) {
    await writePage(options.html, 'embedded', [await pageOfWorkload(workload, options.scenario === undefined ? options : null)]);
  }
  const result: ShowAnswer = {
    command: 'show',
    version: VERSION,
    host: summary.host,
    vms: [...summary.vms],
    totals: summary.totals,
    notes: [...workload.host.notes],
  };
  if (options.json) out(JSON.stringify(result, null, 2));
  else {
    const colour = palette();
    const alone = workload.toolstack.vms().length === 0;
    const notes = remarks(summary.vms, workload.warnings, colour);
    const map = renderHostMapText(summary.map, { width: columns(), color: colour.on }).trimEnd();
    // Without VMs nothing depends on the profile.
    if (!alone && workload.profileNote !== undefined) notes.push(...wrapWords(`note: ${workload.profileNote}`, columns(), '  '));
    out([...(alone ? [...hostSummary(workload.host, columns()), ''] : []), map, ...(notes.length === 0 ? [] : ['', ...notes])].join('\n'));
  }
  return summary.totals.failed > 0 ? EXIT.no : EXIT.ok;
}

/**
 * Hosts over ssh, or one from a capture, a status report or a text. A host that cannot be read does
 * not hide the others.
 */
async function showSources(sources: readonly HostSource[], options: ShowOptions): Promise<number> {
  if (options.svg !== undefined && sources.length > 1) {
    throw new InputError(`--svg draws one host, got ${sources.length}`, { path: '--svg' }, 'name one host');
  }
  const { read, failed } = await readHosts(sources, { memory: options.memory });
  for (const [index, { captured }] of read.entries()) {
    if (index > 0 && options.json !== true) out('\n');
    await showMap(captured.live, { ...options, html: undefined }, 'file');
  }
  if (options.html !== undefined && read.length > 0) {
    const { pageOfCapture } = await import('../../page/page-of-capture.js');
    await writePage(
      options.html,
      sources.every(({ source }) => source.startsWith('ssh://')) ? 'live' : 'file',
      await Promise.all(read.map(({ captured }) => pageOfCapture(captured))),
    );
  }
  remarkFailures(failed);
  return failed.length > 0 ? EXIT.unreachable : EXIT.ok;
}

/** The running host itself. Nothing is planned or changed. */
async function showLive(options: ShowOptions): Promise<number> {
  refuseBeside(options);
  if (options.scenario !== undefined) throw new InputError('expected --on or --scenario, got both', {}, 'leave one of them out');
  const { lookAtXen } = await import('../input/on-xen.js');
  return showMap(await lookAtXen({ memory: options.memory }), options, 'live');
}

/** The current state of a host. */
async function showMap(
  { map, notes }: { readonly map: HostMap; readonly notes: readonly string[] },
  options: Omit<ShowOptions, 'html'> & { readonly html?: string | undefined },
  kind: PageData['kind'],
): Promise<number> {
  if (options.svg !== undefined) await writeMap(options.svg, map);
  if (options.html !== undefined) {
    const { pageOfMap } = await import('../../page/page-inputs.js');
    await writePage(options.html, kind, [pageOfMap({ map, notes })]);
  }
  if (options.json) {
    const { host, vms, totals } = summariseMap(map);
    const known = (key: 'onOneNode' | 'remotePages') => (vms.some((vm) => vm[key] === null) ? null : totals[key]);
    const result: ShowAnswer = {
      command: 'show',
      version: VERSION,
      host,
      vms: [...vms],
      totals: { ...totals, onOneNode: known('onOneNode'), remotePages: known('remotePages') },
      notes: [...notes],
    };
    out(JSON.stringify(result, null, 2));
  } else {
    const drawn = renderHostMapText(map, { width: columns(), color: palette().on }).trimEnd();
    out(
      [drawn, ...(notes.length === 0 ? [] : ['', ...notes.flatMap((note) => wrapWords(`note: ${note}`, commandColumns(), '  '))])].join(
        '\n',
      ),
    );
  }
  return EXIT.ok;
}

async function occupy(options: ShowOptions): Promise<Workload> {
  if (options.scenario !== undefined) {
    refuseBesideScenario(options);
    const { scenario, workload } = await openScenario(options.scenario, { ...(options.host === undefined ? {} : { host: options.host }) });
    for await (const _ of runScenario(scenario, workload.toolstack)) {
      // Only what stands at the end is shown.
    }
    return workload;
  }
  const origin = await readOrigin(options);
  const vms = options.vms === undefined ? [] : readVms(options.vms, origin.host);
  const workload = await raise(origin, vms, settingsOf(options, origin), options);
  await startAll(workload, options.parallel === true);
  return workload;
}
