// The client of a XenStore: promises over messages, many of them under way at once.
// Sources: docs/misc/xenstore.txt; tools/libs/store/xs.c (Xen 4.17) for what callers expect.
import { XenError } from '../../base/errors.js';
import type { TransactionId, XenstoreConnection, XenstorePermission, XenstoreWatch } from '../connection.js';
import { MESSAGE, PAYLOAD_MAX_BYTES, type Payload, payloadBytes } from '../protocol/wire.js';
import { withSignal } from './abortable.js';
import { ConnectionLostError, type Decode, Link } from './link.js';
import type { Connect, Transport } from './transport.js';
import { WatchQueue } from './watch-queue.js';

/** Times that `transaction` tries before it gives up with EAGAIN. */
const TRANSACTION_TRIES = 100;
const FIRST_OWN_TRANSACTION = 2 ** 32;

export interface ClientOptions {
  /**
   * Makes a new transport when the one in use ends. Without it a lost connection is the end of the
   * client.
   */
  readonly reconnect?: Connect;
  /**
   * Told when the connection is lost and when it is back; watches are registered again before that.
   */
  readonly onConnection?: (up: boolean) => void;
}

interface OpenTransaction {
  /** undefined: it went with a connection that was lost. */
  wire: number | undefined;
}

export class XenstoreClient implements XenstoreConnection {
  readonly #link: Link;
  /**
   * By the token that goes over the wire: ours, so that two callers may use one token on different
   * paths.
   */
  readonly #watches = new Map<string, WatchQueue>();
  readonly #transactions = new Map<TransactionId, OpenTransaction>();
  #nextWatch = 1;
  #nextOwnTransaction = FIRST_OWN_TRANSACTION;

