// A client of QEMU's monitor (QMP): one JSON value a line on a Unix socket; commands are answered
// in order, between events.
import { createConnection, type Socket } from 'node:net';
import { DeviceModelError } from '../../api/device-model.js';

/** QEMU answers at once; on a busy machine that may be minutes. */
const ANSWER_MS = 300_000;
const LINE_MAX = 1 << 20;
const MOST_REASON = 200;

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class QmpClient {
  readonly #socket: Socket;
  readonly #waiting: Waiting[] = [];
  #broken: Error | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    let rest = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop()!;
      for (const line of lines) this.#take(line);
      if (rest.length > LINE_MAX) this.#fail(new DeviceModelError('QMP: the answer has no end'));
    });
    socket.on('error', (error) => this.#fail(new DeviceModelError(`QMP: ${error.message}`)));
    socket.on('close', () => this.#fail(new DeviceModelError('QMP: QEMU closed the connection')));
    socket.setTimeout(ANSWER_MS, () => socket.destroy(new Error(`no answer within ${ANSWER_MS} ms`)));
  }

  /** @throws the error of the connection, such as ENOENT before QEMU listens */
  static async connect(path: string): Promise<QmpClient> {
    const socket = await new Promise<Socket>((resolve, reject) => {
      const opening = createConnection(path, () => {
        opening.off('error', reject);
        resolve(opening);
      });
      opening.once('error', reject);
    });
    const client = new QmpClient(socket);
    try {
      await client.#answer();
      await client.execute('qmp_capabilities');
      return client;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /** @throws DeviceModelError with QEMU's words */
  execute(command: string): Promise<unknown> {
    if (this.#broken !== null) return Promise.reject(this.#broken);
    this.#socket.write(`${JSON.stringify({ execute: command })}\n`);
    return this.#answer();
  }

  close(): void {
    this.#socket.destroy();
  }

  /** The next answer; the greeting counts as one. */
  #answer(): Promise<unknown> {
    if (this.#broken !== null) return Promise.reject(this.#broken);
    return new Promise((resolve, reject) => {
      // Events that never end keep the socket from being idle.
      const limit = setTimeout(() => this.#fail(new DeviceModelError(`QMP: no answer within ${ANSWER_MS} ms`)), ANSWER_MS);
      const settled =
        <T>(settle: (value: T) => void) =>
        (value: T): void => {
          clearTimeout(limit);
          settle(value);
        };
      this.#waiting.push({ resolve: settled(resolve), reject: settled(reject) });
    });
  }

  #take(line: string): void {
    const value = objectOf(line);
    if (value === null) {
      this.#fail(new DeviceModelError(`QMP: expected an object in JSON, got ${line.slice(0, 200)}`));
      return;
    }
    if ('event' in value) return;
    const waiting = this.#waiting.shift();
    if ('error' in value) waiting?.reject(new DeviceModelError(`QMP: ${reasonOf(value.error)}`));
    else waiting?.resolve(value.return ?? value.QMP);
  }

  #fail(error: Error): void {
    this.#broken ??= error;
    this.#socket.destroy();
    for (const { reject } of this.#waiting.splice(0)) reject(this.#broken);
  }
}

/** An object may have a `toString` that is no function, and so be no text. */
function reasonOf(error: unknown): string {
  const { desc } = (error ?? {}) as { readonly desc?: unknown };
  return typeof desc === 'string' ? desc.slice(0, MOST_REASON) : 'refused';
}

/** null = none. A guest that took QEMU over may write anything. */
function objectOf(line: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
