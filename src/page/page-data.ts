// The data of the page: hosts at one moment, and for each VM that is not on one node a remark with
// the command that helps. Pure: the page of the daemon, `--html` and tests share it.
import { shellWord } from '../base/shell-word.js';
import { formatBytes, PAGE_BYTES } from '../base/units.js';
import { pinCommands } from '../live/place-commands.js';
import { type Choice, choosePlace } from '../live/place-running.js';
import { nodeWords } from '../map/drift-rules.js';
import { type DomainFigures, hostFigures } from '../map/figures.js';
import { type HostMap, isPlaceUnknown, type MapDomain } from '../map/host-map.js';
import { holdingNodes } from '../map/numa-metrics.js';
import { PlannerException } from '../planner/candidates.js';
import type { PolicyName, Profile } from '../xenopsd/api/profiles.js';
import { acrossPages } from './across.js';
import type { FailedVm } from './host-runs.js';
import type { PageFleetHost } from './page-fleet.js';
import { encodeMap, type PageMap } from './page-map.js';
import type { PageReport } from './page-report.js';
import { RestartPlan, restartCommands } from './restart.js';

export interface Remark {
  readonly domid: number;
  /** A sentence. */
  readonly reason: string;
  /** A sentence: what to do. */
  readonly advice: string;
  /** For the control domain's shell; [] when no command helps. */
  readonly commands: readonly string[];
}

export interface PageHost {
  readonly map: PageMap;
  readonly remarks: readonly Remark[];
  /** Figures that are not known or are guesses, as sentences. */
  readonly notes: readonly string[];
  readonly failed: readonly FailedVm[];
}

export interface PageData {
  readonly format: 1;
  readonly version: string;
  /**
   * live: a host that runs, read now; embedded: the embedded Xen; file: what somebody recorded, or
   * a host that is only described; past: an earlier moment of a daemon's host.
   */
  readonly kind: 'live' | 'embedded' | 'file' | 'past';
  /** ISO 8601; null when the data has no time. */
  readonly takenAt: string | null;
  /** The view that opens, as in the address; '' or absent = the first host. */
  readonly view?: string;
  readonly hosts: readonly PageHost[];
  /** A fleet's hosts, in place of `hosts`. */
  readonly fleet?: readonly PageFleetHost[];
  /** The result of the command that wrote the page. */
  readonly report?: PageReport;
}

export interface RemarkRules {
  readonly profile: Profile;
  /** The policy that sets soft affinity by memory. */
  readonly policy: PolicyName;
  /** Whether nobody can run `xl` there: on the embedded host of a daemon. */
  readonly withoutXl?: boolean;
  /** Where `xe` manages the host: the uuid of a domain's VM; null = xapi does not know it. */
  readonly uuidOf?: (domid: number) => string | null;
}

/** Remarks on the VMs that are not on one node, worst first: what is read across nodes. */
export function remarksOf(map: HostMap, rules: RemarkRules): Remark[] {
  if (map.nodes.length === 1) return [];
  const figures = hostFigures(map);
  const worst = figures.domains
    .map((domain, index) => ({ domain, index, across: acrossPages(map.domains[index]!, domain) }))
    .filter(({ domain, index }) => domain.domid !== 0 && domain.totalPages > 0 && !domain.onOneNode && !isPlaceUnknown(map.domains[index]!))
    .sort((a, b) => b.across - a.across || a.index - b.index);
  const restarts = new RestartPlan(map);
  return worst.map(({ domain, index, across }) => ({
    domid: domain.domid,
    reason: reasonOf(map, map.domains[index]!, domain, across),
    ...adviceOn(map, map.domains[index]!, domain, across, rules, restarts),
  }));
}

/** The running VM is pinned where that helps and somebody can; else a new start is advised. */
function adviceOn(
  map: HostMap,
  domain: MapDomain,
  figures: DomainFigures,
  across: number,
  { withoutXl = false, uuidOf, ...rules }: RemarkRules,
  restarts: RestartPlan,
): Pick<Remark, 'advice' | 'commands'> {
  const choice = withoutXl ? null : choiceFor(map, domain, rules);
  const less = choice === null ? 0 : across - acrossPages(domain, choice.after);
  if (choice !== null && less > 0) {
    return {
      advice: `Let its vCPUs prefer ${nodeWords(choice.nodes)}: ${formatBytes(less * PAGE_BYTES)} less is read across nodes, and no memory moves.`,
      commands: pinCommands(choice).map((words) => words.map(shellWord).join(' ')),
    };
  }
  // xl has no settings that a new start would read.
  const uuid = rules.profile.toolstack === 'libxl' ? null : (uuidOf?.(domain.domid) ?? null);
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
function choiceFor(map: HostMap, domain: MapDomain, { profile, policy }: Pick<RemarkRules, 'profile' | 'policy'>): Choice | null {
  try {
    return choosePlace(map, domain, profile, policy);
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

function reasonOf(map: HostMap, domain: MapDomain, figures: DomainFigures, across: number): string {
  const holding = holdingNodes(domain.pages);
  const memory = `Its memory is on ${nodeWords(holding.length > 0 ? holding : figures.memoryNodes)}`;
  if (figures.vcpuNodes.length === 0) return `${memory}, and its vCPUs can run nowhere.`;
  const where = figures.vcpuNodes.length === map.nodes.length ? 'any node' : nodeWords(figures.vcpuNodes);
  return `${memory}, its vCPUs prefer ${where}: about ${formatBytes(across * PAGE_BYTES)} is read across nodes.`;
}

export interface PageHostInput extends RemarkRules {
  readonly map: HostMap;
  readonly notes: readonly string[];
  readonly failed?: readonly FailedVm[];
}

export function pageData(kind: PageData['kind'], version: string, takenAt: string | null, hosts: readonly PageHostInput[]): PageData {
  return {
    format: 1,
    version,
    kind,
    takenAt,
    hosts: hosts.map(({ map, notes, failed = [], ...rules }) => ({
      map: encodeMap(map),
      remarks: remarksOf(map, rules),
      notes: [...notes],
      failed: [...failed],
    })),
  };
}
