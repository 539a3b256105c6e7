// `xennuma xenstored`: the XenStore server.
import { existsSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { InputError } from '../../base/errors.js';
import { withErrnoName } from '../../base/files/errno-names.js';
import { makeOwnFolder } from '../../base/own-file.js';
import { harmless } from '../../base/safe-text.js';
import { xenstorePaths } from '../../xenstore/client/connect.js';
import type { ServerOptions } from '../../xenstore/server/server.js';
import { listenInstead } from '../../xenstore/server/signals.js';
import { type Personality, QUOTA, QUOTA_NAMES, type StoreQuota } from '../../xenstore/store/limits.js';
import { EXIT } from '../output/exit-codes.js';

/** Names the file of a live restart, for the program that takes over. */
const CARRY = 'XENNUMA_XENSTORED_CARRY';
/** Set for a run that only proves that the program starts. */
const REHEARSAL = 'XENNUMA_XENSTORED_REHEARSAL';
const REHEARSAL_MS = 20_000;
const HOST_ANSWER_MS = 1000;
/** A restart by signal waits until no further signal has come for this long. */
const QUIET_MS = 1000;
/** Where a SIGUSR2 is remembered that comes before there is a server to restart. */
const EARLY_REQUEST = 'xennuma.restart';
const MODULE_IN_ARGUMENT = 'data:text/javascript,';
/**
 * The first JavaScript that Node runs after a restart. It keeps a signal from ending the process
 * before the handlers are installed.
 */
const EARLY_HANDLERS = [
  '--import',
  `${MODULE_IN_ARGUMENT}process.on("SIGHUP",()=>{});process.on("SIGUSR2",()=>{globalThis[Symbol.for("${EARLY_REQUEST}")]=true})`,
];

interface XenstoredOptions {
  readonly socket?: string;
  readonly personality: Personality;
  readonly state?: string;
  readonly domainSockets?: string;
  readonly quota?: Partial<StoreQuota>;
  readonly force?: true;
  readonly rings?: true;
}

export function define(command: Command, answer: (code: number) => void): void {
  command
    .option(
      '--socket <file>',
      'unix socket of domain 0 (default: $XENSTORED_PATH, else $XENSTORED_RUNDIR/socket, else /run/xenstored/socket)',
    )
    .addOption(new Option('--personality <daemon>', 'real daemon to act as').choices(['xenstored', 'oxenstored']).default('xenstored'))
    .option('--state <file>', 'file that keeps the store, so that no acknowledged change is lost')
    .option('--quota <name=number>', "quota of each guest; repeatable, see docs/xenstore.md (default: the real daemon's)", addQuota)
    .option('--domain-sockets <folder>', 'folder for one socket per introduced domain, named by its number; clients there are unprivileged')
    .option('--force', "start at the host's own path even if a XenStore answers there")
    .option('--rings', "serve the rings of dom0's kernel and of all domains, as the XenStore of this Xen host")
    .addHelpText(
      'after',
      `
The daemon stays in the foreground. SIGTERM and SIGINT end it; SIGUSR2, or the
CONTROL request of \`xenstore-control live-update\`, restarts it in place: clients
keep their connections, watches and transactions. See docs/xenstore.md.`,
    )
    .action((options: XenstoredOptions) => serve(options, answer));
}

async function serve(options: XenstoredOptions, answer: (code: number) => void): Promise<void> {
  const requestedEarly = rememberEarlyRequests();
  const { CARRY_VERSION, XenstoreServer } = await import('../../xenstore/server/server.js');
  const { libc } = await import('../../xenstore/server/libc.js');
  const { LogSink } = await import('../../xenstore/server/log-sink.js');
  if (process.env[REHEARSAL] !== undefined) {
    // Everything is loaded, so this program can start. The caller compares the version.
    process.stdout.write(`${CARRY_VERSION}\n`);
    answer(EXIT.ok);
    return;
  }
  const sink = new LogSink(2);
  const log = (line: string): void => sink.line(harmless(`xenstored: ${line}`));
  checkQuota(options);
  const carry = process.env[CARRY];
  delete process.env[CARRY];
  const socket = options.socket ?? xenstorePaths()[0]!;
  if (options.socket === undefined && options.force === undefined && carry === undefined) await refuseBesideHost();
  if (options.domainSockets !== undefined && carry === undefined) makeDoorFolder(options.domainSockets);
  let server: InstanceType<typeof XenstoreServer>;
  try {
    server = new XenstoreServer({
      personality: options.personality,
      socket,
      ...(options.state === undefined ? {} : { stateFile: options.state }),
      ...(options.domainSockets === undefined ? {} : { domainSockets: options.domainSockets }),
      ...(options.quota === undefined ? {} : { quota: options.quota }),
      ...(carry === undefined ? {} : { carry }),
      ...(options.rings === true ? await ofThisHost() : {}),
      log,
      rehearse: startsAgain,
      restart: (file) => {
        process.env[CARRY] = file;
        try {
          return libc().exec(process.execPath, [...EARLY_HANDLERS, ...execArguments(), ...process.argv.slice(1)]);
        } finally {
          delete process.env[CARRY];
        }
      },
    });
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError((error as Error).message, {}, 'name another socket or folder, or run it as a user who may use this one');
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => server.stop());
  listenInstead('SIGUSR2', () => server.requestRestart(QUIET_MS));
  listenInstead('SIGHUP', () => log('SIGHUP: there is no file to reopen'));
  if (requestedEarly()) server.requestRestart(QUIET_MS);
  log(`${carry === undefined ? 'listening' : 'restarted, still listening'} at ${socket} as ${options.personality}`);
  await server.run();
  answer(EXIT.ok);
}

function checkQuota(options: XenstoredOptions): void {
  for (const [name, key] of QUOTA_NAMES) {
    if (options.quota?.[key] === undefined || Number.isFinite(QUOTA[options.personality][key])) continue;
    throw new InputError(`${options.personality} has no quota ${name}`, { path: '--quota' }, 'leave it out, or use the other personality');
  }
}

/** The host's rings, and what Xen knows of its domains. @throws InputError where there is no Xen */
async function ofThisHost(): Promise<Pick<ServerOptions, 'rings' | 'domainExists'>> {
  const { hostRingDoors } = await import('../../xenstore/server/rings/doors.js');
  const { openLibxencall } = await import('../../xenctrl/doors/libxencall-door.js');
  const { openXenctrl } = await import('../../xenctrl/open-xenctrl.js');
  const xc = openXenctrl(await openLibxencall());
  return {
    domainExists: (domid) => domid === 0 || xc.domainInfo(domid) !== null,
    rings: {
      doors: hostRingDoors(),
      domainState: (domid) => {
        const info = xc.domainInfo(domid);
        if (info === null || info.dying) return 'gone';
        return info.shutdown === null ? 'lives' : 'shut down';
      },
    },
  };
}

/**
 * Loading the modules and a large state file takes seconds: until the server can restart, a signal
 * is remembered instead of ending the process.
 */
function rememberEarlyRequests(): () => boolean {
  let requested = false;
  listenInstead('SIGHUP', () => {});
  listenInstead('SIGUSR2', () => {
    requested = true;
  });
  return () => requested || (globalThis as Record<symbol, unknown>)[Symbol.for(EARLY_REQUEST)] === true;
}

/**
 * Options of Node itself, without the ones that a restart adds, also a restart by another version.
 */
function execArguments(): string[] {
  const own = (at: number): boolean =>
    process.execArgv[at] === '--import' && process.execArgv[at + 1]?.startsWith(MODULE_IN_ARGUMENT) === true;
  return process.execArgv.filter((_, at) => !own(at) && !own(at - 1));
}

/** Starts this program, as installed now, up to the point where it would serve. */
async function startsAgain(version: number): Promise<boolean> {
  const { spawn } = await import('node:child_process');
  const child = spawn(process.execPath, [...execArguments(), ...process.argv.slice(1)], {
    env: { ...process.env, [REHEARSAL]: '1' },
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: REHEARSAL_MS,
  });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString('latin1');
  });
  const code = await new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
  return code === 0 && out.trim() === String(version);
}

