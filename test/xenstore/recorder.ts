// Plays a conversation with a daemon behind a socket and notes its answers, in the format of the
// recorded ones.
import { connect, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { JsonObject } from '../../src/conformance/player.js';
import { guestPrelude } from '../../src/conformance/xenstore.js';
import { Frames } from '../../src/xenstore/protocol/frames.js';
import { encodeMessage, MESSAGE } from '../../src/xenstore/protocol/wire.js';
import { asLine, type Conversation } from './conversation.js';

const UNBOUND_TX = 0xfffffff0;
const SYNC = 0x5359;
const ASK = 1;

interface Message {
  readonly type: number;
  readonly requestId: number;
  readonly txId: number;
  readonly payload: string;
}

export class DaemonClosed extends Error {}

/** One raw connection. */
export class RawConnection {
  readonly #socket: Socket;
  readonly #messages: Message[] = [];
  #wake: (() => void) | undefined;
  #ended = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    const frames = new Frames();
    socket.on('data', (chunk: Buffer) => {
      frames.push(chunk, (type, requestId, payload) => {
        const txId =
          payload.length === 0 && payload.byteOffset < 16 ? 0 : new DataView(payload.buffer, payload.byteOffset - 8, 4).getUint32(0, true);
        this.#messages.push({ type, requestId, txId, payload: payload.toString('latin1') });
      });
      this.#wake?.();
    });
    const end = (): void => {
      this.#ended = true;
      this.#wake?.();
    };
    socket.on('error', end);
    socket.on('close', end);
  }

  static async open(path: string): Promise<RawConnection> {
    for (let tries = 0; ; tries++) {
      try {
        return new RawConnection(
          await new Promise<Socket>((resolve, reject) => {
            const socket = connect(path);
            socket.once('error', reject);
            socket.once('connect', () => {
              socket.removeListener('error', reject);
              resolve(socket);
            });
          }),
        );
      } catch (error) {
        if (tries === 400) throw error;
        await delay(5);
      }
    }
  }

  send(type: number, requestId: number, txId: number, payload: string): void {
    this.#socket.write(encodeMessage(type, requestId, txId, payload));
  }

  async next(): Promise<Message> {
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined) return message;
      if (this.#ended) throw new DaemonClosed('the daemon closed the connection');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }

  /** All messages up to the reply with this id, which is the last. */
  async until(requestId: number): Promise<Message[]> {
    const messages: Message[] = [];
    for (;;) {
      const message = await this.next();
      messages.push(message);
      if (message.type !== MESSAGE.watchEvent && message.requestId === requestId) return messages;
    }
  }

  async request(type: number, payload: string): Promise<Message> {
    this.send(type, SYNC, 0, payload);
    return (await this.until(SYNC)).at(-1)!;
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** @throws DaemonClosed when the daemon ends or closes a connection */
export async function record(path: string, conversation: Conversation): Promise<JsonObject> {
  const line = asLine(conversation);
  const connections: RawConnection[] = [];
  const { domids } = conversation;
  if (domids !== undefined) await introduceGuests(path, domids);
  for (let conn = 0; conn < conversation.conns; conn++) {
    const domid = domids?.[conn] ?? 0;
    connections.push(await RawConnection.open(domid === 0 ? path : join(dirname(path), `guest-${domid}`)));
  }
  const bound = new Map<string, number>();
  try {
    const steps: JsonObject[] = [];
    for (const [at, step] of conversation.steps.entries()) {
      const { conn, type, tx, payload, newtx } = step;
      let txId: number;
      if (typeof tx === 'string') txId = bound.get(tx) ?? UNBOUND_TX;
      else txId = typeof tx === 'number' ? tx : tx.raw;
      const connection = connections[conn]!;
      connection.send(type, ASK, txId, payload);
      // oxenstored answers an empty payload only when the next request comes.
      if (payload.length === 0) connection.send(MESSAGE.getDomainPath, SYNC, 0, '0\0');
      const answerMessage = await connection.until(ASK);
      const reply = answerMessage.pop()!;
      const events = answerMessage.map((event) => ({ conn, payload_b64: base64(event.payload), pre: true }) as JsonObject);
      for (const [other, each] of connections.entries()) {
        if (!(other === conn && payload.length === 0)) each.send(MESSAGE.getDomainPath, SYNC, 0, '0\0');
        for (const event of (await each.until(SYNC)).slice(0, -1)) events.push({ conn: other, payload_b64: base64(event.payload) });
      }
      let text = reply.payload;
      if (reply.type === MESSAGE.transactionStart && newtx !== undefined) {
        bound.set(newtx, Number.parseInt(text, 10));
        text = `${newtx}\0`;
      }
      // In a transaction that cannot be committed any more the C daemon may name a child twice; we
      // do not.
      if (reply.type === MESSAGE.directory && typeof tx === 'string') text = once(text);
      if (reply.type === MESSAGE.directoryPart) text = `GEN${text.slice(text.indexOf('\0'))}`;
      steps.push({
        ...(line.steps as JsonObject[])[at],
        reply: { type: reply.type, payload_b64: base64(text), ...(reply.txId === txId ? {} : { tx: reply.txId }) },
        events,
      });
    }
    return { ...line, steps };
  } finally {
    for (const connection of connections) connection.close();
  }
}

/** Each with a home of its own, as a toolstack leaves it. */
async function introduceGuests(path: string, domids: readonly number[]): Promise<void> {
  const connection = await RawConnection.open(path);
  for (const [type, payload] of guestPrelude(domids)) {
    const answer = await connection.request(type, payload);
    if (answer.type === MESSAGE.error) throw new Error(`before a conversation: ${type} ${JSON.stringify(payload)}: ${answer.payload}`);
  }
  connection.close();
}

function once(names: string): string {
  return [...new Set(names.split('\0').slice(0, -1))].map((name) => `${name}\0`).join('');
}

function base64(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString('base64');
}
