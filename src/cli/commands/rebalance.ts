// `xennuma rebalance`: the moves that bring the VMs of a host near their memory again.
import { type Command, InvalidArgumentError } from 'commander';
import { parseSizeBytes, SIZE_FORM } from '../../base/units.js';
import type { RebalanceSources } from '../answers/rebalance/sources.js';
import { refuseTogether } from '../input/option-rules.js';
import { addHostOptions, addToolstackOptions, addVmOptions } from '../input/workload-options.js';
import { formatOf } from '../output/write-files.js';

export function define(command: Command, answer: (code: number) => void): void {
  command
    .description('Plan the moves that bring the VMs of a host near their memory again. Changes nothing without --yes.')
    .argument('[vm...]', 'names or numbers of the domains that may be moved; all by default');
  addToolstackOptions(addVmOptions(addHostOptions(command)))
    .option('--scenario <file>', 'the embedded host at the end of a scenario')
    .option('--max-moves <number>', 'migrations at most', parseCount)
    .option('--max-bytes <size>', 'memory that all migrations copy at most, such as 64GiB', parseSize)
    .option('--bound', 'add how many VMs could be on one node at most if they were packed anew now')
    .option('--dry-run', 'show what would change, without changing it (the default)')
    .option('--yes', 'make the free moves on a running host; migrations are only shown')
    .option('--html <file>', 'write a page of the host and its moves: one file, for any browser')
    .option('--json', 'print JSON (schemas/rebalance.schema.json)')
    .addHelpText(
      'after',
      `
Free moves come first: soft affinity for the nodes where the memory already
lies. Then the shortest list of migrations on the host itself. Each needs room
for the whole VM on its target while the source stays. No VM is worse off at
any step, and hard affinity is respected.

Exit codes: 0 shown or made, 1 a command failed, 2 bad input or figures that
cannot be true, 3 no Xen here, or the host cannot be reached.

  xennuma rebalance --on xen
  xennuma rebalance --from ssh://root@xen-1 --max-moves 4
  xennuma rebalance --from ssh://root@xen-1 --yes
  xennuma rebalance --scenario examples/scenarios/scattered.yaml`,
    )
    .action(async (names: string[], options: RebalanceSources) => {
      if (options.html !== undefined) formatOf(options.html, ['html'], '--html');
      if (options.dryRun === true) refuseTogether(command, '--dry-run', ['--yes']);
      if (options.scenario !== undefined) refuseTogether(command, '--scenario', ['--on', '--vms', '--profile', '--policy', '--host-mask']);
      if (options.on !== undefined) refuseTogether(command, '--on', ['--host', '--vms']);
      const { rebalanceAnswer } = await import('../answers/rebalance/sources.js');
      answer(await rebalanceAnswer(names, options));
    });
}

function parseCount(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('expected a whole number such as 4');
  return Number(text);
}

function parseSize(text: string): number {
  const bytes = /^\d+(\.\d+)?$/.test(text) ? undefined : parseSizeBytes(text);
  if (bytes === undefined) throw new InvalidArgumentError(`expected ${SIZE_FORM}`);
  return bytes;
}