  constructor(transport: Transport, options: ClientOptions = {}) {
    this.#link = new Link(transport, options.reconnect, {
      event: (path, token) => this.#watches.get(token)?.push(path),
      lost: () => {
        for (const transaction of this.#transactions.values()) transaction.wire = undefined;
        options.onConnection?.(false);
      },
      back: async (send) => {
        // All at once: the daemon answers in order, and each answers with its first event.
        await Promise.all(
          [...this.#watches].map(async ([token, queue]) => {
            try {
              await send(MESSAGE.watch, watchPayload(queue.path, token));
            } catch (error) {
              // Lost again: the next connection will set the watch.
              if (error instanceof XenError && error.errno === 'EIO') throw error;
              this.#watches.delete(token);
              queue.stop(error as Error);
            }
          }),
        );
        options.onConnection?.(true);
      },
      ended: (error) => {
        for (const queue of this.#watches.values()) queue.stop(error);
        this.#watches.clear();
      },
    });
  }

  // Without `async` where a reply is all that is awaited: a start makes a hundred of these calls,
  // and each promise and turn of the microtask queue counts.

  read(path: string, tx: TransactionId = 0): Promise<string> {
    return this.#onPath('read', MESSAGE.read, path, tx, textOf);
  }

  readBytes(path: string, tx: TransactionId = 0): Promise<Uint8Array> {
    return this.#onPath('read', MESSAGE.read, path, tx, bytesOf);
  }

  write(path: string, value: string | Uint8Array, tx: TransactionId = 0): Promise<void> {
    const call = `xs_write(${path})`;
    if (path.includes('\0')) return Promise.reject(nulInString(call));
    const payload = typeof value === 'string' ? `${path}\0${value}` : Buffer.concat([Buffer.from(`${path}\0`), value]);
    return this.#call(call, MESSAGE.write, payload, tx, nothingOf);
  }

  mkdir(path: string, tx: TransactionId = 0): Promise<void> {
    return this.#onPath('mkdir', MESSAGE.mkdir, path, tx, nothingOf);
  }

  rm(path: string, tx: TransactionId = 0): Promise<void> {
    return this.#onPath('rm', MESSAGE.rm, path, tx, nothingOf);
  }

  async directory(path: string, tx: TransactionId = 0): Promise<string[]> {
    try {
      return await this.#onPath('directory', MESSAGE.directory, path, tx, stringsOf);
    } catch (error) {
      if (!(error instanceof XenError && error.errno === 'E2BIG')) throw error;
      return this.#directoryInParts(path, tx);
    }
  }

  async getPermissions(path: string, tx: TransactionId = 0): Promise<XenstorePermission[]> {
    const strings = await this.#onPath('get_permissions', MESSAGE.getPermissions, path, tx, stringsOf);
    return strings.map((entry) => ({ access: entry[0] as XenstorePermission['access'], domid: Number(entry.slice(1)) }));
  }

  setPermissions(path: string, permissions: readonly XenstorePermission[], tx: TransactionId = 0): Promise<void> {
    const call = `xs_set_permissions(${path})`;
    if (path.includes('\0') || permissions.some(({ access }) => access.includes('\0'))) return Promise.reject(nulInString(call));
    let payload = `${path}\0`;
    for (const { access, domid } of permissions) payload += `${access}${domid}\0`;
    return this.#call(call, MESSAGE.setPermissions, payload, tx, nothingOf);
  }

  async transactionStart(): Promise<TransactionId> {
    const wire = Number.parseInt(await this.#call('xs_transaction_start()', MESSAGE.transactionStart, '\0', 0, textOf), 10);
    // The daemon's own number, unless one that went with an earlier connection is still held under
    // it.
    const id = this.#transactions.has(wire) ? this.#nextOwnTransaction++ : wire;
    this.#transactions.set(id, { wire });
    return id;
  }

  async transactionEnd(tx: TransactionId, commit: boolean): Promise<void> {
    const call = `xs_transaction_end(${tx})`;
    const known = this.#transactions.get(tx);
    const payload = commit ? 'T\0' : 'F\0';
    if (known === undefined) {
      await this.#call(call, MESSAGE.transactionEnd, payload, tx, nothingOf);
      return;
    }
    this.#transactions.delete(tx);
    if (known.wire === undefined) {
      // It is gone either way; only a commit can tell.
      if (commit) throw new XenError('EAGAIN', call, 'the connection was lost during the transaction');
      return;
    }
    await this.#link.request(call, MESSAGE.transactionEnd, known.wire, payload, nothingOf);
  }

  async transaction<T>(body: (tx: TransactionId) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      const again = (error: unknown): boolean => error instanceof XenError && error.errno === 'EAGAIN' && tries < TRANSACTION_TRIES;
      const tx = await this.transactionStart();
      let result: T;
      try {
        result = await body(tx);
      } catch (error) {
        // Gone with the connection: nothing of it took effect.
        const lost = this.#transactions.has(tx) && this.#transactions.get(tx)!.wire === undefined;
        // The body's own error is reported, even if the abort fails.
        if (this.#transactions.has(tx)) await this.transactionEnd(tx, false).catch(() => {});
        if (lost && (again(error) || (error instanceof ConnectionLostError && tries < TRANSACTION_TRIES))) continue;
        throw error;
      }
      try {
        await this.transactionEnd(tx, true);
        return result;
      } catch (error) {
        if (!again(error)) throw error;
      }
    }
  }

  async watch(path: string, token: string): Promise<XenstoreWatch> {
    const call = `xs_watch(${path})`;
    for (const queue of this.#watches.values()) {
      if (queue.path === path && queue.token === token) throw new XenError('EEXIST', call);
    }
    if (path.includes('\0') || token.includes('\0')) throw nulInString(call);
    const wireToken = `${this.#nextWatch++}:${token}`;
    const queue = new WatchQueue(path, token, async () => {
      if (!this.#watches.delete(wireToken)) return;
      try {
        await this.#link.request(`xs_unwatch(${path})`, MESSAGE.unwatch, 0, watchPayload(path, wireToken), nothingOf);
      } catch (error) {
        // With the connection, or by a reset, the watch went before.
        if (!this.#link.isClosed && !(error instanceof XenError && (error.errno === 'ENOENT' || error.errno === 'EIO'))) throw error;
      }
    });
    // Before the request: its first event follows the reply at once.
    this.#watches.set(wireToken, queue);
    try {
      await this.#link.request(call, MESSAGE.watch, 0, watchPayload(path, wireToken), nothingOf);
    } catch (error) {
      this.#watches.delete(wireToken);
      throw error;
    }
    return queue;
  }

  introduce(domid: number, gfn: bigint, eventChannel: number): Promise<void> {
    return this.#call(`xs_introduce_domain(${domid})`, MESSAGE.introduce, `${domid}\0${gfn}\0${eventChannel}\0`, 0, nothingOf);
  }

  release(domid: number): Promise<void> {
    return this.#call(`xs_release_domain(${domid})`, MESSAGE.release, `${domid}\0`, 0, nothingOf);
  }

  async isIntroduced(domid: number): Promise<boolean> {
    return (await this.#call(`xs_is_domain_introduced(${domid})`, MESSAGE.isDomainIntroduced, `${domid}\0`, 0, textOf)) === 'T\0';
  }

  async domainPath(domid: number): Promise<string> {
    return (await this.#call(`xs_get_domain_path(${domid})`, MESSAGE.getDomainPath, `${domid}\0`, 0, stringsOf))[0]!;
  }

  /** RESUME: the domain runs again after a suspend that it called off. */
  resume(domid: number): Promise<void> {
    return this.#call(`xs_resume_domain(${domid})`, MESSAGE.resume, `${domid}\0`, 0, nothingOf);
  }

  /** SET_TARGET: `domid` may do what `target` may (a stub domain for its guest). */
  setTarget(domid: number, target: number): Promise<void> {
    return this.#call(`xs_set_target(${domid})`, MESSAGE.setTarget, `${domid}\0${target}\0`, 0, nothingOf);
  }

  /** RESET_WATCHES: all watches and transactions of this connection are gone. */
  async resetWatches(): Promise<void> {
    await this.#call('xs_reset_watches()', MESSAGE.resetWatches, '\0', 0, nothingOf);
    for (const queue of this.#watches.values()) queue.stop();
    this.#watches.clear();
    this.#transactions.clear();
  }

  /** CONTROL: the daemon's own commands ("check", "quota", "help"); its answer as text. */
  async control(command: string, ...args: readonly string[]): Promise<string> {
    const call = `xs_control(${command})`;
    const words = [command, ...args];
    if (words.some((word) => word.includes('\0'))) throw nulInString(call);
    return (await this.#call(call, MESSAGE.control, `${words.join('\0')}\0`, 0, textOf)).replace(/\0$/, '');
  }

  /** This connection, with calls that reject with the signal's reason once it is aborted. */
  with(signal: AbortSignal): XenstoreConnection {
    return withSignal(this, signal);
  }

  async close(): Promise<void> {
    this.#link.close();
  }

  #onPath<T>(name: string, type: number, path: string, tx: TransactionId, decode: Decode<T>): Promise<T> {
    const call = `xs_${name}(${path})`;
    return path.includes('\0') ? Promise.reject(nulInString(call)) : this.#call(call, type, `${path}\0`, tx, decode);
  }

  #call<T>(call: string, type: number, payload: Payload, tx: TransactionId, decode: Decode<T>): Promise<T> {
    const known = tx === 0 ? undefined : this.#transactions.get(tx);
    if (known !== undefined && known.wire === undefined) {
      return Promise.reject(new XenError('EAGAIN', call, 'the connection was lost during the transaction'));
    }
    const bytes = payloadBytes(payload);
    if (bytes > PAYLOAD_MAX_BYTES) {
      return Promise.reject(new XenError('E2BIG', call, `${bytes} bytes; a request holds ${PAYLOAD_MAX_BYTES}`));
    }
    return this.#link.request(call, type, known?.wire ?? tx, payload, decode);
  }

  /** The list from byte offset to byte offset, from the start again when it changes meanwhile. */
  async #directoryInParts(path: string, tx: TransactionId): Promise<string[]> {
    const call = `xs_directory(${path})`;
    for (let tries = 1; tries <= TRANSACTION_TRIES; tries++) {
      let names = '';
      let generation: string | undefined;
      for (;;) {
        const text = await this.#call(call, MESSAGE.directoryPart, `${path}\0${names.length}\0`, tx, latin1Of);
        const nul = text.indexOf('\0');
        generation ??= text.slice(0, nul);
        if (generation !== text.slice(0, nul)) break;
        const part = text.slice(nul + 1);
        // An empty name closes the list.
        if (part === '\0' || part.endsWith('\0\0')) return `${names}${part}`.split('\0').slice(0, -2);
        names += part;
      }
    }
    throw new XenError('EAGAIN', call, `the directory changed during each of ${TRANSACTION_TRIES} readings`);
  }
}

/** A NUL would end the string early. */
function nulInString(call: string): XenError {
  return new XenError('EINVAL', call, 'a NUL in a string');
}

function watchPayload(path: string, token: string): string {
  return `${path}\0${token}\0`;
}

function textOf(payload: Buffer): string {
  return payload.toString('utf8');
}

function latin1Of(payload: Buffer): string {
  return payload.toString('latin1');
}

/** A copy: the payload lies in a buffer of the transport. */
function bytesOf(payload: Buffer): Uint8Array {
  return new Uint8Array(payload);
}

function stringsOf(payload: Buffer): string[] {
  return payload.length === 0 ? [] : payload.toString('utf8').replace(/\0$/, '').split('\0');
}

function nothingOf(): void {}
