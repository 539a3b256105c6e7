// `xennuma compare`: one workload under several profiles and policies, each on a fresh copy of the
// host.

import { type Command, InvalidArgumentError } from 'commander';
import { wrapWords } from '../../base/columns.js';
import { InputError } from '../../base/errors.js';
import { fittingTable } from '../../base/table.js';
import { formatBytes } from '../../base/units.js';
import { cautions } from '../../machine/readers/cautions.js';
import type { VmSpec } from '../../machine/vm.js';
import type { HostMap } from '../../map/host-map.js';
import { runsOfVms } from '../../page/host-runs.js';
import type { PageInput } from '../../page/page-inputs.js';
import { emptied } from '../../pool/topology.js';
import { effectivePolicy, POLICIES, type PolicyName, PROFILES, type ProfileName, profileOf } from '../../xenopsd/api/profiles.js';
import { cpusWithoutNode } from '../../xenopsd/start/numa-placement.js';
import { type Advice, type AdvisedVm, adviceLines, recommendation, xlRecommendation } from '../answers/advice/advice.js';
import type { CompareAnswer } from '../answers/answers.js';
import { boundAnswer } from '../answers/rebalance/rebalance.js';
import { startAll } from '../answers/start-all.js';
import { summarise } from '../answers/summary.js';
import { type Origin, raise, readWorkload, type Workload } from '../input/open-host.js';
import { poolVms, withPoolHost } from '../input/open-pool.js';
import { POOL_ONLY, refuseTogether, refuseWithout } from '../input/option-rules.js';
import { addPoolOptions, type PoolOptions } from '../input/pool-options.js';
import { addHostOptions, addVmOptions, type WorkloadOptions } from '../input/workload-options.js';
import { EXIT } from '../output/exit-codes.js';
import { distanceWords } from '../output/phrases.js';
import { compareReport } from '../output/reports/compare-report.js';
import { columns, commandColumns, out, Progress, palette } from '../output/terminal.js';
import { VERSION } from '../output/version.js';
import { remarks } from '../output/vm-table.js';
import type { UserWarning } from '../output/warnings.js';
import { formatOf, writePage } from '../output/write-files.js';

type CompareOptions = Omit<WorkloadOptions, 'profile' | 'policy'> &
  PoolOptions & {
    /** Undefined: all of them. */
    readonly profiles?: readonly ProfileName[];
    readonly policies: readonly PolicyName[];
    readonly bound?: true;
    readonly json?: true;
    readonly html?: string;
  };

type Row = CompareAnswer['rows'][number];

export function define(command: Command, answer: (code: number) => void): void {
  command.description('Compare profiles and policies: the same VMs, started on a fresh copy of the host for each.');
  addPoolOptions(addVmOptions(addHostOptions(command)))
    .option('--profiles <list>', 'toolstack versions, separated by commas (default: all)', listOf(PROFILES))
    .option('--policies <list>', 'placement policies, separated by commas', listOf(POLICIES), ['any', 'best_effort'])
    .option('--bound', 'add how many VMs could be on one node at most if they were packed anew now')
    .option('--html <file>', 'write a page of the comparison and its hosts: one file, for any browser')
    .option('--json', 'print JSON (schemas/compare.schema.json)')
    .addHelpText(
      'after',
      `
Exit codes: 0 done (failed starts are in the table), 2 bad input,
3 the host or pool cannot be reached.

  xennuma compare --host host.xml --vms vms.yaml --profiles xapi-25.6,xapi-26.3`,
    )
    .action(async (options: CompareOptions, command: Command) => answer(await compare(options, command)));
}

function listOf<const T extends string>(known: readonly T[]): (text: string) => T[] {
  return (text) =>
    text.split(',').map((item) => {
      const found = known.find((one) => one === item.trim());
      if (found === undefined) throw new InvalidArgumentError(`unknown '${item.trim()}': expected one of ${known.join(', ')}`);
      return found;
    });
}

