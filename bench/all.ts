// All benchmarks, by the name that `npm run bench -- NAME` filters on. To add one: a module beside this that gives BenchRows, and a line
// here.
import { benchHypercalls } from './hypercalls.js';
import type { BenchRow } from './measure.js';
import { benchPlanner } from './planner.js';

export const BENCHMARKS: Readonly<Record<string, () => BenchRow[] | Promise<BenchRow[]>>> = {
  planner: benchPlanner,
  hypercalls: benchHypercalls,
};
