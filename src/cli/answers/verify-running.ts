// `xennuma verify` of running domains: compares the request with Xen's state, and the vCPUs with
// the memory. Changes nothing.
import { fitColumns, wrapWords } from '../../base/columns.js';
import { fittingTable } from '../../base/table.js';
import type { FlowEntry } from '../../flow/record.js';
import { expectedOfSpec, softOfVirtualNodes } from '../../live/expected-affinity.js';
import { expectedOfCapture } from '../../live/expected-of-capture.js';
import type { Expected, ExpectedMasks } from '../../map/drift.js';
import type { HostMap, MapDomain } from '../../map/host-map.js';
import { type DomainVerdict, judgeDomains } from '../../map/judge.js';
import type { PageData } from '../../page/page-data.js';
import { runScenario } from '../../scenario/run-scenario.js';
import { effectivePolicy, profileOf } from '../../xenopsd/api/profiles.js';
import { harmlessName, pickDomains } from '../input/running.js';
import { openScenario } from '../input/scenario-input.js';
import { type HostSource, readHosts, remarkFailures, withDomains } from '../input/several-hosts.js';
import { EXIT } from '../output/exit-codes.js';
import { cpuWords, memoryWords, nodeWords } from '../output/phrases.js';
import { columns, commandColumns, out, palette, remark } from '../output/terminal.js';
import { VERSION } from '../output/version.js';
import { writePage } from '../output/write-files.js';
import { type Advice, adviceLines } from './advice/advice.js';
import { type AdvisedHost, advisedHere, runningAdvice } from './advice/running-advice.js';
import type { VerifyAnswer } from './answers.js';
import { hostAnswer, masksOf } from './summary.js';

export interface VerifyOptions {
  readonly scenario?: string;
  readonly state: string;
  readonly json?: true;
  readonly html?: string;
}

interface Running {
  readonly map: HostMap;
  readonly requests: ReadonlyMap<number, Expected>;
  readonly notes: readonly string[];
  readonly kind: PageData['kind'];
  /** With the toolstack that it shows; none for a scenario. */
  readonly advised?: AdvisedHost;
}

/**
 * @param names names or numbers of domains; all but Domain-0 by default
 * @returns the exit code
 */
export async function verifyRunning(names: readonly string[], options: VerifyOptions): Promise<number> {
  const looked = options.scenario === undefined ? lookAtRunning(options.state) : lookAtScenario(options.scenario);
  const found = verifyHost(names, options, await looked);
  await writeVerified(options.html, [found]);
  return found.answer.drifted > 0 ? EXIT.no : EXIT.ok;
}

/**
 * Hosts from afar, one after the other; a host that cannot be read does not hide the others.
 * @param names names or numbers of domains, each of which one of the hosts must have
 * @returns the exit code
 */
export async function verifySources(
  names: readonly string[],
  sources: readonly HostSource[],
  options: Pick<VerifyOptions, 'json' | 'html'>,
): Promise<number> {
  const { read, failed } = await readHosts(sources, { memory: true });
  const found: Verified[] = [];
  for (const [index, { source, captured, domains }] of withDomains(read, names, failed).entries()) {
    if (index > 0 && options.json !== true) out('\n');
    const requests = await expectedOfCapture(captured);
    const { map, notes } = captured.live;
    const kind = source.startsWith('ssh://') ? 'live' : 'file';
    found.push(verifyHost(domains, options, { map, requests, notes, kind, advised: captured }));
  }
  await writeVerified(options.html, found);
  remarkFailures(failed);
  if (found.some(({ answer }) => answer.drifted > 0)) return EXIT.no;
  if (failed.length > 0) return EXIT.unreachable;
  if (found.length === 0 || !found.every(isNothing)) return EXIT.ok;
  // That must not pass for "no drift".
  const lacks = found.some(({ running }) => running.map.domains.length > 0) ? 'the affinity of no vCPU' : 'no domain';
  remark(
    `xennuma: ${sources.map(({ source }) => source).join(', ')}: nothing to compare, ${lacks} is listed; add \`xl list -n\` and \`xl vcpu-list\``,
  );
  return EXIT.input;
}

/** Of a host whose Domain-0 is not even listed, nothing is known to run or not to run. */
function isNothing({ running, answer }: Pick<Verified, 'running' | 'answer'>): boolean {
  return isNothingOf(running.map, answer);
}

function isNothingOf(map: HostMap, { domains }: VerifyAnswer): boolean {
  if (map.domains.length === 0) return true;
  return domains.length > 0 && domains.every(({ hard, asked }) => hard === null && asked === null);
}