/**
 * The default path is the host's own. In a dom0 with a XenStore, the tools would talk to the wrong
 * one. @throws InputError
 */
async function refuseBesideHost(): Promise<void> {
  const { connectXenstore } = await import('../../xenstore/client/connect.js');
  for (const path of xenstorePaths()) {
    if (!existsSync(path)) continue;
    try {
      const signal = AbortSignal.timeout(HOST_ANSWER_MS);
      const xs = await connectXenstore({ path, reconnect: false, signal });
      await xs.with(signal).domainPath(0);
      await xs.close();
    } catch {
      continue;
    }
    throw new InputError(
      `a XenStore answers at ${path}`,
      { path: '--socket' },
      "name another socket with --socket, or take over the host's path with --force",
    );
  }
}

/**
 * At the start: later, a folder that cannot be had would show only once there are domains.
 * @throws InputError
 */
function makeDoorFolder(folder: string): void {
  try {
    makeOwnFolder(folder);
  } catch (error) {
    if (error instanceof InputError) throw error;
    const { message } = withErrnoName(error as Error);
    throw new InputError(`the folder of domain sockets cannot be used: ${message}`, { file: folder }, 'name another folder, or make room');
  }
}

/** Adds one `--quota` to those before it. */
function addQuota(options: string, before: Partial<StoreQuota> = {}): Partial<StoreQuota> {
  const [, name, digits] = /^([a-z-]+)=([0-9]+)$/.exec(options) ?? [];
  const key = name === undefined ? undefined : QUOTA_NAMES.get(name);
  const value = Number(digits);
  if (key === undefined || !Number.isSafeInteger(value) || value < 1) {
    throw new InputError(
      `not a quota: ${options}`,
      { path: '--quota' },
      `give one of ${[...QUOTA_NAMES.keys()].join(', ')}, "=" and a whole number from 1`,
    );
  }
  return { ...before, [key]: value };
}
