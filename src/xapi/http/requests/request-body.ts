// The body of a call, charged to the address that sends it.
import type { IncomingMessage } from 'node:http';
import { GrowingBytes } from '../../../base/bytes/growing-bytes.js';
import type { Ledger, Principal } from '../../calls/ledger.js';

/** Each piece costs work, however short it is. */
export const MOST_PIECES = 16_384;

export interface Body {
  readonly bytes: Buffer;
  /** Gives back what was charged. */
  readonly release: () => void;
}

/** 'gone': the caller broke off, which is no fault, and nobody waits for an answer. */
export type NoBody = 'too long' | 'too many bytes' | 'gone';

/** What the buffer of the body takes is charged until the call is answered. */
export async function readBody(request: IncomingMessage, ledger: Ledger, principal: Principal, mostBytes: number): Promise<Body | NoBody> {
  if (Number(request.headers['content-length'] ?? 0) > mostBytes) return 'too long';
  const bytes = new GrowingBytes(mostBytes);
  // One for each time that the buffer grows.
  const charges: (() => void)[] = [];
  const release = (): void => {
    for (const charge of charges.splice(0)) charge();
  };
  let pieces = 0;
  const refusal = await new Promise<NoBody | null>((done) => {
    request.on('data', (piece: Buffer) => {
      const why = ++pieces > MOST_PIECES ? 'too long' : taken(piece);
      if (why === null) return;
      // The rest is not read.
      request.pause().removeAllListeners('data');
      done(why);
    });
    const taken = (piece: Buffer): NoBody | null => {
      const capacity = bytes.capacityFor(piece.length);
      if (capacity > mostBytes) return 'too long';
      if (capacity > bytes.capacity) {
        const charge = ledger.take('bytes', principal, capacity - bytes.capacity);
        if (charge === null) return 'too many bytes';
        charges.push(charge);
      }
      bytes.add(piece);
      return null;
    };
    request.once('end', () => done(null));
    // Node's error for a caller that went is of no use to anybody.
    request.on('error', () => done('gone'));
    request.once('close', () => done('gone'));
  });
  if (refusal === null) return { bytes: bytes.view(), release };
  release();
  return refusal;
}
