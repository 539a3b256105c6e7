// Cleanups of several steps.

/**
 * Runs all steps in their order, whichever of them fails.
 * @throws what the first one threw that failed
 */
export async function allSteps(...steps: readonly (() => void | Promise<void>)[]): Promise<void> {
  const errors: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}
