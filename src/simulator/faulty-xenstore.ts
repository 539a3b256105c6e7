// The XenStore connection and the domain builder with faults: quotas, conflicts, and a builder that
// dies, hangs or talks nonsense.
import { XenError } from '../base/errors.js';
import { type Xenguest, XenguestError } from '../xenguest/xenguest.js';
import type { TransactionId, XenstoreConnection } from '../xenstore/connection.js';
import type { Faults, Life } from './faults.js';

export function faultyXenstore(inner: XenstoreConnection, faults: Faults, life: Life): XenstoreConnection {
  const through = async <T>(work: () => Promise<T>): Promise<T> => {
    await life.enterAsync();
    const answer = await work();
    // A process that died meanwhile does not see the answer.
    if (life.dead) await life.enterAsync();
    return answer;
  };
  const within = (call: string) => {
    // A domain's quota of nodes or of memory (docs/misc/xenstore.txt).
    const errno = faults.next(['ENOSPC'] as const);
    if (errno !== null) throw new XenError(errno, call, 'quota');
  };
  const xs: XenstoreConnection = {
    read: (path, tx) => through(() => inner.read(path, tx)),
    readBytes: (path, tx) => through(() => inner.readBytes(path, tx)),
    write: (path, value, tx) =>
      through(async () => {
        within(`write ${path}`);
        await inner.write(path, value, tx);
      }),
    mkdir: (path, tx) =>
      through(async () => {
        within(`mkdir ${path}`);
        await inner.mkdir(path, tx);
      }),
    rm: (path, tx) => through(() => inner.rm(path, tx)),
    directory: (path, tx) => through(() => inner.directory(path, tx)),
    getPermissions: (path, tx) => through(() => inner.getPermissions(path, tx)),
    setPermissions: (path, permissions, tx) => through(() => inner.setPermissions(path, permissions, tx)),
    transactionStart: () => through(() => inner.transactionStart()),
    transactionEnd: (tx, commit) => through(() => endTransaction(inner, faults, tx, commit)),
    transaction: (body) => inTransaction(xs, body),
    watch: (path, token) => through(() => inner.watch(path, token)),
    introduce: (domid, gfn, channel) => through(() => inner.introduce(domid, gfn, channel)),
    release: (domid) => through(() => inner.release(domid)),
    isIntroduced: (domid) => through(() => inner.isIntroduced(domid)),
    domainPath: (domid) => through(() => inner.domainPath(domid)),
    close: () => inner.close(),
  };
  return xs;
}

/** A conflict with somebody else's transaction: nothing of it is kept. */
async function endTransaction(inner: XenstoreConnection, faults: Faults, tx: TransactionId, commit: boolean): Promise<void> {
  if (!commit || faults.next(['EAGAIN']) === null) return inner.transactionEnd(tx, commit);
  await inner.transactionEnd(tx, false);
  throw new XenError('EAGAIN', 'transaction_end');
}

/** As the client does it, over calls that may fail. */
async function inTransaction<T>(xs: XenstoreConnection, body: (tx: TransactionId) => Promise<T>): Promise<T> {
  for (let attempts = 1; ; attempts++) {
    const tx = await xs.transactionStart();
    let result: T;
    try {
      result = await body(tx);
    } catch (error) {
      await xs.transactionEnd(tx, false);
      throw error;
    }
    try {
      await xs.transactionEnd(tx, true);
      return result;
    } catch (error) {
      if (!(error instanceof XenError && error.errno === 'EAGAIN') || attempts >= 100) throw error;
    }
  }
}

const BUILDER_FAULTS = ['dies at once', 'dies at the end', 'hangs', 'writes garbage'] as const;
/** How long a builder may be silent before it is killed. */
const SILENCE_MS = 60_000;

export function faultyXenguest(inner: Xenguest, faults: Faults, life: Life): Xenguest {
  return {
    async run(args, run) {
      await life.enterAsync();
      const fault = faults.next(BUILDER_FAULTS);
      if (fault === 'dies at once') throw new XenguestError('xenguest was killed by SIGSEGV');
      if (fault === 'hangs') {
        await new Promise<void>((done) => setTimeout(done, SILENCE_MS));
        throw new XenguestError('xenguest was silent for 60 s');
      }
      const result = await inner.run(args, run);
      if (fault === 'dies at the end') throw new XenguestError('xenguest exited with 1 and said nothing');
      if (fault === 'writes garbage') throw new XenguestError("xenguest said '\u0000\u00ff', which is no line of its protocol");
      return result;
    },
  };
}
