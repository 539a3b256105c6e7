// The hosts that `xennuma rebalance` works on: the end of a scenario, VMs started on a described
// host, the host that the command runs on, or one from afar.
import { InputError, XenError } from '../../../base/errors.js';
import type { CapturedHost } from '../../../live/capture/captured-host.js';
import { xapiVmOf } from '../../../live/capture/toolstack.js';
import type { LiveMap } from '../../../live/live-map.js';
import { ownRecord } from '../../../live/place-commands.js';
import { applyPlace } from '../../../live/place-running.js';
import { pinCommand } from '../../../live/rebalance/move-commands.js';
import { runScenario } from '../../../scenario/run-scenario.js';
import { profileOf } from '../../../xenopsd/api/profiles.js';
import { readFrom, refuseBesideFrom, sourcesOf, withHost } from '../../input/from.js';
import {
  raise,
  readWorkload,
  refuseBeside,
  refuseBesideScenario,
  settingsOf,
  type Workload,
  workloadNotes,
} from '../../input/open-host.js';
import { openScenario } from '../../input/scenario-input.js';
import type { WorkloadOptions } from '../../input/workload-options.js';
import { EXIT } from '../../output/exit-codes.js';
import { out, remark } from '../../output/terminal.js';
import { writePage } from '../../output/write-files.js';
import { startAll } from '../start-all.js';
import { type Rebalanced, type RebalancedHost, type RebalanceOptions, rebalanceHost } from './rebalance.js';
import { rebalanceText } from './text.js';

export interface RebalanceSources extends WorkloadOptions, RebalanceOptions {
  readonly scenario?: string;
  readonly dryRun?: true;
  readonly yes?: true;
  readonly html?: string;
}

/** @returns the exit code */
export async function rebalanceAnswer(names: readonly string[], options: RebalanceSources): Promise<number> {
  if (options.from !== undefined) return rebalanceFrom(names, options, options.from);
  if (options.scenario !== undefined || options.vms !== undefined || options.host !== undefined) {
    if (options.yes === true) throw new InputError('--yes needs a running host', {}, 'leave it out: moves are shown');
    return print(await rebalanceHost(names, ofWorkload(await occupied(options)), options), options, false);
  }
  refuseBeside(options);
  return rebalanceHere(names, options);
}

async function print({ answer, host }: Rebalanced, { json, html }: RebalanceSources, failed: boolean): Promise<number> {
  if (html !== undefined) {
    const [{ pageOfMap }, { rebalanceReport }] = await Promise.all([
      import('../../../page/page-inputs.js'),
      import('../../output/reports/rebalance-report.js'),
    ]);
    await writePage(html, host.kind, [pageOfMap(host, host.captured)], { view: 'view=report', report: rebalanceReport(answer) });
  }
  out(json === true ? JSON.stringify(answer, null, 2) : rebalanceText(answer).join('\n'));
  return failed ? EXIT.no : EXIT.ok;
}

type Occupied = Pick<Workload, 'host' | 'toolstack' | 'seen' | 'profileNote'>;

/** An embedded host, with its VMs started. */
async function occupied(options: RebalanceSources): Promise<Occupied> {
  if (options.on !== undefined) refuseBeside(options);
  if (options.scenario !== undefined) {
    refuseBesideScenario(options);
    const { scenario, workload } = await openScenario(options.scenario, options.host === undefined ? {} : { host: options.host });
    for await (const _ of runScenario(scenario, workload.toolstack)) {
      // The VMs are rebalanced as they stand at the end.
    }
    return workload;
  }
  const { origin, vms } = await readWorkload(options);
  const workload = await raise(origin, vms, settingsOf(options, origin), options);
  const outcomes = await startAll(workload, options.parallel === true);
  const failed = outcomes.filter(({ failure }) => failure !== null).map(({ vm }) => vm);
  if (failed.length > 0) remark(`xennuma: not started: ${failed.join(', ')}`);
  return workload;
}

/** The commands are those of the profile's toolstack, and of Qubes where the host shows it. */
function ofWorkload(occupied: Occupied): RebalancedHost {
  const { toolstack, seen } = occupied;
  const specs = new Map(toolstack.vms().map(({ domid, spec }) => [domid, spec]));
  const ofXl = seen === 'qubes' ? 'qubes' : 'xl';
  const kind = profileOf(toolstack.profile).toolstack === 'libxl' ? ofXl : 'xapi';
  return {
    map: toolstack.snapshot(),
    infos: [],
    notes: workloadNotes(occupied),
    kind: 'embedded',
    moved: (domid) => {
      const mask = specs.get(domid)?.vcpusParams.mask;
      return { toolstack: kind, ...(mask === undefined ? {} : { mask }) };
    },
  };
}

