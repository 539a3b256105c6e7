// Signals of the daemon, while one listener takes over from another.

/**
 * Replaces all listeners for a signal. The new one is there before the others go: without any, Node
 * gives the signal back to the system, a signal that was caught and not yet delivered is dropped,
 * and one that comes then ends the process.
 */
export function listenInstead(signal: NodeJS.Signals, listener: () => void): void {
  const before = process.listeners(signal);
  process.on(signal, listener);
  for (const each of before) process.off(signal, each);
}
