// `xennuma rebalance`: from a host with its domains to a plan of moves, with the commands that make
// them. With --yes the free moves are made; migrations never are.
import { formatList } from '../../../base/bitset.js';
import { hasControls } from '../../../base/safe-text.js';
import { shellWord } from '../../../base/shell-word.js';
import { PAGE_BYTES } from '../../../base/units.js';
import type { CapturedHost } from '../../../live/capture/captured-host.js';
import { loadHighs } from '../../../live/rebalance/highs.js';
import { type MovedVm, migrationCommands, pinCommand } from '../../../live/rebalance/move-commands.js';
import { type HostProblem, problemOfMap } from '../../../live/rebalance/problem-of-map.js';
import { exactSnapshot, type SnapshotBound, snapshotBound } from '../../../live/rebalance/snapshot-bound.js';
import type { HostMap } from '../../../map/host-map.js';
import type { PageData } from '../../../page/page-data.js';
import type { PlaceFigures, RebalancePlan, RebalanceTotals } from '../../../planner/rebalance/problem.js';
import { rebalance } from '../../../planner/rebalance/rebalance.js';
import type { DomainInfo } from '../../../xenctrl/xenctrl.js';
import { pickDomains } from '../../input/running.js';
import { VERSION } from '../../output/version.js';
import type { RebalanceAnswer } from './schema.js';

/** A host to rebalance, whatever it was read from. */
export interface RebalancedHost {
  readonly map: HostMap;
  /** Xen's information on the domains; [] if only the map is known. */
  readonly infos: readonly DomainInfo[];
  readonly notes: readonly string[];
  /** For the badge of its page. */
  readonly kind: PageData['kind'];
  /** For plans of its page, where it was read from listings. */
  readonly captured?: CapturedHost;
  /** How a domain is migrated. */
  readonly moved: (domid: number) => Omit<MovedVm, 'name'>;
}

export interface RebalanceOptions {
  readonly maxMoves?: number;
  readonly maxBytes?: number;
  readonly bound?: true;
  readonly json?: true;
}

export interface Rebalanced {
  readonly plan: RebalancePlan;
  readonly answer: RebalanceAnswer;
  readonly host: RebalancedHost;
}

/**
 * @param names names or numbers of the domains that may be moved; all by default
 * @throws InputError for an unknown name, or for figures that cannot be true
 */
export async function rebalanceHost(names: readonly string[], host: RebalancedHost, options: RebalanceOptions): Promise<Rebalanced> {
  const { map, notes } = host;
  const found = problemOfMap(map, host.infos, pickDomains(map, names));
  const { maxMoves, maxBytes } = options;
  const plan = rebalance(found.problem, {
    ...(maxMoves === undefined ? {} : { maxMoves }),
    ...(maxBytes === undefined ? {} : { maxPages: Math.floor(maxBytes / PAGE_BYTES) }),
  });
  const nameOf = (domid: number) => map.domains.find((domain) => domain.domid === domid)!.name;
  const answer: RebalanceAnswer = {
    command: 'rebalance',
    version: VERSION,
    host: map.name,
    hypervisor: map.hypervisor,
    limits: { maxMoves: maxMoves ?? null, maxBytes: maxBytes ?? null },
    freeMoves: plan.freeMoves.map((move) => ({
      domid: move.vm,
      name: nameOf(move.vm),
      nodes: [...move.nodes],
      cpus: formatList(move.cpus),
      before: figuresAnswer(move.before),
      after: figuresAnswer(move.after),
      command: pinCommand(move).map(shellWord).join(' '),
      state: 'shown',
    })),
    migrations: plan.migrations.map((move) => ({
      domid: move.vm,
      name: nameOf(move.vm),
      nodes: [...move.nodes],
      cpus: formatList(move.cpus),
      before: figuresAnswer(move.before),
      after: figuresAnswer(move.after),
      bytes: move.pagesAfter.reduce((sum, pages) => sum + pages, 0) * PAGE_BYTES,
      bytesBefore: move.pagesBefore.map((pages) => pages * PAGE_BYTES),
      bytesAfter: move.pagesAfter.map((pages) => pages * PAGE_BYTES),
      makesRoom: move.makesRoom,
      commands: migrationCommands({ ...host.moved(move.vm), name: uniqueName(map, move.vm) }, move),
    })),
    before: totalsAnswer(plan.before),
    afterFreeMoves: totalsAnswer(plan.afterFreeMoves),
    after: totalsAnswer(plan.after),
    exact: plan.exact,
    left: leftOver(map, found, plan, options),
    bound: options.bound === true ? await boundAnswer(map) : null,
    notes: [...notes],
  };
  return { plan, answer, host };
}

/** The bound if all VMs were packed anew at this instant. */
export async function boundAnswer(map: HostMap): Promise<NonNullable<RebalanceAnswer['bound']>> {
  const solve = await loadHighs();
  const best = solve === null ? null : exactSnapshot(map, solve);
  return { ...bytesOf(snapshotBound(map)), best: best === null ? null : bytesOf(best) };
}

function bytesOf({ onOneNode, pagesOnOneNode }: SnapshotBound): { onOneNode: number; bytesOnOneNode: number } {
  return { onOneNode, bytesOnOneNode: pagesOnOneNode * PAGE_BYTES };
}

/** The number where several domains share the name, or where a terminal must not show it. */
function uniqueName({ domains }: HostMap, domid: number): string {
  const { name } = domains.find((domain) => domain.domid === domid)!;
  const shared = domains.filter((domain) => domain.name === name).length > 1;
  return shared || hasControls(name) ? String(domid) : name;
}

function figuresAnswer({ onOneNode, mean, worst, remotePages }: PlaceFigures): RebalanceAnswer['freeMoves'][number]['before'] {
  return { onOneNode, meanDistance: mean, worstDistance: worst, remoteBytes: remotePages * PAGE_BYTES };
}

function totalsAnswer(totals: RebalanceTotals): RebalanceAnswer['before'] {
  const { vms, onOneNode, pagesOnOneNode, meanDistance, worstDistance, remotePages } = totals;
  return {
    ...{ vms, onOneNode, bytesOnOneNode: pagesOnOneNode * PAGE_BYTES },
    ...{ meanDistance, worstDistance, remoteBytes: remotePages * PAGE_BYTES },
  };
}

/** VMs that are not on one node at the end, and what keeps each from it. */
function leftOver(map: HostMap, { problem, stays }: HostProblem, plan: RebalancePlan, options: RebalanceOptions): RebalanceAnswer['left'] {
  const ends = new Map(plan.ends.map((end) => [end.vm, end]));
  return problem.vms.flatMap((vm) => {
    const { domid, name } = map.domains.find((domain) => domain.domid === vm.id)!;
    const end = ends.get(domid)!;
    if (end.onOneNode) return [];
    return [{ domid, name, reason: stays.get(domid) ?? reasonLeft(end, options) }];
  });
}

function reasonLeft({ cpusFit }: RebalancePlan['ends'][number], { maxMoves, maxBytes }: RebalanceOptions): string {
  if (!cpusFit) return 'no node that its vCPUs may use has enough cores for them';
  return maxMoves === undefined && maxBytes === undefined
    ? 'no node has room for all of it, nor was room made'
    : 'no node has room for all of it within the limits';
}
