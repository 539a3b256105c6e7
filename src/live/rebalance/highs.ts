// HiGHS, the solver of integer programs, as WebAssembly: the optional package `highs`, loaded only
// when a bound is wanted. Without it bounds are a little less exact, and nothing else changes.
import { isMissingModule } from '../../base/errors.js';
import type { SolveProgram } from '../../planner/bound/exact-packing.js';

/**
 * The gap is below one whole number. The budget is nodes of the search and not a time, so that the
 * same program always has the same answer.
 */
const OPTIONS = { output_flag: false, mip_rel_gap: 0, mip_abs_gap: 0.5, mip_max_nodes: 20_000 } as const;

/** The part of the package that is used; its own types leave the default export out. */
type LoadSolver = () => Promise<{
  solve: (
    program: string,
    options: Readonly<Record<string, string | number | boolean>>,
  ) => { readonly Status: string; readonly Columns: Readonly<Record<string, { readonly Primal?: number }>> };
}>;

/** @returns null when the package is not installed */
export async function loadHighs(): Promise<SolveProgram | null> {
  const load = await import('highs').then(
    (module) => (module as unknown as { default: LoadSolver }).default,
    (error: unknown) => {
      if (isMissingModule(error)) return null;
      throw error;
    },
  );
  if (load === null) return null;
  const highs = await load();
  return (program) => {
    const { Status, Columns } = highs.solve(program, OPTIONS);
    if (Status !== 'Optimal') return null;
    return new Map(Object.entries(Columns).map(([name, { Primal }]) => [name, Primal ?? 0]));
  };
}
