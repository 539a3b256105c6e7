// How many cases a test at random tries: some of them by default, all of them in
// `npm run test:thorough`, which runs the files that import this one, and in
// `npm run test:faults`, which runs test/faults. Both are stages of .ci/run.

/** Whether all cases are tried. */
export const THOROUGH = process.env.XENNUMA_THOROUGH === '1';

export function cases(some: number, all: number): number {
  return THOROUGH ? all : some;
}

/** One in `nth` of a list, or all of it. */
export function oneIn<T>(nth: number, list: readonly T[]): readonly T[] {
  return THOROUGH ? list : list.filter((_, at) => at % nth === 0);
}
