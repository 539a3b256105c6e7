// The builder as a program: it reads xenguest's command line and writes its control protocol.
import { writeSync } from 'node:fs';
import koffi from 'koffi';
import { openLibxencall } from '../../xenctrl/doors/libxencall-door.js';
import { openXenctrl } from '../../xenctrl/open-xenctrl.js';
import { connectXenstore } from '../../xenstore/client/connect.js';
import { parseCommandLine } from '../command-line.js';
import { errorLine, flowLines, infoLine, resultLine } from '../control-protocol.js';
import { XenguestError } from '../xenguest.js';
import { type BuildStep, type BuiltGuest, buildGuest } from './build-guest.js';
import { XcInterface } from './dom-image.js';
import { loadLibxenguest } from './libraries.js';

/** PR_SET_PDEATHSIG (linux/prctl.h). */
const SET_PARENT_DEATH_SIGNAL = 1;
const SIGKILL = 9;

/**
 * Builds the guest of the command line and writes the outcome on its control fd.
 * @param onStep called before each step
 * @returns the exit status
 */
export async function xenguestMain(argv: readonly string[], onStep: (step: BuildStep) => void): Promise<number> {
  dieWithParent();
  let controlOut = 2;
  const write = (line: string): void => writeWhole(controlOut, line);
  try {
    const command = parseCommandLine(argv);
    controlOut = command.controlOutFd;
    const step = (name: BuildStep): void => {
      write(infoLine(`step ${name}`));
      onStep(name);
    };
    const built = await build(command.args, write, step);
    write(resultLine(built, built.protocol));
    return 0;
  } catch (error) {
    write(
      errorLine(error instanceof XenguestError ? error.message : `xenguest: ${error instanceof Error ? error.message : String(error)}`),
    );
    return 1;
  }
}

async function build(
  args: Parameters<typeof buildGuest>[0],
  write: (line: string) => void,
  step: (name: BuildStep) => void,
): Promise<BuiltGuest> {
  const xch = new XcInterface(loadLibxenguest());
  const door = await openLibxencall();
  const xc = openXenctrl(door);
  if (xc.version.xen !== xch.lib.version) {
    throw new XenguestError(`xenguest: libxenguest ${xch.lib.version} cannot build guests of the running Xen ${xc.version.xen}`);
  }
  const xs = await connectXenstore();
  try {
    return await buildGuest(args, { xch, xc, xs, flow: flowLines(write), step });
  } finally {
    await xs.close();
    xc.close();
    door.close();
    xch.close();
  }
}

/**
 * A builder whose toolstack was killed must not go on building a domain that is being cleaned up.
 */
function dieWithParent(): void {
  const parent = process.ppid;
  const prctl = koffi.load('libc.so.6').func('int prctl(int option, unsigned long value)');
  prctl(SET_PARENT_DEATH_SIGNAL, SIGKILL);
  if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL');
}

/** A write to a pipe may be partial. */
function writeWhole(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}
