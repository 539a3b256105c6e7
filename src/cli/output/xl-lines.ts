// `plan --as xl`: the lines that give VMs the nodes of the plan. A soft affinity in the
// configuration turns libxl's own placement off.
import { harmless } from '../../base/safe-text.js';
import type { PlanAnswer } from '../answers/answers.js';

export function xlLines({ host, vms }: PlanAnswer): string[] {
  const width = host.distances.length;
  return vms.flatMap(({ name, domid, failure, soft, nodeAffinity }) => {
    const title = `# ${harmless(name)}`;
    if (domid === null) return [`${title}: ${failure === null ? 'not started' : harmless(failure.message)}`];
    // Known of each domain that was planned.
    const nodes = (nodeAffinity ?? []).filter((node) => node < width);
    if (nodes.length === width) return [`${title}: not placed, it may run on all nodes`];
    const cpus = soft?.length === 1 ? `"${soft[0]}"` : `[${(soft ?? []).map((list) => `"${list}"`).join(', ')}]`;
    return [`${title}: node${nodes.length === 1 ? '' : 's'} ${nodes.join(', ')}`, `cpus_soft = ${cpus}`];
  });
}
