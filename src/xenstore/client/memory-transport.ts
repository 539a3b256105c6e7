// A client of the store in this process: requests are answered at once.

import { type Bytes, HEADER_BYTES, MESSAGE, PAYLOAD_MAX_BYTES } from '../protocol/wire.js';
import type { ClientState } from '../store/client-state.js';
import type { Engine } from '../store/engine.js';
import type { Transport, TransportEvents } from './transport.js';

export class MemoryTransport implements Transport {
  readonly #engine: Engine;
  readonly #domid: number;
  #events: TransportEvents | undefined;
  #state: ClientState | undefined;

  constructor(engine: Engine, domid: number) {
    this.#engine = engine;
    this.#domid = domid;
  }

  start(events: TransportEvents): void {
    this.#events = events;
    this.#state = this.#engine.connect(this.#domid, {
      reply: (type, requestId, _txId, payload) => this.#events?.message(type, requestId, Buffer.from(payload, 'latin1')),
      event: (path, token) => this.#events?.message(MESSAGE.watchEvent, 0, Buffer.from(`${path}\0${token}\0`, 'latin1')),
    });
  }

  send(message: Buffer): void {
    if (this.#state === undefined) return;
    const end = HEADER_BYTES + message.readUInt32LE(12);
    const [type, requestId, txId] = [message.readUInt32LE(0), message.readUInt32LE(4), message.readUInt32LE(8)];
    if (end - HEADER_BYTES > PAYLOAD_MAX_BYTES) throw new Error('a payload past the limit of the protocol');
    this.#engine.process(this.#state, { type, requestId, txId, bytes: message as Bytes, start: HEADER_BYTES, end });
  }

  close(): void {
    if (this.#state === undefined) return;
    this.#engine.disconnect(this.#state);
    this.#state = undefined;
    const events = this.#events;
    this.#events = undefined;
    events?.closed(undefined);
  }
}