async function rebalanceHere(names: readonly string[], options: RebalanceSources): Promise<number> {
  const [{ withXenHere }, { liveMap, readKey }] = await Promise.all([import('../../input/on-xen.js'), import('../../../live/live-map.js')]);
  return withXenHere(async (host) => {
    const live = await liveMap(host, { memory: true });
    // libxl keeps a folder of keys for each of its domains; xapi's have none.
    const types = await Promise.all(
      live.map.domains.map(async ({ domid }) => [domid, await readKey(host.xs, `/libxl/${domid}/type`)] as const),
    );
    const ofXl = new Set(types.flatMap(([domid, type]) => (type === undefined ? [] : [domid])));
    const rebalanced = await rebalanceHost(
      names,
      { ...ofLive(live), kind: 'live', moved: (domid) => movedHere(live, domid, ofXl.has(domid)) },
      options,
    );
    if (options.yes !== true) return print(rebalanced, options, false);
    let failed = false;
    const { plan, answer } = rebalanced;
    for (const [index, { vm, cpus }] of plan.freeMoves.entries()) {
      const move = answer.freeMoves[index]!;
      move.state = 'left';
      if (failed) continue;
      try {
        applyPlace(host.xc, { domain: live.map.domains.find(({ domid }) => domid === vm)!, cpus });
        move.state = 'done';
      } catch (error) {
        if (!(error instanceof XenError)) throw error;
        failed = true;
        move.state = 'failed';
        remark(`xennuma: ${move.command}: ${error.message}`);
      }
    }
    return print(rebalanced, options, failed);
  });
}

function ofLive({ map, infos, notes }: LiveMap): Omit<RebalancedHost, 'moved' | 'kind'> {
  return { map, infos, notes };
}

function movedHere({ uuids }: LiveMap, domid: number, ofXl: boolean): ReturnType<RebalancedHost['moved']> {
  const uuid = uuids.get(domid);
  return ofXl || uuid === undefined ? { toolstack: 'xl' } : { toolstack: 'xapi', uuid };
}

/** A host over ssh, from a capture, a status report or a text; only the first can be changed. */
async function rebalanceFrom(names: readonly string[], options: RebalanceSources, source: string): Promise<number> {
  refuseBesideFrom({ ...options });
  if (options.vms !== undefined) throw new InputError('expected --from or --vms, got both', {}, 'leave one of them out');
  if (sourcesOf(source).length > 1) throw new InputError('expected one host, got several', { path: '--from' }, 'rebalance one at a time');
  if (options.yes !== true)
    return print(
      await rebalanceHost(names, ofCapture(await readFrom(source), source.startsWith('ssh://') ? 'live' : 'file'), options),
      options,
      false,
    );
  if (!source.startsWith('ssh://')) {
    throw new InputError(`--yes needs a host over ssh, got '${source}'`, { path: '--from' }, 'leave --yes out: the commands are shown');
  }
  return withHost(source, async (host) => {
    const rebalanced = await rebalanceHost(names, ofCapture(await host.read(), 'live'), options);
    let failed = false;
    for (const [index, move] of rebalanced.answer.freeMoves.entries()) {
      move.state = 'left';
      if (failed) continue;
      const { status, why } = await host.run(pinCommand(rebalanced.plan.freeMoves[index]!));
      failed = status !== 0;
      move.state = failed ? 'failed' : 'done';
      if (failed) remark(`xennuma: \`${move.command}\` ended with status ${status}${why === '' ? '' : `: ${why}`}`);
    }
    return print(rebalanced, options, failed);
  });
}

function ofCapture(captured: CapturedHost, kind: RebalancedHost['kind']): RebalancedHost {
  const { live, xapi } = captured;
  const host = xapi.vms.length === 0 ? null : ownRecord(captured);
  return {
    ...ofLive(live),
    kind,
    captured,
    moved: (domid) => {
      const known = live.uuids.get(domid);
      const name = live.map.domains.find((domain) => domain.domid === domid)!.name;
      const vm = xapiVmOf(xapi, name, known);
      const uuid = vm?.uuid ?? known;
      // The host on which the VM runs is this one.
      const hostUuid = host?.uuid ?? vm?.running?.hostUuid;
      return {
        toolstack: captured.toolstack,
        ...(uuid === undefined ? {} : { uuid }),
        ...(hostUuid === undefined ? {} : { hostUuid }),
        ...(vm?.mask === undefined ? {} : { mask: vm.mask }),
      };
    },
  };
}
