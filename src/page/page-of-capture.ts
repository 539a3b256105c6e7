// The page's data of a recorded host.
import type { CapturedHost } from '../live/capture/captured-host.js';
import { expectedOfCapture } from '../live/expected-of-capture.js';
import { explainRunning } from '../live/explain-running.js';
import type { HostMap } from '../map/host-map.js';
import { type DomainVerdict, judgeDomains } from '../map/judge.js';
import type { HostRuns } from './host-runs.js';
import { type PageInput, pageOfMap } from './page-inputs.js';
import type { PageRun } from './page-run.js';

/** The current domains, and the requests for them. */
export async function pageOfCapture(captured: CapturedHost): Promise<PageInput> {
  const { map, notes } = captured.live;
  const domids = new Set(map.domains.filter(({ domid }) => domid !== 0).map(({ domid }) => domid));
  const page = pageOfMap({ map, notes }, captured);
  return { ...page, runs: runsOfDomains(map, judgeDomains(map, await expectedOfCapture(captured), domids)) };
}

/** Domains whose starts are not recorded, as they are now. */
export function runsOfDomains(map: HostMap, verdicts: readonly DomainVerdict[]): HostRuns {
  const runs = verdicts.map((verdict): [number, PageRun[]] => [
    verdict.domain.domid,
    [sentencesOnly(`${verdict.domain.name} as it is now`, explainRunning(map, verdict))],
  ]);
  return { failed: [], runs: new Map(runs) };
}

/** The remark on a domain without a record of its start. */
function sentencesOnly(title: string, sentences: readonly string[]): PageRun {
  return { title, summary: [], sentences, sources: [], edges: [], steps: [] };
}
