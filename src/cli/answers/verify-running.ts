// `xennuma verify` of running domains: compares the request with Xen's state, and the vCPUs with
// the memory. Changes nothing.
import { fitColumns, wrapWords } from '../../base/columns.js';
import { tableLines } from '../../base/table.js';
import { expectedOfSpec } from '../../live/expected-affinity.js';
import type { Expected, ExpectedMasks } from '../../map/drift.js';
import type { HostMap } from '../../map/host-map.js';
import { type DomainVerdict, judgeDomains } from '../../map/judge.js';
import { runScenario } from '../../scenario/run-scenario.js';
import { effectivePolicy, profileOf } from '../../xenopsd/api/profiles.js';
import { expectedOfCapture } from '../input/from.js';
import { harmlessName, pickDomains } from '../input/running.js';
import { openScenario } from '../input/scenario-input.js';
import { type HostSource, readHosts, remarkFailed, withDomains } from '../input/several-hosts.js';
import { EXIT } from '../output/exit-codes.js';
import { cpuWords, memoryWords, nodeWords } from '../output/phrases.js';
import { columns, out, palette } from '../output/terminal.js';
import { VERSION } from '../output/version.js';
import type { VerifyAnswer } from './answers.js';
import { hostAnswer, masksOf } from './summary.js';

export interface VerifyOptions {
  readonly scenario?: string;
  readonly state: string;
  readonly json?: true;
}

interface Running {
  readonly map: HostMap;
  readonly asked: ReadonlyMap<number, Expected>;
  readonly notes: readonly string[];
}

/**
 * @param names names or numbers of domains; all but Domain-0 by default
 * @returns the exit code
 */
export async function verifyRunning(names: readonly string[], options: VerifyOptions): Promise<number> {
  const looked = options.scenario === undefined ? lookAtRunning(options.state) : lookAtScenario(options.scenario);
  return verifyHost(names, options, await looked) ? EXIT.no : EXIT.ok;
}

/**
 * Hosts from afar, one after the other; a host that cannot be read does not hide the others.
 * @param names names or numbers of domains, each of which one of the hosts must have
 * @returns the exit code
 */
export async function verifySources(
  names: readonly string[],
  sources: readonly HostSource[],
  options: Pick<VerifyOptions, 'json'>,
): Promise<number> {
  const { read, failed } = await readHosts(sources, { memory: true });
  let drifted = false;
  for (const [index, { captured, domains }] of withDomains(read, names, failed).entries()) {
    if (index > 0 && options.json !== true) out('\n');
    const asked = await expectedOfCapture(captured);
    drifted = verifyHost(domains, options, { map: captured.live.map, asked, notes: captured.live.notes }) || drifted;
  }
  remarkFailed(failed);
  if (drifted) return EXIT.no;
  return failed.length > 0 ? EXIT.unreachable : EXIT.ok;
}

/** @returns whether a domain has drifted */
function verifyHost(names: readonly string[], options: Pick<VerifyOptions, 'json'>, { map, asked, notes }: Running): boolean {
  const verdicts = judgeDomains(map, asked, pickDomains(map, names));
  const result: VerifyAnswer = {
    command: 'verify',
    version: VERSION,
    host: map.name,
    hypervisor: map.hypervisor,
    domains: verdicts.map(domainAnswer),
    drifted: verdicts.filter(({ drifts }) => drifts.length > 0).length,
    notes: [...notes],
  };
  if (options.json) out(JSON.stringify(result, null, 2));
  else out(verifyText(result, map).join('\n'));
  return result.drifted > 0;
}

async function lookAtRunning(stateFolder: string): Promise<Running> {
  const [{ withXen }, { liveMap }, { findExpected, keptHere }, { FileMetadata }] = await Promise.all([
    import('../input/on-xen.js'),
    import('../../live/live-map.js'),
    import('../../live/expected-affinity.js'),
    import('../../xenopsd/store/file-metadata.js'),
  ]);
  const metadata = await FileMetadata.read(stateFolder);
  return withXen(async (host) => {
    const live = await liveMap(host, { memory: true });
    const asked = await findExpected(live, { xs: host.xs, ...keptHere(metadata) });
    return { map: live.map, asked, notes: live.notes };
  });
}

async function lookAtScenario(file: string): Promise<Running> {
  const { scenario, workload } = await openScenario(file, {});
  const { toolstack } = workload;
  for await (const _ of runScenario(scenario, toolstack)) {
    // Only what stands at the end is judged.
  }
  const map = toolstack.snapshot();
  const { placement } = effectivePolicy(profileOf(toolstack.profile), toolstack.policy);
  const asked = new Map<number, Expected>();
  for (const { spec, domid } of toolstack.vms()) {
    if (domid === null) continue;
    asked.set(domid, expectedOfSpec(spec, { source: 'the scenario', pcpus: map.cpus.length, hardPlaced: placement.affinity === 'hard' }));
  }
  return { map, asked, notes: [] };
}

function domainAnswer({ domain, expected, drifts }: DomainVerdict): VerifyAnswer['domains'][number] {
  return {
    domid: domain.domid,
    name: domain.name,
    asked:
      expected === null
        ? null
        : { source: expected.source, hard: expectedAnswer(expected.hard), soft: expected.soft === null ? null : listsOf(expected.soft) },
    hard: masksOf(domain.vcpus.map((vcpu) => vcpu.hard)),
    soft: masksOf(domain.vcpus.map((vcpu) => vcpu.soft)),
    nodeAffinity: [...domain.nodeAffinity],
    pagesByNode: [...domain.pages],
    drifts: [...drifts],
  };
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
  const perVcpu = (lists: readonly (string | null)[]) =>
    lists.length === 0 ? '-' : fitColumns(lists.map((list) => (list === null ? '?' : words(list, 40))).join(' | '), 16, '...');
  const expectedHard = (asked: VerifyAnswer['domains'][number]['asked']) => {
    if (asked === null || asked.hard === null) return '?';
    if (typeof asked.hard !== 'string') return perVcpu(asked.hard);
    return asked.hard === 'all' ? 'all' : '-';
  };
  const rows = result.domains.map((one) => [
    fitColumns(harmlessName(one.name), 20, '...'),
    String(one.domid),
    expectedHard(one.asked),
    perVcpu(one.hard),
    perVcpu(one.soft),
    nodeWords(one.nodeAffinity.filter((node) => node < map.nodes.length)),
    memoryWords(one.pagesByNode),
    one.drifts.length === 0 ? colour.good('ok') : colour.bad('DRIFT'),
  ]);
  const heading = ['domain', 'ID', 'asked', 'hard', 'soft', 'affinity', 'memory on', ''].map(colour.bold);
  const found = result.domains.flatMap((one) => one.drifts.map(({ text }) => `${harmlessName(one.name)}: ${text}`));
  const total = result.domains.length;
  const verdict =
    result.drifted === 0
      ? `${total} domain${total === 1 ? '' : 's'}, no drift.`
      : `${result.drifted} of ${total} domain${total === 1 ? '' : 's'} with drift.`;
  return [
    `${colour.bold(harmlessName(result.host))}, ${result.hypervisor}`,
    '',
    ...(total === 0 ? [] : [...tableLines([heading, ...rows], { right: [1] }), '']),
    ...found.flatMap((text) => wrapWords(text, columns(), '  ')),
    ...(found.length === 0 ? [] : ['']),
    result.drifted === 0 ? verdict : colour.bad(verdict),
    ...result.notes.map((note) => `note: ${note}`),
  ];
}
