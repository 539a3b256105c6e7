// Message types and header of the XenStore protocol. Source: xen/include/public/io/xs_wire.h (Xen
// 4.17): four little-endian 32-bit words, then the payload.

/** type, request id, transaction id, payload length. */
export const HEADER_BYTES = 16;
export const PAYLOAD_MAX_BYTES = 4096;

export const MESSAGE = {
  control: 0,
  directory: 1,
  read: 2,
  getPermissions: 3,
  watch: 4,
  unwatch: 5,
  transactionStart: 6,
  transactionEnd: 7,
  introduce: 8,
  release: 9,
  getDomainPath: 10,
  write: 11,
  mkdir: 12,
  rm: 13,
  setPermissions: 14,
  watchEvent: 15,
  error: 16,
  isDomainIntroduced: 17,
  resume: 18,
  setTarget: 19,
  resetWatches: 21,
  directoryPart: 22,
} as const;

/**
 * Node's own conversions, without the look-up of the encoding's name that toString and write make
 * each time.
 */
export interface Bytes extends Buffer {
  latin1Slice(start: number, end: number): string;
  latin1Write(text: string, offset: number): number;
}

/** One request as it lies in a buffer; `start` is where its payload begins. */
export interface Request {
  readonly type: number;
  readonly requestId: number;
  readonly txId: number;
  readonly bytes: Bytes;
  readonly start: number;
  readonly end: number;
}

/** Where replies and events of one client go. Strings are latin1: one character a byte. */
export interface Outbox {
  reply(type: number, requestId: number, txId: number, payload: string): void;
  event(path: string, token: string): void;
}

/** A whole message. */
export function encodeMessage(type: number, requestId: number, txId: number, payload: Uint8Array | string): Buffer {
  const body = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload;
  const message = Buffer.allocUnsafe(HEADER_BYTES + body.length);
  message.writeUInt32LE(type, 0);
  message.writeUInt32LE(requestId, 4);
  message.writeUInt32LE(txId, 8);
  message.writeUInt32LE(body.length, 12);
  message.set(body, HEADER_BYTES);
  return message;
}

/** Of a request: a string is text, sent as UTF-8. */
export type Payload = string | Uint8Array;

const UTF8_MOST_BYTES = 3;

/** Length of a payload in bytes, or more of one that is within the limit for certain. */
export function payloadBytes(payload: Payload): number {
  if (typeof payload !== 'string') return payload.length;
  const most = payload.length * UTF8_MOST_BYTES;
  return most <= PAYLOAD_MAX_BYTES ? most : Buffer.byteLength(payload);
}

/** A whole message of a client. */
export function encodeRequest(type: number, requestId: number, txId: number, payload: Payload): Buffer {
  if (typeof payload !== 'string') return encodeMessage(type, requestId, txId, payload);
  const length = Buffer.byteLength(payload);
  const message = Buffer.allocUnsafe(HEADER_BYTES + length);
  message.writeUInt32LE(type, 0);
  message.writeUInt32LE(requestId, 4);
  message.writeUInt32LE(txId, 8);
  message.writeUInt32LE(length, 12);
  message.write(payload, HEADER_BYTES);
  return message;
}
