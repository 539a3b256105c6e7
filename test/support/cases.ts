// How many cases a test at random tries: some of them in `npm test`, all of them in
// `npm run test:thorough`, a stage of .ci/run. That command runs the files that import this one.

/** Whether all cases are tried. */
export const THOROUGH = process.env.XENNUMA_THOROUGH === '1';

export function cases(some: number, all: number): number {
  return THOROUGH ? all : some;
}

/** One in `nth` of a list, or all of it. */
export function oneIn<T>(nth: number, list: readonly T[]): readonly T[] {
  return THOROUGH ? list : list.filter((_, at) => at % nth === 0);
}
