// `xennuma place DOMAIN... --from SOURCE`: soft affinity for the running domains of another host,
// by commands of that host. Each is shown before it runs, and without --yes none runs. Box of the
// chart: XEN_VCPUAFFINITY_SOFT.
import { formatList } from '../../base/bitset.js';
import { wrapWords } from '../../base/columns.js';
import { InputError } from '../../base/errors.js';
import { commandLines, shellWord } from '../../base/shell-word.js';
import type { CapturedHost } from '../../live/capture/captured-host.js';
import {
  type HostCommand,
  type Lasting,
  lastingLines,
  maskCommands,
  ownRecord,
  pinCommands,
  policyCommands,
} from '../../live/place-commands.js';
import { type Choice, PlaceChooser } from '../../live/place-running.js';
import { placingProfile } from '../../live/seen-profile.js';
import type { HostMap } from '../../map/host-map.js';
import { effectivePolicy, type PolicyName, type ProfileName, profileOf } from '../../xenopsd/api/profiles.js';
import { type OpenHost, readFrom, sourcesOf, withHost } from '../input/from.js';
import { harmlessName, pickDomains } from '../input/running.js';
import { EXIT } from '../output/exit-codes.js';
import { columns, commandColumns, out, remark } from '../output/terminal.js';
import { VERSION } from '../output/version.js';
import type { PlaceAnswer } from './answers.js';
import { domainAnswer, domainLines } from './place-running.js';

export interface FromPlaceOptions {
  readonly from?: string;
  /** Instead of what the host's version says. */
  readonly profile?: ProfileName;
  readonly policy: PolicyName;
  readonly setPolicy?: PolicyName;
  /** false: --no-mask */
  readonly mask: boolean;
  readonly yes?: true;
  readonly json?: true;
}

interface Proposal {
  readonly profile: ProfileName;
  readonly choices: readonly Choice[];
  readonly commands: readonly HostCommand[];
  readonly lasting: readonly Lasting[];
}

/**
 * @param names names or numbers of domains
 * @returns the exit code
 */
export async function placeFrom(names: readonly string[], options: FromPlaceOptions): Promise<number> {
  if (names.length === 0 && options.setPolicy === undefined) {
    throw new InputError('expected domains or a policy, got neither', {}, 'name domains, or give --set-policy');
  }
  const source = options.from!;
  if (sourcesOf(source).length > 1)
    throw new InputError('expected one host, got several', { path: '--from' }, 'place on one host at a time');
  if (options.yes !== true) {
    const captured = await readFrom(source);
    return answerWith(propose(captured, names, options), captured.live.map, null, options, []);
  }
  if (!source.startsWith('ssh://')) {
    throw new InputError(`--yes needs a host over ssh, got '${source}'`, { path: '--from' }, 'leave --yes out: the commands are shown');
  }
  return withHost(source, async (host) => {
    const captured = await host.read();
    const proposal = propose(captured, names, options);
    const ran = await runAll(host, captured, proposal.commands, options);
    // The answer shows the new settings as the host reports them.
    const now = proposal.commands.length === 0 ? captured.live.map : (await host.read()).live.map;
    return answerWith(proposal, captured.live.map, now, options, ran);
  });
}

function propose(captured: CapturedHost, names: readonly string[], options: FromPlaceOptions): Proposal {
  const { map } = captured.live;
  const own = options.setPolicy === undefined ? null : ownRecord(captured);
  const profile = options.profile ?? placingProfile(captured);
  effectivePolicy(profileOf(profile), options.policy);
  const wanted = names.length === 0 ? new Set<number>() : pickDomains(map, names);
  if (wanted.has(0)) throw new InputError('Domain-0 is not placed', {}, "use Xen's option dom0_nodes=");
  const chooser = new PlaceChooser(map, profileOf(profile), options.policy);
  const choices = map.domains.filter(({ domid }) => wanted.has(domid)).map((domain) => chooser.choose(domain));
  return {
    profile,
    choices,
    commands: [
      ...choices.flatMap((choice) => [...pinCommands(choice), ...(options.mask ? maskCommands(choice, captured) : [])]),
      ...(options.setPolicy === undefined ? [] : policyCommands(own, options.setPolicy)),
    ],
    lasting: choices.flatMap((choice) => lastingLines(choice, captured, options.mask)),
  };
}

type Ran = PlaceAnswer['commands'];

