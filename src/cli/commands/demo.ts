// `xennuma demo`, which `npm start` runs: a real 8-node machine, a dozen VMs, the picture, the table, and what to try next.
// Box of the chart: all of it, once a VM.

import { existsSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
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
    .description('A real 8-node machine with a dozen VMs: the picture, the table, and what to try next.')
    .action(async () => answer(await demo()));
}

/** The path of a shipped example, as it is typed from here. */
function example(path: string): string {
  const root = new URL('../', import.meta.url);
  const full = fileURLToPath(new URL(path, existsSync(new URL(path, root)) ? root : new URL('../../../', import.meta.url)));
  const shown = relative('', full);
  return shown.startsWith('..') ? full : shown;
}

async function demo(): Promise<number> {
  const colour = palette();
  const [hostFile, vmsFile] = [example(HOST), example(VMS)];
  const host = readHost([hostFile]);
  const vms = readVms([vmsFile], host);
  const workload = await raise({ host, live: null }, vms, { profile: 'xapi-25.6', policy: 'best_effort', seed: 1 }, {});
  await startAll(workload, false);
  const { map, vms: placed } = summarise(workload.toolstack);
  const files = `--host ${hostFile} --vms ${vmsFile}`;
  const notes = remarks(placed, workload.warnings, colour);
  out(
    [
      `${vms.length} VMs started one after another on ${colour.bold(host.name)}, as xapi 25.6 does it with best_effort.`,
      `The host is ${hostFile}, the VMs are ${vmsFile}; no Xen is needed.`,
      '',
      renderHostMapText(map, { width: columns(), color: colour.on }).trimEnd(),
      '',
      ...notes,
      ...(notes.length === 0 ? [] : ['']),
      colour.bold('Try next'),
      `  npx xennuma explain warehouse ${files} --policy best_effort`,
      `  npx xennuma compare ${files}`,
      `  npx xennuma show ${files} --policy best_effort --svg host.svg`,
      `  npx xennuma run ${example('examples/scenarios/chart.yaml')}`,
      '  xl info -n | npx xennuma show --host -      (in dom0: your own machine)',
    ].join('\n'),
  );
  return EXIT.ok;
}
