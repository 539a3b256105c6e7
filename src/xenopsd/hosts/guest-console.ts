// The console of a guest: joins the terminal that xenconsoled keeps for it with the user's.
import { constants, open as openFd, write as writeFd } from 'node:fs';
import { ReadStream } from 'node:tty';
import { promisify } from 'node:util';
import { InputError } from '../../base/errors.js';
import { nullIfAbsent } from '../../xenstore/absence.js';
import type { XenstoreConnection } from '../../xenstore/connection.js';

const open = promisify(openFd);

/** Ctrl-]: leaves the console, as in xl console and telnet. */
export const DETACH = 0x1d;

export interface GuestTerminal {
  readonly domid: number;
  /** "/dev/pts/3" */
  readonly path: string;
}

/**
 * The terminal of a running guest.
 * @param vm its name, or its domain id
 * @throws InputError when there is no such guest, or it has no console yet
 */
export async function findTerminal(xs: XenstoreConnection, vm: string): Promise<GuestTerminal> {
  const domid = await findDomain(xs, vm);
  // As xl: an HVM guest's console is its serial port (libxl_console.c, libxl__console_tty_path).
  for (const key of ['serial/0/tty', 'console/tty']) {
    const path = await nullIfAbsent(xs.read(`/local/domain/${domid}/${key}`));
    if (path !== null && path !== '') return { domid, path };
  }
  throw new InputError(`'${vm}' has no console`, { path: vm }, 'is it running, and does xenconsoled run?');
}

async function findDomain(xs: XenstoreConnection, vm: string): Promise<number> {
  const domids = (await xs.directory('/local/domain')).filter((name) => /^\d+$/.test(name));
  const names = await Promise.all(domids.map((domid) => nullIfAbsent(xs.read(`/local/domain/${domid}/name`))));
  const index = names.indexOf(vm);
  // A name that is a number wins over the id.
  const found = index === -1 ? domids.find((domid) => domid === vm) : domids[index];
  if (found === undefined) throw new InputError(`no guest '${vm}' runs here`, { path: vm }, 'name one of those that xl list shows');
  return Number(found);
}

/** The person's side: bytes in, bytes out. */
export interface ConsoleUser {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
}

/**
 * Shows the guest's output and sends it the user's input, until Ctrl-] or the end of the input
 * ('detached'), or the guest goes ('ended').
 * @throws InputError when the terminal cannot be opened
 */
export async function attachConsole({ path }: GuestTerminal, user: ConsoleUser): Promise<'detached' | 'ended'> {
  // Not this process's controlling terminal: Ctrl-C is the guest's. A FileHandle would close the
  // number again when it is collected, after ReadStream has closed it and another file has it.
  const fd = await open(path, constants.O_RDWR | constants.O_NOCTTY).catch((error: unknown) => {
    throw new InputError(
      `the console cannot be opened: ${error instanceof Error ? error.message : String(error)}`,
      { file: path },
      'run it as root',
    );
  });
  const terminal = new ReadStream(fd);
  const sent = new Outbox(fd);
  try {
    return await new Promise((resolve) => {
      terminal.on('data', (chunk) => user.output.write(chunk));
      // xenconsoled closes its side when the guest goes.
      terminal.on('error', () => resolve('ended'));
      terminal.on('end', () => resolve('ended'));
      user.input.on('data', (chunk: Buffer | string) => {
        const bytes = Buffer.from(chunk as string);
        const detach = bytes.indexOf(DETACH);
        sent.push(detach === -1 ? bytes : bytes.subarray(0, detach));
        if (detach !== -1) void sent.drained().then(() => resolve('detached'));
      });
      user.input.on('end', () => void sent.drained().then(() => resolve('detached')));
    });
  } finally {
    user.input.removeAllListeners('data');
    user.input.removeAllListeners('end');
    terminal.destroy();
  }
}

/** Bytes for the guest in order; a guest that reads slowly delays only itself. */
class Outbox {
  readonly #fd: number;
  #last: Promise<void> = Promise.resolve();

  constructor(fd: number) {
    this.#fd = fd;
  }

  push(bytes: Uint8Array): void {
    this.#last = this.#last.then(() => this.#write(bytes));
  }

  drained(): Promise<void> {
    return this.#last;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let rest = bytes; rest.length > 0; ) {
      const written = await new Promise<number>((done) =>
        writeFd(this.#fd, rest, (error, count) => done(writtenBytes(error, count, rest.length))),
      );
      if (written === 0) await new Promise((done) => setTimeout(done, FULL_WAIT_MS));
      rest = rest.subarray(written);
    }
  }
}

const FULL_WAIT_MS = 20;

/**
 * EAGAIN: the terminal is full for now. Any other error means that the guest has gone, and all that
 * was for it is dropped.
 */
function writtenBytes(error: NodeJS.ErrnoException | null, count: number, all: number): number {
  if (error === null) return count;
  return error.code === 'EAGAIN' ? 0 : all;
}
