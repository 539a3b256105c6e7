// Long work as a generator: each `yield` is a place where its caller may let others run.

/** Does all steps at once. */
export function lastOf<T>(steps: Generator<void, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
