// The affinity requested for the domains of a host that is read remotely.
import type { Expected } from '../map/drift.js';
import type { CapturedHost } from './capture/captured-host.js';
import { type ExpectedSources, findExpected } from './expected-affinity.js';
import { readUserdata } from './userdata.js';

/** The affinity requested for the domains of a capture, as far as it is recorded there. */
export function expectedOfCapture({ live, store, userdata, xapi }: CapturedHost): Promise<Map<number, Expected>> {
  const sources: ExpectedSources = {
    xs: store,
    metadata: [],
    userdata: async (domid) => {
      const text = userdata.get(domid);
      return text === undefined ? null : readUserdata(text, `libxl's record of domain ${domid}`).expected;
    },
    xapiMasks: new Map(xapi.vms.flatMap(({ uuid, mask }) => (mask === undefined ? [] : [[uuid, mask] as const]))),
  };
  return findExpected(live, sources);
}
