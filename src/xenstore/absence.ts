// Calls on a XenStore for which an absent node is an answer, not an error.
import { XenError } from '../base/errors.js';

/**
 * The result of a request; null when the node is absent.
 * @param errnos the answers that count as absence
 * @throws XenError with any other errno
 */
export async function nullIfAbsent<T>(request: Promise<T>, errnos: readonly string[] = ['ENOENT']): Promise<T | null> {
  try {
    return await request;
  } catch (error) {
    if (error instanceof XenError && errnos.includes(error.errno)) return null;
    throw error;
  }
}
