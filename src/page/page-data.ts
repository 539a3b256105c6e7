// The data of the page: hosts at one moment, with remarks on their VMs. Pure: the page of the
// daemon, `--html` and tests share it.

import type { HostMap } from '../map/host-map.js';
import type { FailedVm } from './host-runs.js';
import type { PageFleetHost } from './page-fleet.js';
import { encodeMapSteps, type PageMap } from './page-map.js';
import type { PageReport } from './page-report.js';
import { type Remark, type RemarkRules, remarkSteps } from './remarks.js';
import { lastOf } from './steps.js';

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

export interface PageHostInput extends RemarkRules {
  readonly map: HostMap;
  readonly notes: readonly string[];
  readonly failed?: readonly FailedVm[];
}

export function pageData(...input: Parameters<typeof pageDataSteps>): PageData {
  return lastOf(pageDataSteps(...input));
}

/** As pageData, in small steps: others may run between them. */
export function* pageDataSteps(
  kind: PageData['kind'],
  version: string,
  takenAt: string | null,
  inputs: readonly PageHostInput[],
): Generator<void, PageData> {
  const hosts: PageHost[] = [];
  for (const { map, notes, failed = [], ...rules } of inputs) {
    const remarks = yield* remarkSteps(map, rules);
    hosts.push({ map: yield* encodeMapSteps(map), remarks, notes: [...notes], failed: [...failed] });
  }
  return { format: 1, version, kind, takenAt, hosts };
}
