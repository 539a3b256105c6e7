// Advice for domains that run on a host that was read: the commands of that host's own toolstack
// that bring their vCPUs nearer to their memory, and what makes it last.
import { formatList } from '../../../base/bitset.js';
import { shellWord } from '../../../base/shell-word.js';
import type { CapturedHost } from '../../../live/capture/captured-host.js';
import type { LiveMap } from '../../../live/live-map.js';
import { localToolstack } from '../../../live/local-toolstack.js';
import { type Lasting, lastingLines, pinCommands } from '../../../live/place-commands.js';
import { bringsNearer, type Choice, PlaceChooser } from '../../../live/place-running.js';
import { placingProfile } from '../../../live/seen-profile.js';
import type { MapDomain } from '../../../map/host-map.js';
import { profileOf } from '../../../xenopsd/api/profiles.js';
import { harmlessName } from '../../input/running.js';
import { distanceWords } from '../../output/phrases.js';
import type { Advice } from './advice.js';

/** What is known of the host: its map, the toolstack that it shows, and xapi's records. */
export type AdvisedHost = Pick<CapturedHost, 'live' | 'toolstack' | 'xapi'> & { readonly host: Pick<CapturedHost['host'], 'name'> };

/** Domains whose commands are listed. */
const MOST_DOMAINS = 12;

/**
 * @param domains those to advise on; Domain-0 among them is left out
 * @returns null where the affinity of no vCPU would bring it nearer to its memory, and nothing else
 *   is to be said
 */
export function runningAdvice(captured: AdvisedHost, domains: readonly MapDomain[]): Advice | null {
  const { map } = captured.live;
  const profile = profileOf(placingProfile(captured));
  const chooser = new PlaceChooser(map, profile, 'best_effort');
  const judged = domains
    .filter(({ domid, masksUnknown, poolUnknown }) => domid !== 0 && masksUnknown !== true && poolUnknown !== true)
    .map((domain) => chooser.choose(domain));
  const helped = judged.filter((choice) => pinCommands(choice).length > 0 && bringsNearer(choice));
  const spread = judged.filter(({ before, domain }) => before.totalPages > 0 && !before.onOneNode && domain.pagesUnknown !== true);
  const afterwards = spread.some((choice) => !helped.includes(choice) || !choice.after.onOneNode);
  const migrations = afterwards && map.nodes.length > 1 ? ' `xennuma rebalance` looks for migrations that put memory on one node.' : '';
  if (helped.length === 0) return migrations === '' ? null : { text: `No affinity brings the vCPUs nearer.${migrations}`, commands: [] };
  const shown = helped.slice(0, MOST_DOMAINS);
  const lasting = shown.flatMap((choice) => lastingLines(choice, captured, false));
  const pins = shown.flatMap((choice) => pinCommands(choice).map((words) => words.map(shellWord).join(' ')));
  return {
    text: `${gains(shown)} Memory does not move, and the affinity of a running domain ends with it.${lastingWords(lasting)}${migrations}`,
    commands: [...pins, ...lasting.flatMap(({ toolstack, line }) => (toolstack === 'xl' ? [] : [line]))],
  };
}

function gains(shown: readonly Choice[]): string {
  const distance = ({ before, after }: Choice) => `${distanceWords(before.meanDistance)} -> ${distanceWords(after.meanDistance)}`;
  const [first] = shown;
  if (shown.length === 1)
    return `Soft affinity ${formatList(first!.cpus)} brings its vCPUs nearer to its memory: mean distance ${distance(first!)}.`;
  const each = shown.map((choice) => `${harmlessName(choice.domain.name)} ${distance(choice)}`).join(', ');
  return `Other soft affinity brings vCPUs nearer to their memory, by mean distance: ${each}.`;
}

/** xl has no command for it, but a line of the config. */
function lastingWords(lasting: readonly Lasting[]): string {
  const configs = lasting.filter(({ toolstack }) => toolstack === 'xl');
  const lines = configs
    .map(({ name, line }) => (configs.length === 1 ? `\`${line}\`` : `\`${line}\` for ${harmlessName(name)}`))
    .join(', ');
  const byCommand = lasting.some(({ toolstack }) => toolstack !== 'xl');
  if (!byCommand) return configs.length === 0 ? '' : ` To have it last, write into the config: ${lines}.`;
  const command = lasting.some(({ toolstack }) => toolstack === 'qubes') ? 'template of the qube' : 'command of `xe`';
  if (configs.length === 0) return ` The ${command} makes it last, as hard affinity from the next start on.`;
  return ` To have it last where xl runs the host, write into the config: ${lines}. Where xapi does, the ${command} makes it last, as hard affinity from the next start on.`;
}

/** The host that this command runs on. */
export async function advisedHere(xs: Parameters<typeof localToolstack>[0], live: LiveMap): Promise<AdvisedHost> {
  return { live, toolstack: await localToolstack(xs, live), xapi: { hosts: [], vms: [] }, host: live.map };
}