interface Verified {
  readonly running: Running;
  readonly verdicts: readonly DomainVerdict[];
  readonly answer: VerifyAnswer;
}

/** The hosts, and what has drifted there. */
async function writeVerified(file: string | undefined, found: readonly Verified[]): Promise<void> {
  if (file === undefined) return;
  const [{ pageOfMap }, { runsOfDomains }, { verifyReport }] = await Promise.all([
    import('../../page/page-inputs.js'),
    import('../../page/page-of-capture.js'),
    import('../output/reports/verify-report.js'),
  ]);
  const hosts = found.map(({ running, verdicts }) => ({
    ...pageOfMap(running, running.advised),
    runs: runsOfDomains(running.map, verdicts),
  }));
  const report = verifyReport(found.map(({ answer }) => answer));
  await writePage(file, found[0]?.running.kind ?? 'file', hosts, { view: 'view=report', report });
}

/** For domains with drift alone: the rest is as requested, or nobody recorded a request. */
function adviceOn({ advised }: Running, verdicts: readonly DomainVerdict[]): Advice | null {
  const drifted = verdicts.filter(({ drifts }) => drifts.length > 0).map(({ domain }) => domain);
  return advised === undefined ? null : runningAdvice(advised, drifted);
}

function verifyHost(names: readonly string[], options: Pick<VerifyOptions, 'json'>, running: Running): Verified {
  const { map, requests, notes } = running;
  const verdicts = judgeDomains(map, requests, pickDomains(map, names));
  const result: VerifyAnswer = {
    command: 'verify',
    version: VERSION,
    host: map.name,
    hypervisor: map.hypervisor,
    domains: verdicts.map(domainAnswer),
    drifted: verdicts.filter(({ drifts }) => drifts.length > 0).length,
    recommendation: adviceOn(running, verdicts),
    notes: [...notes],
  };
  if (options.json) out(JSON.stringify(result, null, 2));
  else out(verifyText(result, map).join('\n'));
  return { running, verdicts, answer: result };
}

async function lookAtRunning(stateFolder: string): Promise<Running> {
  const [{ withXenHere }, { liveMap }, { findExpected }, { localRecords }, { FileMetadata }] = await Promise.all([
    import('../input/on-xen.js'),
    import('../../live/live-map.js'),
    import('../../live/expected-affinity.js'),
    import('../../live/local-records.js'),
    import('../../xenopsd/store/file-metadata.js'),
  ]);
  const metadata = await FileMetadata.read(stateFolder);
  return withXenHere(async (host) => {
    const live = await liveMap(host, { memory: true });
    const requests = await findExpected(live, { xs: host.xs, ...localRecords(metadata) });
    return { map: live.map, requests, notes: live.notes, kind: 'live', advised: await advisedHere(host.xs, live) };
  });
}

async function lookAtScenario(file: string): Promise<Running> {
  const { scenario, workload } = await openScenario(file, {});
  const { toolstack } = workload;
  // The state at the end is compared with the last build of each VM.
  const builds = new Map<string, readonly FlowEntry[]>();
  for await (const { outcomes } of runScenario(scenario, toolstack)) {
    for (const { vm, landing, record } of outcomes) if (landing !== null) builds.set(vm, record.entries);
  }
  const map = toolstack.snapshot();
  const { placement } = effectivePolicy(profileOf(toolstack.profile), toolstack.policy);
  const requests = new Map<number, Expected>();
  for (const { spec, domid } of toolstack.vms()) {
    if (domid === null) continue;
    const expected = expectedOfSpec(spec, { source: 'the scenario', pcpus: map.cpus.length, hardPlaced: placement.affinity === 'hard' });
    const soft = expected.soft ?? softOfVirtualNodes(builds.get(spec.name) ?? [], map, spec.vcpusMax);
    requests.set(domid, { ...expected, soft });
  }
  return { map, requests, notes: [], kind: 'embedded' };
}

function domainAnswer({ domain, expected, drifts }: DomainVerdict): VerifyAnswer['domains'][number] {
  return {
    domid: domain.domid,
    name: domain.name,
    asked:
      expected === null
        ? null
        : { source: expected.source, hard: expectedAnswer(expected.hard), soft: expected.soft === null ? null : listsOf(expected.soft) },
    hard: domain.masksUnknown === true ? null : masksOf(domain.vcpus.map((vcpu) => vcpu.hard)),
    soft: domain.masksUnknown === true ? null : masksOf(domain.vcpus.map((vcpu) => vcpu.soft)),
    nodeAffinity: isAffinityUnknown(domain) ? null : [...domain.nodeAffinity],
    pagesByNode: domain.pagesUnknown === true ? null : [...domain.pages],
    drifts: [...drifts],
  };
}

