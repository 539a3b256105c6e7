// A connection whose calls end with a signal. A request that the daemon already has cannot be
// stopped: it is undone when its reply comes (a transaction is ended, a watch removed).
import type { TransactionId, XenstoreConnection, XenstoreWatch } from '../connection.js';

/** The same connection, with calls that reject with the signal's reason once it is aborted. */
export function withSignal(connection: XenstoreConnection, signal: AbortSignal): XenstoreConnection {
  const following = followed(signal);
  /** `late` undoes what an abandoned call has done after all. */
  const race = <T>(run: () => Promise<T>, late?: (result: T) => Promise<unknown>): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }
      let abandoned = false;
      const leave = following(() => {
        abandoned = true;
        reject(signal.reason);
      });
      run()
        .then((result) => {
          if (abandoned) late?.(result).catch(() => {});
          else resolve(result);
        }, reject)
        .finally(leave);
    });
  const start = (): Promise<TransactionId> =>
    race(
      () => connection.transactionStart(),
      (tx) => connection.transactionEnd(tx, false),
    );
  return {
    read: (path, tx) => race(() => connection.read(path, tx)),
    readBytes: (path, tx) => race(() => connection.readBytes(path, tx)),
    write: (path, value, tx) => race(() => connection.write(path, value, tx)),
    mkdir: (path, tx) => race(() => connection.mkdir(path, tx)),
    rm: (path, tx) => race(() => connection.rm(path, tx)),
    directory: (path, tx) => race(() => connection.directory(path, tx)),
    getPermissions: (path, tx) => race(() => connection.getPermissions(path, tx)),
    setPermissions: (path, permissions, tx) => race(() => connection.setPermissions(path, permissions, tx)),
    transactionStart: start,
    transactionEnd: (tx, commit) => race(() => connection.transactionEnd(tx, commit)),
    // The body is the caller's; between its calls the signal ends it, and then the transaction.
    transaction: (body) =>
      race(() =>
        connection.transaction(async (tx) => {
          const result = await body(tx);
          signal.throwIfAborted();
          return result;
        }),
      ),
    watch: async (path, token) => {
      const watch = await race(
        () => connection.watch(path, token),
        (late) => late.close(),
      );
      const leave = following(() => void watch.close().catch(() => {}));
      return endingWith(watch, signal, leave);
    },
    resume: (domid) => race(() => connection.resume(domid)),
    introduce: (domid, gfn, port) => race(() => connection.introduce(domid, gfn, port)),
    release: (domid) => race(() => connection.release(domid)),
    isIntroduced: (domid) => race(() => connection.isIntroduced(domid)),
    domainPath: (domid) => race(() => connection.domainPath(domid)),
    close: () => connection.close(),
  };
}

/**
 * One listener at the signal for all that is under way, and none when nothing is: Node warns of
 * more than ten, and a signal may live longer than the connection.
 * @returns a function that adds one that is called at the abort; it returns what takes it away
 */
function followed(signal: AbortSignal): (aborted: () => void) => () => void {
  const all = new Set<() => void>();
  const abort = (): void => {
    for (const one of all) one();
    all.clear();
  };
  return (aborted) => {
    if (all.size === 0) signal.addEventListener('abort', abort, { once: true });
    all.add(aborted);
    return () => {
      if (all.delete(aborted) && all.size === 0) signal.removeEventListener('abort', abort);
    };
  };
}

/** Iterating it throws the signal's reason once it is aborted. */
function endingWith(watch: XenstoreWatch, signal: AbortSignal, leave: () => void): XenstoreWatch {
  return {
    close: () => {
      leave();
      return watch.close();
    },
    async *[Symbol.asyncIterator]() {
      yield* watch;
      signal.throwIfAborted();
    },
  };
}
