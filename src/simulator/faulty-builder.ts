// The domain builder as a process of its own, of which only the process is simulated: the product
// starts it, reads its control fd and kills it as it does with a real one. It crashes at any
// moment, hangs, and writes garbage.
import { EventEmitter } from 'node:events';
import { openXenctrl } from '../xenctrl/open-xenctrl.js';
import { parseCommandLine } from '../xenguest/command-line.js';
import { errorLine, flowLines, resultLine } from '../xenguest/control-protocol.js';
import { embeddedXenguest } from '../xenguest/embedded.js';
import { type BuilderProcess, ProcessXenguest } from '../xenguest/process.js';
import { type Xenguest, XenguestError } from '../xenguest/xenguest.js';
import type { XenstoreConnection } from '../xenstore/connection.js';
import { type Faults, Life } from './faults.js';
import type { FaultyDoor } from './faulty-door.js';

/** How long a builder may be silent before it is killed. */
const SILENCE_MS = 60_000;
/** Turns of the event loop within which a builder crashes. */
const CRASH_TURNS = 40;

const FAULTS = ['does not start', 'crashes', 'ends without a word', 'hangs', 'garbage', 'cut line', 'two results', 'bytes'] as const;
type BuilderFault = (typeof FAULTS)[number];

/** The context of a builder in a daemon's life. */
export interface BuilderDoors {
  readonly door: (life: Life) => FaultyDoor;
  readonly connect: (life: Life) => XenstoreConnection;
}

export function processXenguest(doors: BuilderDoors, faults: Faults, life: Life): Xenguest {
  return new ProcessXenguest({
    command: ['xenguest'],
    silenceMs: SILENCE_MS,
    spawn: (_program, words) => new SimulatedBuilder(words, doors, faults, life),
  });
}

class SimulatedBuilder extends EventEmitter implements BuilderProcess {
  readonly pid: number | undefined;
  readonly stdio = [null, new EventEmitter(), new EventEmitter(), new EventEmitter(), new EventEmitter()] as const;
  readonly #life: Life;
  readonly #parent: Life;
  #ended = false;

  constructor(words: readonly string[], doors: BuilderDoors, faults: Faults, parent: Life) {
    super();
    parent.enter();
    this.#parent = parent;
    this.#life = new Life(parent);
    const fault = faults.next(FAULTS);
    this.pid = fault === 'does not start' ? undefined : 1;
    if (fault === 'does not start') setImmediate(() => this.emit('error', new Error('spawn xenguest EAGAIN')));
    else void this.#run(words, doors, faults, fault).catch(() => {});
    if (fault === 'crashes') this.#crashIn(faults.below(CRASH_TURNS));
  }

  kill(): void {
    this.#end(null, 'SIGKILL');
  }

  #crashIn(turns: number): void {
    if (turns > 0) setImmediate(() => this.#crashIn(turns - 1));
    else this.#end(null, 'SIGSEGV');
  }

  async #run(words: readonly string[], doors: BuilderDoors, faults: Faults, fault: BuilderFault | null): Promise<void> {
    await this.#turn();
    const life = this.#life;
    if (fault === 'hangs') return;
    const xc = openXenctrl(doors.door(life));
    const xs = doors.connect(life);
    let result: string;
    try {
      const flow = flowLines((line) => this.#write(line));
      const command = parseCommandLine(words);
      if (!('args' in command)) throw new XenguestError('xenguest: the embedded host saves no guests');
      const built = await embeddedXenguest({ xc, xs }).run(command.args, { flow, turn: () => this.#turn() });
      result = resultLine(built, null);
    } catch (error) {
      this.#write(errorLine(error instanceof Error ? error.message : String(error)));
      this.#end(1, null);
      return;
    }
    this.#finish(result, fault, faults);
  }

  #finish(result: string, fault: BuilderFault | null, faults: Faults): void {
    if (fault === 'ends without a word') {
      this.#end(1, null);
      return;
    }
    if (fault === 'garbage') this.#write('Segmentation fault\n');
    if (fault === 'bytes') this.#write(String.fromCharCode(...Array.from({ length: 40 }, () => faults.below(256))));
    if (fault === 'two results') this.#write(result);
    this.#write(fault === 'cut line' ? result.slice(0, -2) : result);
    this.#end(0, null);
  }

  /** In two pieces, as a pipe may give them. */
  #write(line: string): void {
    if (this.#ended || this.#parent.dead) return;
    const bytes = Buffer.from(line);
    const half = bytes.length >> 1;
    this.stdio[3].emit('data', bytes.subarray(0, half));
    this.stdio[3].emit('data', bytes.subarray(half));
  }

  /** The end of a killed builder. */
  async #turn(): Promise<void> {
    await new Promise((done) => setImmediate(done));
    if (this.#life.dead) await new Promise<never>(() => {});
  }

  #end(exit: number | null, signal: NodeJS.Signals | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#life.kill();
    setImmediate(() => {
      if (!this.#parent.dead) this.emit('close', exit, signal);
    });
  }
}

const ANSWERS = ['dies at once', 'dies at the end', 'hangs', 'writes garbage'] as const;

/**
 * The builder of a host without processes. It fails with the messages that the product has for a
 * process.
 */
export function faultyXenguest(inner: Xenguest, faults: Faults, life: Life): Xenguest {
  return {
    async run(args, run) {
      await life.enterAsync();
      const fault = faults.next(ANSWERS);
      if (fault === 'dies at once') throw new XenguestError('xenguest was killed by SIGSEGV');
      if (fault === 'hangs') {
        await new Promise<void>((done) => setTimeout(done, SILENCE_MS));
        throw new XenguestError('xenguest was silent for 60 s');
      }
      const result = await inner.run(args, run);
      if (fault === 'dies at the end') throw new XenguestError('xenguest exited with 1 and said nothing');
      if (fault === 'writes garbage') throw new XenguestError("xenguest said '\u0000\u00ff', which is no line of its protocol");
      return result;
    },
  };
}