async function compare(options: CompareOptions, command: Command): Promise<number> {
  if (options.html !== undefined) formatOf(options.html, ['html'], '--html');
  if (options.pool === undefined) {
    refuseWithout(command, '--pool', POOL_ONLY);
    const { origin, vms } = await readWorkload({ ...options, policy: 'any' });
    return compareOn(options, origin, vms, origin.hostUuid);
  }
  refuseTogether(command, '--pool', ['--cpupools']);
  // The guests that run on the host and those that are halted, as after a reboot of the host.
  return withPoolHost(options, (access) => {
    const vms = options.vms === undefined ? [...access.running, ...access.halted].map(({ spec }) => spec) : poolVms(options, access);
    const hostMask = options.hostMask ?? access.record.mask;
    return compareOn(
      { ...options, ...(hostMask === null ? {} : { hostMask }) },
      { host: emptied(access), live: null },
      vms,
      access.record.uuid,
    );
  });
}

async function compareOn(options: CompareOptions, origin: Origin, vms: readonly VmSpec[], hostUuid?: string): Promise<number> {
  const { seed, hostMask } = options;
  const combinations = (options.profiles ?? PROFILES).flatMap((profile) => options.policies.map((policy) => ({ profile, policy })));
  const progress = new Progress('comparing', combinations.length);
  const rows: Row[] = [];
  const warned = new Map<string, UserWarning>();
  const pages: PageInput[] = [];
  const withoutNode = new Map<ProfileName, string>();
  const ofXl: AdvisedVm[] = [];
  for (const { profile, policy } of combinations) {
    const means = meaningOf(profile, policy);
    if (means === null) rows.push({ profile, policy, seed, means, totals: null, bound: null });
    else {
      const workload = await raise(origin, vms, { profile, policy, seed, ...(hostMask === undefined ? {} : { hostMask }) }, options);
      for (const warning of workload.warnings) warned.set(warning.text, warning);
      await startAll(workload, options.parallel === true);
      const { totals, map, host: shown, vms: started } = summarise(workload.toolstack);
      if (profile === 'xl' && means === meaningOf('xl', 'default_policy') && ofXl.length === 0) {
        const specs = new Map(vms.map((spec) => [spec.name, spec]));
        ofXl.push(
          ...started.map((vm) => ({
            spec: specs.get(vm.name)!,
            vm,
            host: shown,
            profile,
            policy,
            ...(origin.toolstack === undefined ? {} : { seen: origin.toolstack }),
          })),
        );
      }
      const gaps = started.map(({ failure }) => cpusWithoutNode(failure?.message ?? '')).find((cpus) => cpus !== null);
      if (gaps !== undefined) withoutNode.set(profile, gaps!);
      if (options.html !== undefined && (pages.length + 1) * vms.length <= MOST_ON_PAGE) pages.push(pageOf(workload, map));
      rows.push({ profile, policy, seed, means, totals, bound: options.bound === true ? await boundAnswer(map) : null });
    }
    progress.at(rows.length);
  }
  progress.end();
  const warnings = [...warned.values(), ...gapWarnings(withoutNode), ...toolstackWarnings(options.profiles, origin)];
  const result: CompareAnswer = {
    command: 'compare',
    version: VERSION,
    host: origin.host.name,
    vms: vms.length,
    rows,
    recommendation: isForXl(options.profiles, origin) ? xlRecommendation(ofXl) : xapiRecommendation(rows, withoutNode, hostUuid),
    warnings,
  };
  if (options.html !== undefined) await writePage(options.html, 'embedded', pages, { view: 'view=report', report: compareReport(result) });
  if (options.json) out(JSON.stringify(result, null, 2));
  else out(compareText(result, cautions(origin.host)).join('\n'));
  return EXIT.ok;
}

/** The toolstack of the profiles that the user named, where it is one, or the host's own. */
function isForXl(named: readonly ProfileName[] | undefined, origin: Origin): boolean {
  const ofXl = (named ?? []).filter((profile) => profile === 'xl').length;
  return named !== undefined && (ofXl === 0 || ofXl === named.length) ? ofXl > 0 : origin.profile === 'xl';
}