/** What is derived from masks or pools that are not known is not known either. */
function isAffinityUnknown({ nodeAffinityInferred, masksUnknown, poolUnknown }: MapDomain): boolean {
  return nodeAffinityInferred === true && (masksUnknown === true || poolUnknown === true);
}

function expectedAnswer(hard: Expected['hard']): NonNullable<VerifyAnswer['domains'][number]['asked']>['hard'] {
  return hard === null || typeof hard === 'string' ? hard : listsOf(hard);
}

function listsOf(masks: ExpectedMasks): (string | null)[] {
  const lists = masks.map((mask) => (mask === null ? null : (masksOf([[...new Set(mask)].sort((a, b) => a - b)])[0] ?? '')));
  return lists.every((list) => list === lists[0]) ? lists.slice(0, 1) : lists;
}

function verifyText(result: VerifyAnswer, map: HostMap): string[] {
  const colour = palette();
  const host = hostAnswer(map);
  const words = cpuWords(host);
  const perVcpu = (lists: readonly (string | null)[] | null) => {
    if (lists === null) return 'not known';
    return lists.length === 0 ? '-' : fitColumns(lists.map((list) => (list === null ? '?' : words(list, 40))).join(' | '), 16, '...');
  };
  const expectedHard = (asked: VerifyAnswer['domains'][number]['asked']) => {
    if (asked === null || asked.hard === null) return '?';
    if (typeof asked.hard !== 'string') return perVcpu(asked.hard);
    return asked.hard === 'all' ? 'all' : '-';
  };
  const unknownPools = new Set(map.domains.filter(({ poolUnknown }) => poolUnknown === true).map(({ domid }) => domid));
  const state = ({ domid, pagesByNode, hard, drifts }: VerifyAnswer['domains'][number]): string => {
    if (drifts.length > 0) return colour.bad('DRIFT');
    if (hard === null) return colour.warn('not known');
    if (unknownPools.has(domid)) return colour.warn('in part');
    return pagesByNode === null ? colour.warn('masks ok') : colour.good('ok');
  };
  const rows = result.domains.map((one) => [
    fitColumns(harmlessName(one.name), 20, '...'),
    String(one.domid),
    expectedHard(one.asked),
    perVcpu(one.hard),
    perVcpu(one.soft),
    one.nodeAffinity === null ? 'not known' : nodeWords(one.nodeAffinity.filter((node) => node < map.nodes.length)),
    one.pagesByNode === null ? 'not known' : memoryWords(one.pagesByNode),
    state(one),
  ]);
  const heading = ['domain', 'ID', 'requested', 'hard', 'soft', 'affinity', 'memory on', ''].map(colour.bold);
  const found = result.domains.flatMap((one) => one.drifts.map(({ text }) => `${harmlessName(one.name)}: ${text}`));
  const asks = rows.filter(([, , requested]) => requested!.split(' | ').includes('?')).length;
  const total = result.domains.length;
  const unknown = [
    ...(result.domains.some(({ hard }) => hard === null) ? ['the affinity of all vCPUs'] : []),
    ...(unknownPools.size > 0 ? ['the CPU pools'] : []),
    ...(result.domains.some(({ pagesByNode }) => pagesByNode === null) ? ['where the memory is'] : []),
  ];
  const verdict = (): string => {
    if (isNothingOf(map, result)) return 'Nothing to compare.';
    const domains = `domain${total === 1 ? '' : 's'}`;
    if (result.drifted > 0) return `${result.drifted} of ${total} ${domains} with drift.`;
    return `${total} ${domains}, no drift${unknown.length > 0 ? ` in what is known: not ${unknown.join(', nor ')}` : ''}.`;
  };
  return [
    ...wrapWords(`${colour.bold(harmlessName(result.host))}, ${result.hypervisor}`, columns(), '  '),
    '',
    ...(total === 0 ? [] : [...fittingTable([heading, ...rows], { right: [1], named: 1 }, columns()), '']),
    ...found.flatMap((text) => wrapWords(text, columns(), '  ')),
    ...(found.length === 0 ? [] : ['']),
    ...wrapWords(verdict(), columns(), '  ').map((line) => (result.drifted === 0 ? line : colour.bad(line))),
    ...(asks === 0
      ? []
      : wrapWords('?: no record says what was requested, so only the vCPUs and their memory are compared.', columns(), '  ')),
    ...result.notes.flatMap((note) => wrapWords(`note: ${note}`, commandColumns(), '  ')),
    ...(result.recommendation === null ? [] : ['', ...adviceLines(result.recommendation, columns(), commandColumns())]),
  ];
}
