// A host that is only described: its VMs are started on the embedded host, as `show --vms` does.
import { runsOfVms } from '../../../src/page/host-runs.js';
import { ASSUMED, wholePage } from '../../../src/page/page-inputs.js';
import type { DescribedHost } from '../../../src/page/read-files.js';
import { embeddedHost } from '../../../src/xenopsd/hosts/embedded-host.js';
import { createToolstack } from '../../../src/xenopsd/life/toolstack.js';
import { type OpenedPage, openedPage } from './opened.js';

export interface StartRequest {
  readonly version: string;
  readonly described: DescribedHost;
}

/** @param progress VMs that were started so far */
export async function startDescribed(
  { version, described: { host, vms, profile } }: StartRequest,
  progress: (started: number) => void,
): Promise<OpenedPage> {
  const settings = { ...ASSUMED, profile };
  const toolstack = await createToolstack(await embeddedHost(host, { profile }), settings);
  for (const vm of vms) await toolstack.add(vm);
  for (const [index, { name }] of vms.entries()) {
    await toolstack.start(name);
    progress(index + 1);
  }
  const known = toolstack.vms();
  const domids = Object.fromEntries(known.flatMap(({ spec, domid }) => (domid === null ? [] : [[spec.name, domid]])));
  const input = { map: toolstack.snapshot(), notes: host.notes, profile, runs: runsOfVms(known) };
  return openedPage(wholePage({ kind: 'embedded', version, takenAt: null }, [{ ...input, workload: { host, vms, domids, settings } }]));
}
