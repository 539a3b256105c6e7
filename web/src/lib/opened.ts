// A page's data as it comes from a worker, and as a source reads it.
import type { PageData } from '../../../src/page/page-data.js';
import type { WholePage } from '../../../src/page/page-inputs.js';
import type { PageRun } from '../../../src/page/page-run.js';
import type { PageWorkload } from '../../../src/page/page-workload.js';

/** Index of the lists = host. */
export interface OpenedPage {
  readonly data: PageData;
  /** By domid. */
  readonly runs: readonly Readonly<Record<string, readonly PageRun[]>>[];
  readonly workloads: readonly (PageWorkload | null)[];
}

export function openedPage({ data, runs, workloads }: WholePage): OpenedPage {
  return { data, runs: runs.map((ofHost): Record<string, readonly PageRun[]> => Object.fromEntries(ofHost)), workloads };
}
