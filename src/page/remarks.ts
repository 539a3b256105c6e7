// Remarks on the VMs of a host that are not on one node: the reason, and the command that helps.
// Pure.
import { shellWord } from '../base/shell-word.js';
import { formatBytes, PAGE_BYTES } from '../base/units.js';
import { pinCommands } from '../live/place-commands.js';
import { type Choice, PlaceChooser } from '../live/place-running.js';
import { nodeWords } from '../map/drift-rules.js';
import { type DomainFigures, domainFigures, reachFinder } from '../map/figures.js';
import { type HostMap, isPlaceUnknown, type MapDomain } from '../map/host-map.js';
import { holdingNodes } from '../map/numa-metrics.js';
import { PlannerException } from '../planner/candidates.js';
import type { PolicyName, Profile } from '../xenopsd/api/profiles.js';
import { acrossPages } from './across.js';
import { RestartPlan, restartCommands } from './restart.js';
import { lastOf } from './steps.js';

export interface Remark {
  readonly domid: number;
  /** A sentence. */
  readonly reason: string;
  /** A sentence: what to do. */
  readonly advice: string;
  /** For the control domain's shell; [] when no command helps. */
  readonly commands: readonly string[];
}

export interface RemarkRules {
  readonly profile: Profile;
  /** The policy that sets soft affinity by memory. */
  readonly policy: PolicyName;
  /** Whether nobody can run `xl` there: on the embedded host of a daemon. */
  readonly withoutXl?: boolean;
  /** Whether nothing can be done any more: of the past. */
  readonly withoutAdvice?: boolean;
  /** Where `xe` manages the host: the uuid of a domain's VM; null = xapi does not know it. */
  readonly uuidOf?: (domid: number) => string | null;
}

/** A VM that is not on one node. */
interface Spread {
  readonly domain: MapDomain;
  readonly figures: DomainFigures;
  /** Pages that are read across nodes. */
  readonly across: number;
}

/** Remarks on the VMs that are not on one node, worst first: what is read across nodes. */
export function remarksOf(map: HostMap, rules: RemarkRules): Remark[] {
  return lastOf(remarkSteps(map, rules));
}

/** As remarksOf, in small steps: others may run between them. */
export function* remarkSteps(map: HostMap, rules: RemarkRules): Generator<void, Remark[]> {
  if (map.nodes.length === 1) return [];
  const worst: Spread[] = [];
  const reachOf = reachFinder(map);
  for (const domain of map.domains) {
    if (domain.domid === 0 || isPlaceUnknown(domain)) continue;
    const figures = domainFigures(map, domain, reachOf);
    if (figures.totalPages > 0 && !figures.onOneNode) worst.push({ domain, figures, across: acrossPages(domain, figures) });
    yield;
  }
  // The sort is stable: VMs that are equal stay in the map's order.
  worst.sort((a, b) => b.across - a.across);
  const chooser = rules.withoutXl === true || rules.withoutAdvice === true ? null : new PlaceChooser(map, rules.profile, rules.policy);
  const restarts = new RestartPlan(map);
  const remarks: Remark[] = [];
  for (const spread of worst) {
    const advice = rules.withoutAdvice === true ? { advice: '', commands: [] } : adviceOn(spread, map, rules, chooser, restarts);
    remarks.push({ domid: spread.domain.domid, reason: reasonOf(spread, map), ...advice });
    yield;
  }
  return remarks;
}

/** The running VM is pinned where that helps and somebody can; else a new start is advised. */
function adviceOn(
  { domain, figures, across }: Spread,
  map: HostMap,
  { profile, uuidOf }: RemarkRules,
  chooser: PlaceChooser | null,
  restarts: RestartPlan,
): Pick<Remark, 'advice' | 'commands'> {
  const choice = chooser === null ? null : choiceFor(chooser, domain, figures);
  const less = choice === null ? 0 : across - acrossPages(domain, choice.after);
  if (choice !== null && less > 0) {
    return {
      advice: `Let its vCPUs prefer ${nodeWords(choice.nodes)}: ${formatBytes(less * PAGE_BYTES)} less is read across nodes, and no memory moves.`,
      commands: pinCommands(choice).map((words) => words.map(shellWord).join(' ')),
    };
  }
  // xl has no settings that a new start would read.
  const uuid = profile.toolstack === 'libxl' ? null : (uuidOf?.(domain.domid) ?? null);
  const restart = uuid === null ? null : restarts.take(domain, figures);
  if (uuid === null || restart === null) return { advice: adviceToRestart(map, figures), commands: [] };
  return {
    advice: restart.isHeld
      ? `Its hard affinity holds it: started anew, it gets its memory from node ${restart.node}.`
      : `Start it anew on node ${restart.node}, which has room for all of it: the mask keeps it there at each start.`,
    commands: restartCommands(uuid, restart),
  };
}

/** null where xapi's planner gives up, as it does on claims that exceed a node's free memory. */
function choiceFor(chooser: PlaceChooser, domain: MapDomain, figures: DomainFigures): Choice | null {
  try {
    return chooser.choose(domain, figures);
  } catch (error) {
    if (!(error instanceof PlannerException)) throw error;
    return null;
  }
}

/** Memory moves with a new start only. */
function adviceToRestart({ nodes }: HostMap, { totalPages, vcpus, vcpuNodes }: DomainFigures): string {
  if (vcpus.some(({ anywhere }) => !anywhere)) {
    const room = vcpuNodes.reduce((sum, node) => sum + nodes[node]!.freePages - nodes[node]!.claimedPages, 0);
    if (room >= totalPages) return `Its hard affinity holds it: started anew, it gets its memory from ${nodeWords(vcpuNodes)}.`;
    return `Its hard affinity holds it, and ${nodeWords(vcpuNodes)} has no room for it: make room, or change its mask.`;
  }
  const roomy = nodes.filter(({ freePages, claimedPages }) => freePages - claimedPages >= totalPages);
  if (roomy.length > 0) return `Start it anew: node ${roomy[0]!.id}${roomy.length > 1 ? ' and others have' : ' has'} room for all of it.`;
  const largest = Math.max(...nodes.map(({ memoryBytes }) => memoryBytes));
  if (largest >= totalPages * PAGE_BYTES) return 'No node has room for all of it now: make room, or move it to another host.';
  return `No node can hold it: the largest has ${formatBytes(largest)}. Make it smaller, or give it virtual NUMA nodes.`;
}

function reasonOf({ domain, figures, across }: Spread, map: HostMap): string {
  const holding = holdingNodes(domain.pages);
  const memory = `Its memory is on ${nodeWords(holding.length > 0 ? holding : figures.memoryNodes)}`;
  if (figures.vcpuNodes.length === 0) return `${memory}, and its vCPUs can run nowhere.`;
  const where = figures.vcpuNodes.length === map.nodes.length ? 'any node' : nodeWords(figures.vcpuNodes);
  return `${memory}, its vCPUs prefer ${where}: about ${formatBytes(across * PAGE_BYTES)} is read across nodes.`;
}
