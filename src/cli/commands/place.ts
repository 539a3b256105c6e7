// `xennuma place`: soft affinity for running domains, or policy and masks for VMs of a pool. Memory
// does not move.
import { type Command, Option } from 'commander';
import { DEFAULT_PROFILE, PROFILES } from '../../xenopsd/api/profiles.js';
import type { FromPlaceOptions } from '../answers/place-from.js';
import type { PoolPlaceOptions } from '../answers/place-pool.js';
import type { PlaceOptions } from '../answers/place-running.js';
import { POOL_ONLY, refuseTogether, refuseWithout } from '../input/option-rules.js';
import { addPoolOptions, addTopologyOption, HOST_POLICIES } from '../input/pool-options.js';
import { fromOption, onOption } from '../input/workload-options.js';

export function define(command: Command, answer: (code: number) => void): void {
  command
    .description('Set the soft affinity of running domains, or policy and masks of VMs in a pool. Memory does not move.')
    .argument('[vm...]', 'names or numbers of domains; with --pool names or uuids of VMs, in the order of their starts')
    .addOption(onOption('the host this command runs on (the default)'))
    .addOption(fromOption())
    .option('--scenario <file>', 'the embedded host at the end of a scenario')
    .addOption(
      new Option(
        '--profile <name>',
        `toolstack version to act as (default: ${DEFAULT_PROFILE}; with --pool or --from the host's own)`,
      ).choices(PROFILES),
    )
    .addOption(new Option('--policy <name>', 'placement policy').choices(['best_effort', 'prio_mem_only']).default('best_effort'))
    .option('--dry-run', 'show what would change, without changing it')
    .option('--json', 'print JSON (schemas/place.schema.json; with --pool schemas/place-pool.schema.json)');
  addTopologyOption(addPoolOptions(command))
    .optionsGroup('With --pool, and with --from ssh://host:')
    .addOption(new Option('--set-policy <policy>', "set the host's numa_affinity_policy").choices(HOST_POLICIES))
    .option('--yes', 'make the changes; without it they are only shown')
    .option('--no-mask', 'with --from: pin the running domain only, and set no mask for its next starts')
    .optionsGroup('Options:')
    .addHelpText(
      'after',
      `
A running domain gets the nodes of its memory if the policy could choose them,
that is, if they have enough CPUs and are not all nodes. Otherwise it gets the
nodes that the planner would choose if the domain started now. A domain with
hard affinity is left alone, as at a start.

With --from ssh://host the changes are commands of that host, each shown before
it runs: xl vcpu-pin for the running domain, and where the host has xapi the
VM's mask, which puts it on the same nodes at its next starts.

With --pool the VMs get the mask of the nodes that the planner would choose. It
takes effect at their next start. --set-policy without VMs sets the policy only.

Exit codes: 0 set, shown, or already right; 1 one of them has no placement, or
a command failed; 2 bad input; 3 no Xen here, or host or pool cannot be reached.

  xennuma place web --dry-run
  xennuma place web --from ssh://root@xen-1 --yes
  xennuma place web db --pool https://xcp-1 -pwf password.txt --host xcp-1.txt
  xennuma place --set-policy best_effort --pool https://xcp-1 --yes`,
    )
    .action(async (names: string[], options: Omit<PlaceOptions, 'profile'> & PoolPlaceOptions & FromPlaceOptions) => {
      refuseTogether(command, '--dry-run', options.dryRun === true ? ['--yes'] : []);
      if (options.from !== undefined) {
        refuseTogether(command, '--from', ['--on', '--scenario', '--pool', '--host', ...POOL_ONLY]);
        const { placeFrom } = await import('../answers/place-from.js');
        answer(await placeFrom(names, options));
        return;
      }
      refuseWithout(command, '--from', ['--no-mask']);
      if (options.pool !== undefined) {
        refuseTogether(command, '--pool', ['--on', '--scenario', '--policy']);
        const { placeInPool } = await import('../answers/place-pool.js');
        answer(await placeInPool(names, options));
        return;
      }
      refuseWithout(command, '--pool', [...POOL_ONLY, '--host']);
      refuseWithout(command, '--pool or --from', ['--set-policy', '--yes']);
      if (options.on !== undefined) refuseTogether(command, '--on', ['--scenario']);
      const { placeRunning } = await import('../answers/place-running.js');
      answer(await placeRunning(names, { ...options, profile: options.profile ?? DEFAULT_PROFILE }));
    });
}
