// The XenStore connection of this process: the promise interface that xenopsd and xenguest use, on the synchronous core.
// Box of the chart: XenStore.
import { type Errno, XenError } from '../errors.js';
import type { TransactionId, WatchEvent, XenstoreConnection, XenstorePermission, XenstoreWatch } from './connection.js';
import { StoreFailure } from './failure.js';
import { PAYLOAD_MAX_BYTES, type StoreErrno } from './limits.js';
import { domainPathOf } from './path.js';
import { copyPermissions, type Store, type StoreConnection } from './store.js';

/** Times that `transaction` tries before it gives up with EAGAIN. */
const TRANSACTION_TRIES = 100;

/** The errno that a client sees: it does not know oxenstored's EQUOTA. */
export function clientErrno(errno: StoreErrno): Errno {
  return errno === 'EQUOTA' ? 'EINVAL' : errno;
}

/** Events of one watch that nobody has read yet. */
class LocalWatch implements XenstoreWatch {
  private readonly queue: WatchEvent[] = [];
  private readonly limit: number;
  private readonly onClose: () => void;
  private wake: (() => void) | undefined;
  private closed = false;
  private overflowed = false;

  constructor(limit: number, onClose: () => void) {
    this.limit = limit;
    this.onClose = onClose;
  }

  push(event: WatchEvent): void {
    if (this.closed) return;
    if (this.queue.length >= this.limit) {
      // A reader that fell behind must learn that it missed events, not go on with a gap.
      this.overflowed = true;
      this.stop();
    } else {
      this.queue.push(event);
    }
    this.wake?.();
  }

  stop(): void {
    if (this.closed) return;
    this.closed = true;
    this.onClose();
    this.wake?.();
  }

  async close(): Promise<void> {
    this.queue.length = 0;
    this.stop();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<WatchEvent> {
    try {
      for (;;) {
        const event = this.queue.shift();
        if (event !== undefined) {
          yield event;
        } else if (this.overflowed) {
          throw new XenError('ENOSPC', 'watch', `more than ${this.limit} events waited to be read; the watch is closed`);
        } else if (this.closed) {
          return;
        } else {
          await new Promise<void>((resolve) => {
            this.wake = resolve;
          });
          this.wake = undefined;
        }
      }
    } finally {
      this.stop();
    }
  }
}

export class LocalConnection implements XenstoreConnection {
  private readonly store: Store;
  private readonly core: StoreConnection;
  /** By token of the core, which is ours: two callers may use one token on different paths. */
  private readonly watches = new Map<string, LocalWatch>();
  private open = true;

  constructor(store: Store, domid: number) {
    this.store = store;
    this.core = store.connect(domid, (path, token) => this.event(path, token));
  }

  async read(path: string, tx: TransactionId = 0): Promise<string> {
    return Buffer.from(await this.readBytes(path, tx)).toString('utf8');
  }

  async readBytes(path: string, tx: TransactionId = 0): Promise<Uint8Array> {
    return this.call('read', path, () => this.store.read(this.core, path, tx).slice());
  }

  async write(path: string, value: string | Uint8Array, tx: TransactionId = 0): Promise<void> {
    const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value.slice();
    this.call('write', path, () => {
      if (Buffer.byteLength(path) + 1 + bytes.length > PAYLOAD_MAX_BYTES) throw new StoreFailure('E2BIG');
      this.store.write(this.core, path, bytes, tx);
    });
  }

  async mkdir(path: string, tx: TransactionId = 0): Promise<void> {
    this.call('mkdir', path, () => this.store.mkdir(this.core, path, tx));
  }

  async rm(path: string, tx: TransactionId = 0): Promise<void> {
    this.call('rm', path, () => this.store.rm(this.core, path, tx));
  }

  async directory(path: string, tx: TransactionId = 0): Promise<string[]> {
    return this.call('directory', path, () => this.store.directory(this.core, path, tx));
  }

  async getPermissions(path: string, tx: TransactionId = 0): Promise<XenstorePermission[]> {
    return this.call('get_permissions', path, () => [...copyPermissions(this.store.getPermissions(this.core, path, tx))]);
  }

  async setPermissions(path: string, permissions: readonly XenstorePermission[], tx: TransactionId = 0): Promise<void> {
    this.call('set_permissions', path, () => this.store.setPermissions(this.core, path, copyPermissions(permissions), tx));
  }

  async transactionStart(): Promise<TransactionId> {
    return this.call('transaction_start', '', () => this.store.transactionStart(this.core, 0));
  }

  async transactionEnd(tx: TransactionId, commit: boolean): Promise<void> {
    this.call('transaction_end', String(tx), () => this.store.transactionEnd(this.core, tx, commit));
  }

  async transaction<T>(body: (tx: TransactionId) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      const tx = await this.transactionStart();
      let result: T;
      try {
        result = await body(tx);
      } catch (error) {
        // The body may have ended it, or the domain been released: its own error is the one to report.
        if (this.open && this.store.hasTransaction(this.core, tx)) await this.transactionEnd(tx, false);
        throw error;
      }
      try {
        await this.transactionEnd(tx, true);
        return result;
      } catch (error) {
        if (!(error instanceof XenError && error.errno === 'EAGAIN') || tries === TRANSACTION_TRIES) throw error;
      }
    }
  }

  async watch(path: string, token: string): Promise<XenstoreWatch> {
    return this.call('watch', path, () => {
      // Length first, so that path and token cannot run into each other.
      const key = `${path.length}:${path}${token}`;
      const registered = this.store.watch(this.core, path, key);
      const watch = new LocalWatch(this.store.quota.queuedEvents, () => {
        this.watches.delete(key);
        if (this.core.watches.has(`${registered.path}\0${key}`)) this.store.unwatch(this.core, path, key);
      });
      this.watches.set(key, watch);
      this.store.firstEvent(registered);
      return watch;
    });
  }

  async introduce(domid: number, _gfn: bigint, eventChannel: number): Promise<void> {
    this.call('introduce', `domid ${domid}`, () => {
      if (this.store.personality === 'xenstored' && eventChannel <= 0) throw new StoreFailure('EINVAL');
      this.store.introduce(this.core, domid);
    });
  }

  async release(domid: number): Promise<void> {
    this.call('release', `domid ${domid}`, () => this.store.release(this.core, domid));
  }

  async isIntroduced(domid: number): Promise<boolean> {
    return this.call('is_domain_introduced', `domid ${domid}`, () => this.store.isIntroduced(this.core, domid));
  }

  async domainPath(domid: number): Promise<string> {
    return domainPathOf(domid);
  }

  async close(): Promise<void> {
    if (!this.open) return;
    this.open = false;
    for (const watch of [...this.watches.values()]) watch.stop();
    this.store.disconnect(this.core);
  }

  private event(path: string, key: string): void {
    const separator = key.indexOf(':');
    const token = key.slice(separator + 1 + Number(key.slice(0, separator)));
    this.watches.get(key)?.push({ path, token });
  }

  private call<T>(name: string, detail: string, run: () => T): T {
    const where = `xs_${name}(${detail})`;
    if (!this.open) throw new XenError('EINVAL', where, 'the connection is closed');
    try {
      return run();
    } catch (error) {
      if (error instanceof StoreFailure) throw new XenError(clientErrno(error.errno), where);
      throw error;
    }
  }
}