/** The recommendation is one for xapi, unless the user says otherwise. */
function toolstackWarnings(named: readonly ProfileName[] | undefined, { toolstack }: Origin): UserWarning[] {
  if (named !== undefined || toolstack !== 'unknown') return [];
  const text = 'The listings do not show whether xapi or xl runs the host. For a host of xl: --profiles xl.';
  return [{ code: 'toolstack-unknown', text, vms: [] }];
}

/** Profiles whose planner fails on the host tell nothing of its policies. */
function xapiRecommendation(rows: readonly Row[], withoutNode: ReadonlyMap<ProfileName, string>, hostUuid?: string): Advice | null {
  return recommendation(
    rows.filter(({ profile }) => !withoutNode.has(profile)),
    hostUuid,
  );
}

function gapWarnings(withoutNode: ReadonlyMap<ProfileName, string>): UserWarning[] {
  const [cpus] = withoutNode.values();
  if (cpus === undefined) return [];
  const text = `CPUs ${cpus} have no node here, and the planner of ${[...withoutNode.keys()].join(', ')} fails on such a host, so no policy is recommended for it. A real Xen lists a node also for CPUs that are offline: is the listing whole? Take \`xl info -n\` again.`;
  return [{ code: 'cpus-without-node', text, vms: [] }];
}

/** VMs of all hosts of a page: the file stays below 700 KB. */
const MOST_ON_PAGE = 2000;

/** The host under one of the settings, as one of the page's hosts. */
function pageOf({ toolstack, host }: Workload, map: HostMap): PageInput {
  const { profile, policy } = toolstack;
  return { map: { ...map, name: `${map.name}: ${profile}, ${policy}` }, notes: host.notes, profile, runs: runsOfVms(toolstack.vms()) };
}

function meaningOf(profile: ProfileName, policy: PolicyName): string | null {
  try {
    return effectivePolicy(profileOf(profile), policy).name;
  } catch (error) {
    if (error instanceof InputError) return null;
    throw error;
  }
}

/** @param notes what the figures rest on */
function compareText(result: CompareAnswer, notes: readonly string[]): string[] {
  const colour = palette();
  const bounded = result.rows.some(({ bound }) => bound !== null);
  const titles = ['profile', 'policy', 'on one node', ...(bounded ? ['at most'] : []), 'mean dist', 'worst', 'off vCPU nodes', 'failed'];
  const rows = result.rows.map(({ profile, policy, means, totals, bound }) => {
    const name = means === null || means === policy ? policy : `${policy} (${means})`;
    if (totals === null) return [profile, name, 'not there', ...titles.slice(3).map(() => '')];
    return [
      profile,
      name,
      `${totals.onOneNode} of ${result.vms}`,
      ...(bounded ? [String(bound === null ? '' : (bound.best ?? bound).onOneNode)] : []),
      distanceWords(totals.meanDistance),
      distanceWords(totals.worstDistance),
      totals.remotePages === 0 ? '0' : colour.warn(formatBytes(totals.remotePages * 4096)),
      totals.failed === 0 ? '0' : colour.bad(String(totals.failed)),
    ];
  });
  const bounds = result.rows.flatMap(({ bound }) => (bound === null ? [] : [bound]));
  const solved = bounds.every(({ best }) => best !== null) ? ' (exact: HiGHS found such a packing)' : '';
  const meaning = `at most: VMs that could be on one node if those that run were packed anew at this instant${solved}`;
  const title = `${colour.bold(result.host)}: ${result.vms} VM${result.vms === 1 ? '' : 's'}, started in order, on a fresh host for each row`;
  return [
    ...wrapWords(title, columns(), '  '),
    '',
    ...fittingTable([titles.map(colour.bold), ...rows], { right: titles.map((_, at) => at).slice(2) }, columns()),
    ...(bounded ? ['', ...wrapWords(meaning, columns(), '  ')] : []),
    ...(result.warnings.length === 0 ? [] : ['', ...remarks([], result.warnings, colour)]),
    ...(notes.length === 0 ? [] : ['', ...notes.flatMap((note) => wrapWords(`note: ${note}`, columns(), '  '))]),
    ...(result.recommendation === null ? [] : ['', ...adviceLines(result.recommendation, columns(), commandColumns())]),
  ];
}
