// `xennuma place DOMAIN...`: soft affinity for running domains, on the nodes of their memory or on
// those of the planner. Memory does not move.

import { formatList } from '../../base/bitset.js';
import { wrapWords } from '../../base/columns.js';
import { InputError } from '../../base/errors.js';
import { liveMap } from '../../live/live-map.js';
import { applyPlace, bringsNearer, type Choice, PlaceChooser } from '../../live/place-running.js';
import type { HostMap } from '../../map/host-map.js';
import { runScenario } from '../../scenario/run-scenario.js';
import type { Xenctrl } from '../../xenctrl/xenctrl.js';
import type { PolicyName, ProfileName } from '../../xenopsd/api/profiles.js';
import { effectivePolicy, profileOf } from '../../xenopsd/api/profiles.js';
import { harmlessName, pickDomains } from '../input/running.js';
import { openScenario } from '../input/scenario-input.js';
import { EXIT } from '../output/exit-codes.js';
import { cpuWords, distanceWords, nodeWords, percent } from '../output/phrases.js';
import { columns, out, palette } from '../output/terminal.js';
import { VERSION } from '../output/version.js';
import type { PlaceAnswer } from './answers.js';
import { hostAnswer, masksOf } from './summary.js';

export interface PlaceOptions {
  readonly scenario?: string;
  readonly profile: ProfileName;
  readonly policy: PolicyName;
  readonly dryRun?: true;
  readonly json?: true;
}

/**
 * @param names names or numbers of domains
 * @returns the exit code
 */
export async function placeRunning(names: readonly string[], options: PlaceOptions): Promise<number> {
  if (names.length === 0) throw new InputError('expected domains to place, got none', {}, 'name them; xennuma verify lists them');
  effectivePolicy(profileOf(options.profile), options.policy);
  if (options.scenario === undefined) {
    const { withXenHere } = await import('../input/on-xen.js');
    return withXenHere((host) => placeOn(names, options, host.xc, async () => (await liveMap(host, { memory: true })).map));
  }
  const { scenario, workload } = await openScenario(options.scenario, {});
  const { toolstack } = workload;
  for await (const _ of runScenario(scenario, toolstack)) {
    // Domains are placed as they stand at the end.
  }
  return placeOn(names, options, toolstack.doors.xc, async () => toolstack.snapshot());
}

async function placeOn(names: readonly string[], options: PlaceOptions, xc: Xenctrl, look: () => Promise<HostMap>): Promise<number> {
  const map = await look();
  const wanted = pickDomains(map, names);
  if (wanted.has(0)) throw new InputError('Domain-0 is not placed', {}, "use Xen's option dom0_nodes=");
  const profile = profileOf(options.profile);
  const chooser = new PlaceChooser(map, profile, options.policy);
  const choices = map.domains.filter(({ domid }) => wanted.has(domid)).map((domain) => chooser.choose(domain));
  if (options.dryRun !== true) {
    for (const choice of choices) if (choice.verdict === 'memory' || choice.verdict === 'planner') applyPlace(xc, choice);
  }
  // The changed masks are read back from Xen; a dry run predicts them.
  const now = options.dryRun === true ? null : await look();
  const result: PlaceAnswer = {
    command: 'place',
    version: VERSION,
    profile: options.profile,
    policy: options.policy,
    dryRun: options.dryRun === true,
    domains: choices.map((choice) => domainAnswer(choice, now)),
    commands: [],
  };
  if (options.json) out(JSON.stringify(result, null, 2));
  else {
    const moves = `Memory does not move: vCPUs prefer other CPUs${result.dryRun ? ', once this is set. Nothing was set (--dry-run).' : ' from now on.'}`;
    out([...domainLines(result, choices, map), '', ...wrapWords(moves, columns(), '  ')].join('\n'));
  }
  return choices.some(({ verdict }) => verdict === 'none') ? EXIT.no : EXIT.ok;
}

/** @param now the host after the change; null for one that was not made */
export function domainAnswer(choice: Choice, now: HostMap | null): PlaceAnswer['domains'][number] {
  const { domain, verdict, reason, nodes, before, after, nodeAffinityAfter } = choice;
  const soft = masksOf(domain.vcpus.map((vcpu) => vcpu.soft));
  const held = now?.domains.find(({ domid }) => domid === domain.domid);
  return {
    domid: domain.domid,
    name: domain.name,
    verdict,
    reason,
    nodes: [...nodes],
    before: { soft, nodeAffinity: [...domain.nodeAffinity], remotePages: before.remotePages, meanDistance: before.meanDistance },
    after: {
      soft: softAfter(choice, held) ?? soft,
      nodeAffinity: [...(held?.nodeAffinity ?? nodeAffinityAfter)],
      remotePages: after.remotePages,
      meanDistance: after.meanDistance,
    },
  };
}

/** null if it stays unchanged. */
function softAfter({ verdict, cpus }: Choice, held: HostMap['domains'][number] | undefined): string[] | null {
  if (held !== undefined) return masksOf(held.vcpus.map((vcpu) => vcpu.soft));
  return verdict === 'none' ? null : [formatList(cpus)];
}

/** The changes for each domain, as text. */
export function domainLines(result: PlaceAnswer, choices: readonly Choice[], map: HostMap): string[] {
  const colour = palette();
  const words = cpuWords(hostAnswer(map));
  const masks = (lists: readonly string[]) => lists.map((list) => words(list, 40)).join(' | ');
  const real = (nodes: readonly number[]) => nodeWords(nodes.filter((node) => node < map.nodes.length));
  const lines: string[] = [];
  const say = (text: string, indent = '  ') => lines.push(...wrapWords(text, columns(), indent));
  result.domains.forEach(({ domid, name, verdict, reason, before, after }, index) => {
    const { before: figures, after: figuresAfter } = choices[index]!;
    const yesNo = (value: boolean) => (value ? 'yes' : 'no');
    const near = (pages: number) => percent(1 - pages / Math.max(1, figures.totalPages));
    const done = { memory: '', planner: '', kept: colour.good(', right already'), none: colour.warn(', left as it is') }[verdict];
    say(`${colour.bold(harmlessName(name))} (domain ${domid})${done}: ${reason}.`);
    if (verdict === 'none') return;
    say(`  soft affinity  ${masks(before.soft)} -> ${masks(after.soft)}`, '    ');
    say(`  node affinity  ${real(before.nodeAffinity)} -> ${real(after.nodeAffinity)}`, '    ');
    const distances = `${distanceWords(figures.meanDistance)} -> ${distanceWords(figuresAfter.meanDistance)}`;
    say(`  on one node    ${yesNo(figures.onOneNode)} -> ${yesNo(figuresAfter.onOneNode)}, mean distance ${distances}`, '    ');
    say(`  memory on the nodes of its vCPUs  ${near(before.remotePages)} -> ${near(after.remotePages)}`, '    ');
    if (verdict !== 'kept' && !bringsNearer(choices[index]!)) {
      say(
        `  ${colour.warn('This does not help')}: its vCPUs come no nearer to its memory. \`xennuma rebalance\` finds moves that do.`,
        '    ',
      );
    }
  });
  return lines;
}
