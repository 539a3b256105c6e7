// The moves that bring the running VMs of a host near their memory, as `xennuma rebalance` finds
// them, in the worker.
import { rebalanceHost } from '../../../src/cli/answers/rebalance/rebalance.js';
import { rebalanceReport } from '../../../src/cli/output/reports/rebalance-report.js';
import { decodeMap, type PageMap } from '../../../src/page/page-map.js';
import type { PageReport } from '../../../src/page/page-report.js';
import type { PageWorkload } from '../../../src/page/page-workload.js';
import { profileOf } from '../../../src/xenopsd/api/profiles.js';

export interface MovesRequest {
  readonly moves: { readonly map: PageMap; readonly workload: PageWorkload; readonly withoutXl: boolean };
}

/** What a daemon's embedded host cannot do is not offered. */
const WITHOUT_XL =
  'This daemon runs an embedded Xen, which has no xl: free moves have no command here. A new start on the node does as much, as each VM to look at on the first view says.';

/** @throws InputError for figures that cannot be true, as in a listing that was put together */
export async function movesOf({ moves: { map, workload, withoutXl } }: MovesRequest): Promise<PageReport> {
  const names = new Map(Object.entries(workload.domids).map(([name, domid]) => [domid, name]));
  const toolstack = profileOf(workload.settings.profile).toolstack === 'libxl' ? 'xl' : 'xapi';
  const { answer } = await rebalanceHost(
    [],
    {
      ...{ map: decodeMap(map), infos: [], notes: [], kind: 'file' },
      moved: (domid) => {
        const name = names.get(domid);
        const uuid = name === undefined ? undefined : workload.objects?.vms[name]?.uuid;
        const mask = workload.vms.find((vm) => vm.name === name)?.vcpusParams.mask;
        const hostUuid = workload.objects?.host.uuid;
        return {
          toolstack,
          ...(uuid === undefined ? {} : { uuid }),
          ...(hostUuid === undefined ? {} : { hostUuid }),
          ...(mask === undefined ? {} : { mask }),
        };
      },
    },
    {},
  );
  const report = rebalanceReport(answer);
  if (!withoutXl || answer.freeMoves.length === 0) return report;
  const free = new Set(answer.freeMoves.map(({ command }) => command));
  return { ...report, sentences: [...report.sentences, WITHOUT_XL], commands: report.commands.filter(({ text }) => !free.has(text)) };
}
