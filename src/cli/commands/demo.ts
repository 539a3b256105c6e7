// `xennuma demo`, also run by `npm start`: a real 8-node machine with a dozen VMs, its picture, the
// table, and commands to try next.

import { join, relative } from 'node:path';
import type { Command } from 'commander';
import { wrapWords } from '../../base/columns.js';
import { ownCommand, PACKAGE_FOLDER } from '../../base/own-package.js';
import { renderHostMapText } from '../../view/host-map-text.js';
import { startAll } from '../answers/start-all.js';
import { summarise } from '../answers/summary.js';
import { raise, readHost, readVms } from '../input/open-host.js';
import { EXIT } from '../output/exit-codes.js';
import { columns, out, palette } from '../output/terminal.js';
import { remarks } from '../output/vm-table.js';

const HOST = 'examples/hosts/epyc-7763-nps4.yaml';
const VMS = 'examples/vms/dozen.yaml';

export function define(command: Command, answer: (code: number) => void): void {
  command
    .description('Show a real 8-node machine with a dozen VMs: the picture, and commands to try next.')
    .action(async () => answer(await demo()));
}

async function demo(): Promise<number> {
  const colour = palette();
  const host = readHost([join(PACKAGE_FOLDER, HOST)]);
  const vms = readVms([join(PACKAGE_FOLDER, VMS)], host);
  const workload = await raise({ host, live: null }, vms, { profile: 'xapi-25.6', policy: 'best_effort', seed: 1 }, {});
  await startAll(workload, false);
  const { map, vms: placed } = summarise(workload.toolstack);
  const program = ownCommand();
  const files = `--host ${HOST} --vms ${VMS}`;
  const here = relative('', PACKAGE_FOLDER) === '';
  const say = (text: string) => wrapWords(text, columns());
  const notes = remarks(placed, workload.warnings, colour);
  out(
    [
      ...say(`${vms.length} VMs started one after another on ${colour.bold(host.name)}, as xapi 25.6 starts them with best_effort.`),
      ...say(`The host is ${HOST}, the VMs are ${VMS}; no Xen is needed.`),
      '',
      renderHostMapText(map, { width: columns(), color: colour.on }).trimEnd(),
      '',
      ...notes,
      ...(notes.length === 0 ? [] : ['']),
      colour.bold('Try next'),
      // Paths of an installation are long. After one cd the commands are short.
      ...(here ? [] : [`  cd ${PACKAGE_FOLDER}`]),
      `  ${program} explain warehouse ${files} --policy best_effort`,
      `  ${program} compare ${files}`,
      `  ${program} show ${files} --policy best_effort --svg ${here ? 'host.svg' : '~/host.svg'}`,
      `  ${program} run examples/scenarios/chart.yaml`,
      `  xl info -n | ${program} show --host -      (in dom0: this machine)`,
    ].join('\n'),
  );
  return EXIT.ok;
}
