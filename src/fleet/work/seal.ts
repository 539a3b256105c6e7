// Signatures of jobs and results. A placer may ask a server to deliver texts of its own to any
// subject (nats-server 2.9.10 does not deliver them to a stream; that is not documented). So a text
// on a job's subject is no proof of who wrote it. With keys, workers do only what
// the administrator's key has signed, and they work with that key themselves.
import { headers, type MsgHdrs, nkeys } from '@nats-io/transport-node';

const HEADER = 'Xennuma-Signature';

export class Seal {
  readonly #pair: ReturnType<typeof nkeys.fromSeed> | null;

  /** @param seed of the administrator's nkey; null = a fleet without keys, where all may do all */
  constructor(seed: Uint8Array | null) {
    this.#pair = seed === null ? null : nkeys.fromSeed(seed);
  }

  /** Headers for the text on this subject. */
  of(subject: string, text: string): MsgHdrs {
    const all = headers();
    if (this.#pair !== null) all.set(HEADER, Buffer.from(this.#pair.sign(signed(subject, text))).toString('base64'));
    return all;
  }

  holds(subject: string, text: string, given: MsgHdrs | undefined): boolean {
    if (this.#pair === null) return true;
    try {
      return this.#pair.verify(signed(subject, text), Buffer.from(given?.get(HEADER) ?? '', 'base64'));
    } catch {
      return false;
    }
  }
}

/** The subject too: a signed job is not another job, nor a result. */
const signed = (subject: string, text: string): Uint8Array => Buffer.from(`${subject}\n${text}`);
