// `xennuma explain VM --on xen` without VMs from files: a domain that runs here, or a VM of
// xennuma's own that could not be started.
import { InputError } from '../../base/errors.js';
import { FlowRecord } from '../../flow/record.js';
import type { CapturedHost } from '../../live/capture/captured-host.js';
import { findExpected } from '../../live/expected-affinity.js';
import { expectedOfCapture } from '../../live/expected-of-capture.js';
import { explainRunning } from '../../live/explain-running.js';
import { liveMap } from '../../live/live-map.js';
import { localRecords } from '../../live/local-records.js';
import { judgeDomains } from '../../map/judge.js';
import type { LastBuild } from '../../xenopsd/api/metadata.js';
import { readBuild } from '../../xenopsd/store/build-files.js';
import { FileMetadata } from '../../xenopsd/store/file-metadata.js';
import { withXenHere } from '../input/on-xen.js';
import { harmlessName, pickDomains } from '../input/running.js';
import { type HostSource, readHosts, remarkFailures, withDomains } from '../input/several-hosts.js';
import type { Advice } from './advice/advice.js';
import { advisedHere, runningAdvice } from './advice/running-advice.js';
import type { ExplainAnswer } from './answers.js';
import { explainedRun } from './explained-run.js';

export interface RunningExplanation {
  readonly runs: ExplainAnswer['runs'];
  /** The profile of the explained start; null if no start is known. */
  readonly record: FlowRecord | null;
  readonly failed: boolean;
  /** What would bring its vCPUs nearer to its memory; left out where nothing would. */
  readonly recommendation?: Advice | null;
}

/**
 * Changes nothing on the host.
 * @param state folder of xennuma's own VMs, or of `serve`
 * @throws InputError for a name that is neither a domain nor such a VM
 * @throws UnreachableError when there is no Xen here
 */
export async function explainOnXen(name: string, state: string): Promise<RunningExplanation> {
  const metadata = await FileMetadata.read(state);
  const halted = metadata.find(({ spec, domid }) => spec.name === name && domid === null);
  if (halted !== undefined) return ofHalted(name, await readBuild(state, name));
  return withXenHere(async (host) => {
    const live = await liveMap(host, { memory: true });
    const expectedAffinity = await findExpected(live, { xs: host.xs, ...localRecords(metadata) });
    const [verdict] = judgeDomains(live.map, expectedAffinity, pickDomains(live.map, [name]));
    if (verdict === undefined) throw new InputError(`'${name}' is being destroyed`, {}, 'name a running domain');
    const { domid } = verdict.domain;
    const uuid = live.uuids.get(domid);
    // `serve` names its VMs by their uuid.
    const keptAs = metadata.find((vm) => vm.uuid === uuid)?.spec.name ?? uuid;
    const build = keptAs === undefined ? null : await readBuild(state, keptAs);
    // The record of an earlier start does not explain this one.
    const started = build !== null && build.domid === domid ? recordOf(build) : null;
    const now = {
      title: `${harmlessName(verdict.domain.name)} (domain ${domid}) as it is now`,
      summary: [],
      sentences: [...explainRunning(live.map, verdict), ...live.notes],
      sources: [],
      nodes: [],
      path: [],
    };
    const recommendation = runningAdvice(await advisedHere(host.xs, live), [verdict.domain]);
    return { runs: [...(started === null ? [] : [explainedRun(started)]), now], record: started, failed: false, recommendation };
  });
}

/**
 * The current state of a domain on a remote host; its start is not known.
 * @throws InputError for a name that no domain of the hosts has, or domains of two of them
 * @throws UnreachableError when none of the hosts that can be reached has it
 */
export async function explainFrom(
  name: string,
  sources: readonly HostSource[],
): Promise<RunningExplanation & { readonly captured: CapturedHost; readonly domid: number }> {
  const { read, failed } = await readHosts(sources, { memory: true });
  const found = withDomains(read, [name], failed);
  if (found.length > 1) {
    throw new InputError(`'${name}' is on ${found.map((one) => one.source).join(' and ')}`, {}, 'name one of these hosts');
  }
  remarkFailures(failed);
  const { captured, source, domains } = found[0]!;
  const { map, notes } = captured.live;
  const [verdict] = judgeDomains(map, await expectedOfCapture(captured), pickDomains(map, domains));
  if (verdict === undefined) throw new InputError(`'${name}' is being destroyed`, {}, 'name a running domain');
  const title = `${harmlessName(verdict.domain.name)} (domain ${verdict.domain.domid}) as ${source} has it`;
  const sentences = [...explainRunning(map, verdict), ...notes];
  const runs = [{ title, summary: [], sentences, sources: [], nodes: [], path: [] }];
  const recommendation = runningAdvice(captured, [verdict.domain]);
  return { runs, record: null, failed: false, recommendation, captured, domid: verdict.domain.domid };
}

function ofHalted(name: string, build: LastBuild | null): RunningExplanation {
  if (build === null) throw new InputError(`'${name}' is halted and was never started`, { path: name }, 'start it with vm start');
  const record = recordOf(build);
  return { runs: [explainedRun(record)], record, failed: build.failure !== null };
}

function recordOf({ title, entries }: LastBuild): FlowRecord {
  return new FlowRecord(title, entries);
}
