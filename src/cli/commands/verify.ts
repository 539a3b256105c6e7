// `xennuma verify`: compare running domains, or a pool's VMs, with what was requested. Changes
// nothing.
import { type Command, Option } from 'commander';
import { PROFILES } from '../../xenopsd/api/profiles.js';
import type { PoolVerifyOptions } from '../answers/verify-pool.js';
import type { VerifyOptions } from '../answers/verify-running.js';
import { POOL_ONLY, refuseTogether, refuseWithout } from '../input/option-rules.js';
import { addPoolOptions, addTopologyOption } from '../input/pool-options.js';
import { STATE_FOLDER } from '../input/running.js';
import { hostSources } from '../input/several-hosts.js';
import { fromOption, onOption } from '../input/workload-options.js';
import { formatOf } from '../output/write-files.js';

export function define(command: Command, answer: (code: number) => void): void {
  command
    .description('Compare running domains with what was requested, and their vCPUs with their memory. Changes nothing.')
    .argument('[vm...]', 'names or numbers of domains, with --pool names or uuids of VMs; all by default')
    .addOption(onOption('the host this command runs on (the default)'))
    .addOption(fromOption())
    .option('--scenario <file>', 'the embedded host at the end of a scenario')
    .addOption(new Option('--state <dir>', "folder of xennuma's own VMs").default(STATE_FOLDER))
    .option('--html <file>', 'write a page of the hosts and their drift: one file, for any browser')
    .option('--json', 'print JSON (schemas/verify.schema.json; with --pool schemas/verify-pool.schema.json)');
  addTopologyOption(addPoolOptions(command))
    .addOption(new Option('--profile <name>', "with --pool: toolstack version to judge by (default: the host's own)").choices(PROFILES))
    .addHelpText(
      'after',
      `
With --pool --ssh the hosts are read over ssh, as with --from, several at once.
A host that cannot be read does not hide the others.

With --pool every host of the pool is verified, or the one that --pool-host
names. Hosts with several NUMA nodes need a description: --host FILE if all
hosts are alike, otherwise --host NAME=FILE for each.

Exit codes: 0 no drift, 1 drift, 2 bad input, a host without a description, or
nothing to compare, 3 no Xen here, or the pool or one of the hosts cannot be
reached.

  xennuma verify
  xennuma verify --scenario examples/scenarios/drift.yaml
  xennuma verify --from ssh://root@xen-1
  xennuma verify --from paste.txt
  xennuma verify --pool https://xcp-1 -pwf password.txt --ssh
  xennuma verify --pool https://xcp-1 -pwf password.txt --host xcp-1.txt`,
    )
    .action(async (names: string[], options: VerifyOptions & PoolVerifyOptions & { readonly from?: string }) => {
      if (options.html !== undefined) formatOf(options.html, ['html'], '--html');
      if (options.from !== undefined) refuseTogether(command, '--from', ['--on', '--scenario', '--pool', '--state', '--host']);
      const { verifyRunning, verifySources } = await import('../answers/verify-running.js');
      if (options.from !== undefined) {
        answer(await verifySources(names, hostSources(options.from), options));
        return;
      }
      if (options.pool !== undefined) {
        refuseTogether(command, '--pool', ['--on', '--scenario', '--state']);
        if (options.ssh === true) {
          refuseTogether(command, '--ssh', ['--profile']);
          const { poolSources } = await import('../input/open-pool.js');
          answer(await verifySources(names, await poolSources(options, names), options));
          return;
        }
        refuseTogether(command, '--pool', ['--html']);
        const { verifyInPool } = await import('../answers/verify-pool.js');
        answer(await verifyInPool(names, options));
        return;
      }
      refuseWithout(command, '--pool', [...POOL_ONLY, '--host', '--profile']);
      if (options.on !== undefined) refuseTogether(command, '--on', ['--scenario']);
      answer(await verifyRunning(names, options));
    });
}
