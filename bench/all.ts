// All benchmarks, by the name that `npm run bench -- NAME` filters on. To add one: a module beside this that gives BenchRows, and a line
// here.
import { coldStartRows } from './cold-start.js';
import { benchHypercalls } from './hypercalls.js';
import type { BenchRow } from './measure.js';
import { planRows } from './plan.js';
import { benchPlanner } from './planner.js';
import { benchStarts } from './starts.js';
import { benchXenctrl } from './xenctrl.js';

export const BENCHMARKS: Readonly<Record<string, () => BenchRow[] | Promise<BenchRow[]>>> = {
  planner: benchPlanner,
  hypercalls: benchHypercalls,
  xenctrl: benchXenctrl,
  starts: benchStarts,
  plan: planRows,
  'cold-start': coldStarts,
};

function coldStarts(): BenchRow[] {
  const rows = coldStartRows(15, process.cwd());
  const bare = rows.find(({ name }) => name === 'node -e 0')!;
  return rows.map(({ name, medianMs }) => ({
    name: `${name} (${Math.round(medianMs)} ms)`,
    unit: 'starts',
    perSecond: 1000 / medianMs,
    reference: { name: bare.name, perSecond: 1000 / bare.medianMs },
  }));
}