/** Stops at the first that fails. */
async function runAll(host: OpenHost, { live }: CapturedHost, commands: readonly HostCommand[], { json }: FromPlaceOptions): Promise<Ran> {
  const say = json === true ? remark : out;
  const ran: Ran = [];
  let failed = false;
  for (const words of commands) {
    const command = words.map(shellWord).join(' ');
    if (failed) {
      ran.push({ command, state: 'left' });
      continue;
    }
    say(`${harmlessName(live.map.name)}: ${command}`);
    const { status, why } = await host.run(words);
    failed = status !== 0;
    ran.push({ command, state: failed ? 'failed' : 'done' });
    if (failed) remark(`xennuma: \`${command}\` ended with status ${status}${why === '' ? '' : `: ${why}`}`);
  }
  return ran;
}

function answerWith(proposal: Proposal, map: HostMap, now: HostMap | null, options: FromPlaceOptions, ran: Ran): number {
  const { profile, choices, commands } = proposal;
  const result: PlaceAnswer = {
    command: 'place',
    version: VERSION,
    profile,
    policy: options.policy,
    dryRun: now === null,
    domains: choices.map((choice) => domainAnswer(choice, now)),
    commands: now === null ? commands.map((words) => ({ command: words.map(shellWord).join(' '), state: 'shown' })) : ran,
  };
  const unlike = now === null || ran.some(({ state }) => state === 'failed') ? [] : choices.filter((choice) => !isPlaced(choice, now));
  if (options.json === true) out(JSON.stringify(result, null, 2));
  else {
    const end = [...endLines(result, options.from!), ...lastingText(proposal.lasting)];
    out([...domainLines(result, choices, map), ...(choices.length === 0 ? [] : ['']), ...end].join('\n'));
  }
  for (const { domain, cpus } of unlike) {
    remark(
      `xennuma: ${harmlessName(domain.name)} has not the soft affinity ${formatList(cpus)}: has its domain ended, or did others set it?`,
    );
  }
  const no = choices.some(({ verdict }) => verdict === 'none') || ran.some(({ state }) => state !== 'done') || unlike.length > 0;
  return no ? EXIT.no : EXIT.ok;
}

/** Whether the host has what was set. */
function isPlaced({ verdict, domain, cpus }: Choice, now: HostMap): boolean {
  if (verdict === 'none') return true;
  const held = now.domains.find(({ domid }) => domid === domain.domid);
  const known = (mask: readonly number[]) => formatList(mask.filter((cpu) => (now.cpus[cpu] ?? null) !== null));
  return held?.vcpus.every(({ soft }) => known(soft) === formatList(cpus)) === true;
}

const LASTING = {
  xapi: 'The affinity of a running domain ends with it, and xapi sets its own at the next start. To have it last, as hard affinity:',
  xl: 'The affinity of a running domain ends with it. To have it last, write into the config of the VM for xl:',
  qubes:
    'The affinity of a running domain ends with it. To have it last, as hard affinity from the next start of the qube, write its template in dom0:',
} as const;

function lastingText(lasting: readonly Lasting[]): string[] {
  return (['xapi', 'xl', 'qubes'] as const).flatMap((toolstack) => {
    const own = lasting.filter((one) => one.toolstack === toolstack);
    if (own.length === 0) return [];
    const lines = own.flatMap(({ name, line }) =>
      commandLines(own.length > 1 && toolstack === 'xl' ? `${line}  # ${harmlessName(name)}` : line, commandColumns()),
    );
    return ['', ...wrapWords(LASTING[toolstack], columns(), '  '), ...lines];
  });
}

function endLines({ commands, dryRun }: PlaceAnswer, source: string): string[] {
  const count = (state: Ran[number]['state']) => commands.filter((one) => one.state === state).length;
  const say = (text: string) => wrapWords(text, columns(), '  ');
  if (commands.length === 0) return say('Nothing to change.');
  if (!dryRun) {
    const [failed, left] = [count('failed'), count('left')];
    return say(
      failed === 0
        ? 'Done. Memory does not move: vCPUs prefer other CPUs from now on.'
        : `${count('done')} of ${commands.length} commands done, 1 failed, ${left} not run.`,
    );
  }
  return [
    ...say(
      source.startsWith('ssh://')
        ? 'Memory does not move: vCPUs would prefer other CPUs. Nothing was changed; add --yes, or run on the host:'
        : 'Memory does not move: vCPUs would prefer other CPUs. Nothing was changed; the commands for the host:',
    ),
    ...commands.flatMap(({ command }) => commandLines(command, commandColumns())),
  ];
}
