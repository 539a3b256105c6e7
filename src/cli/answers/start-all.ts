// Starts the VMs of a workload, with progress on the terminal.
import type { Outcome } from '../../xenopsd/api/outcome.js';
import type { Workload } from '../input/open-host.js';
import { Progress } from '../output/terminal.js';

/**
 * @param together start them in parallel; otherwise one after another, in order
 * @param names in another order than the workload's
 */
export async function startAll(workload: Workload, together: boolean, names = workload.vms.map((vm) => vm.name)): Promise<Outcome[]> {
  const progress = new Progress('starting VMs', names.length);
  if (together) {
    let done = 0;
    const all = await workload.toolstack.startTogether(names, () => progress.at(++done));
    progress.end();
    return all;
  }
  const outcomes: Outcome[] = [];
  for (const name of names) {
    outcomes.push(await workload.toolstack.start(name));
    progress.at(outcomes.length);
  }
  progress.end();
  return outcomes;
}
