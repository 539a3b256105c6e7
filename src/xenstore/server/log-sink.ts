// The daemon's log on a descriptor that must never stop it: a pipe or socket that nobody reads
// loses lines, and says so later.
import { constants, fstatSync, openSync, writeSync } from 'node:fs';

export class LogSink {
  readonly #fd: number;
  #lost = 0;

  /** `fd`: usually 2. */
  constructor(fd: number) {
    this.#fd = withoutBlocking(fd);
  }

  line(text: string): void {
    if (this.#lost > 0 && this.#write(`${this.#lost} lines of the log were lost: nobody read it\n`)) this.#lost = 0;
    if (this.#lost > 0 || !this.#write(`${text}\n`)) this.#lost++;
  }

  #write(text: string): boolean {
    try {
      writeSync(this.#fd, text);
      return true;
    } catch {
      // Full, closed or on a full disk: there is no other place to say so.
      return false;
    }
  }
}

/**
 * A pipe is opened again, so that only our own writes do not wait; whoever shares the descriptor
 * keeps its mode.
 */
function withoutBlocking(fd: number): number {
  try {
    if (!fstatSync(fd).isFIFO()) return fd;
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return fd;
  }
}
