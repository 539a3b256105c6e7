// All benchmarks, by the name that `npm run bench -- NAME` filters on. To add one, write a module
// next to this that returns BenchRows, and add a line here.
import { benchColdStart } from './cold-start.js';
import { benchHypercalls } from './hypercalls.js';
import type { BenchRow } from './measure.js';
import { benchPlan } from './plan.js';
import { benchPlanner } from './planner.js';
import { benchStarts } from './starts.js';
import { benchTight } from './tight.js';
import { benchXenctrl } from './xenctrl.js';

export const BENCHMARKS: Readonly<Record<string, () => BenchRow[] | Promise<BenchRow[]>>> = {
  planner: benchPlanner,
  tight: benchTight,
  hypercalls: benchHypercalls,
  xenctrl: benchXenctrl,
  starts: benchStarts,
  plan: benchPlan,
  'cold-start': benchColdStart,
};
