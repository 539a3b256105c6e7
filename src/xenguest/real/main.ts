// The builder as a program: it reads xenguest's command line and writes its control protocol.
import { writeSync } from 'node:fs';
import koffi from 'koffi';
import { openLibxencall } from '../../xenctrl/doors/libxencall-door.js';
import { openXenctrl } from '../../xenctrl/open-xenctrl.js';
import { connectXenstore } from '../../xenstore/client/connect.js';
import { parseCommandLine, type StreamCommand, type XenguestCommand } from '../command-line.js';
import { errorLine, flowLines, infoLine, resultLine } from '../control-protocol.js';
import { XenguestError } from '../xenguest.js';
import { type BuildDoors, type BuildStep, type BuiltGuest, buildGuest } from './build-guest.js';
import { XcInterface } from './dom-image.js';
import { restoreGuest, resumeGuest, type StreamStep, saveGuest } from './guest-streams.js';
import { loadLibxenguest } from './libraries.js';

type BuilderStep = BuildStep | StreamStep;

/** PR_SET_PDEATHSIG (linux/prctl.h). */
const SET_PARENT_DEATH_SIGNAL = 1;
const SIGKILL = 9;

/**
 * Builds, saves or restores the guest of the command line and writes the outcome on its control fd.
 * @param onStep called before each step
 * @returns the exit status
 */
export async function xenguestMain(argv: readonly string[], onStep: (step: BuilderStep) => void): Promise<number> {
  dieWithParent();
  let controlOut = 2;
  const write = (line: string): void => writeWhole(controlOut, line);
  try {
    const command = parseCommandLine(argv);
    controlOut = command.controlOutFd;
    const step = (name: BuilderStep): void => {
      write(infoLine(`step ${name}`));
      onStep(name);
    };
    const built = await perform(command, write, step);
    write(resultLine(built, built.protocol));
    return 0;
  } catch (error) {
    write(
      errorLine(error instanceof XenguestError ? error.message : `xenguest: ${error instanceof Error ? error.message : String(error)}`),
    );
    return 1;
  }
}

async function perform(command: XenguestCommand, write: (line: string) => void, step: (name: BuilderStep) => void): Promise<BuiltGuest> {
  const xch = new XcInterface(loadLibxenguest());
  const door = await openLibxencall();
  const xc = openXenctrl(door);
  if (xc.version.xen !== xch.lib.version) {
    throw new XenguestError(`xenguest: libxenguest ${xch.lib.version} cannot build guests of the running Xen ${xc.version.xen}`);
  }
  const xs = await connectXenstore();
  try {
    const doors = { xch, xc, xs, flow: flowLines(write), step };
    return 'args' in command ? await buildGuest(command.args, doors) : await stream(command, doors, write, step);
  } finally {
    await xs.close();
    xc.close();
    door.close();
    xch.close();
  }
}

/** A guest that is saved or resumed has no frames to report: 0 0, as xenguest writes. */
async function stream(
  command: StreamCommand,
  doors: BuildDoors,
  write: (line: string) => void,
  step: (name: BuilderStep) => void,
): Promise<BuiltGuest> {
  const { stream: args, fd, controlInFd: inFd } = command;
  if ('storePort' in args) return restoreGuest(args, fd!, doors, step);
  if (args.mode === 'resume') {
    step('xc_domain_resume');
    resumeGuest(args, doors.xch);
  } else {
    saveGuest(args, fd!, doors, { write, inFd, step });
  }
  return { storePfn: 0, consolePfn: 0, protocol: null };
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
