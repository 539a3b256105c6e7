// A daemon's log on a descriptor that must never stop it: if nobody reads the pipe or socket, lines
// are lost and the loss is reported later.
import { constants, fstatSync, openSync, writeSync } from 'node:fs';
import { libcIfThere } from './libc.js';

export class LogSink {
  readonly #write: (bytes: Buffer) => number;
  /** Rest of a line that was written in part. */
  #rest: Buffer = NOTHING;
  #lost = 0;

  /** `fd`: usually 2. */
  constructor(fd: number) {
    this.#write = writerOf(fd);
  }

  line(text: string): void {
    if (!this.#writeRest()) {
      this.#lost++;
      return;
    }
    if (this.#lost > 0) {
      const sentence = `${this.#lost} lines of the log were lost: nobody read it\n`;
      if (this.#writeAll(sentence)) this.#lost = 0;
    }
    if (this.#lost > 0 || this.#rest.length > 0 || !this.#writeAll(`${text}\n`)) this.#lost++;
  }

  #writeRest(): boolean {
    return this.#rest.length === 0 || (this.#put(this.#rest) && this.#rest.length === 0);
  }

  #writeAll(text: string): boolean {
    return this.#put(Buffer.from(text));
  }

  /** @returns false when nothing was written. The rest of a part comes before the next line. */
  #put(bytes: Buffer): boolean {
    try {
      const written = this.#write(bytes);
      if (written <= 0) return false;
      this.#rest = bytes.subarray(written);
      return true;
    } catch {
      // Full, closed or on a full disk: there is no other place to say so.
      return false;
    }
  }
}

const COMPLAINT_MS = 1000;

/** Logs what a client can cause as often as it likes, once a second at most. */
export function complaints(log: (line: string) => void): (line: string) => void {
  const last = new Map<string, number>();
  return (line) => {
    const now = performance.now();
    if ((last.get(line) ?? Number.NEGATIVE_INFINITY) > now - COMPLAINT_MS) return;
    last.set(line, now);
    log(line);
  };
}

const NOTHING = Buffer.alloc(0);

/**
 * Only our own writes must not wait: other processes that share the descriptor keep its mode. So a
 * pipe is opened again, and a socket gets a flag at each call.
 */
function writerOf(fd: number): (bytes: Buffer) => number {
  const plain = (bytes: Buffer): number => writeSync(fd, bytes);
  try {
    const there = fstatSync(fd);
    if (there.isFIFO()) {
      const own = openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK);
      return (bytes) => writeSync(own, bytes);
    }
    const system = there.isSocket() ? libcIfThere() : undefined;
    return system === undefined ? plain : (bytes) => system.sendNow(fd, bytes, bytes.length);
  } catch {
    return plain;
  }
}
