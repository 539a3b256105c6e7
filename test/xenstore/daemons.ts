// Starts XenStore daemons for tests: ours, as a process of its own, and Debian's two real ones
// (rig/xenstored).
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connectXenstore } from '../../src/xenstore/client/connect.js';
import type { Personality, StoreQuota } from '../../src/xenstore/store/limits.js';
import { temporaryFolder } from '../support/temporary.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const rig = join(root, 'rig/xenstored/run.sh');

/** `npm run test:xenstore` sets it once the packages are there. */
export const REAL = process.env.XENNUMA_XENSTORE_REAL === '1';
export const WHY_NOT_REAL = "Debian's daemons: run by npm run test:xenstore, as root on Debian 12";

export interface Daemon {
  readonly socket: string;
  readonly folder: string;
  readonly process: ChildProcess;
  readonly personality: Personality;
  readonly ours: boolean;
  /** The end of what it has written to its log. */
  readonly said: () => string;
  /** Ends it as an administrator does, and waits. */
  stop(): Promise<void>;
  /** kill -9, and waits. */
  kill(): Promise<void>;
}

export interface OurOptions {
  readonly state?: boolean;
  readonly domainSockets?: boolean;
  /** A folder of an earlier daemon, to go on in. */
  readonly folder?: string;
  /** false: as on a machine without koffi. */
  readonly koffi?: boolean;
  /** A copy of the command. */
  readonly program?: string;
  /** ulimit -n. */
  readonly descriptors?: number;
}

/** The built command. */
export const PROGRAM = join(root, 'dist/xennuma.js');

export async function startOurs(personality: Personality, options: OurOptions = {}): Promise<Daemon> {
  const folder = options.folder ?? temporaryFolder('xennuma-xs-');
  const args = ['xenstored', '--socket', join(folder, 'socket'), '--personality', personality];
  if (options.state) args.push('--state', join(folder, 'state'));
  if (options.domainSockets) args.push('--domain-sockets', join(folder, 'domains'));
  const limit = options.descriptors === undefined ? '' : `ulimit -n ${options.descriptors}; `;
  const child = spawn('sh', ['-c', `${limit}exec "$@"`, 'sh', process.execPath, options.program ?? PROGRAM, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...(options.koffi === false ? { XENNUMA_NO_KOFFI: '1' } : {}) },
  });
  return started(child, folder, personality, true);
}

/** Options of the real daemons for quotas. */
const QUOTA_OPTIONS: Record<Personality, (quota: Partial<StoreQuota>) => string[]> = {
  xenstored: ({ nodes, watches, transactions, nodeSizeBytes, permissions, transactionNodes }) =>
    Object.entries({ '-E': nodes, '-W': watches, '-t': transactions, '-S': nodeSizeBytes, '-A': permissions })
      .filter(([, value]) => value !== undefined)
      .flatMap(([option, value]) => [option, String(value)])
      .concat(transactionNodes === undefined ? [] : ['-Q', `transaction-nodes=${transactionNodes}`]),
  oxenstored: ({ nodes, watches, transactions, nodeSizeBytes, transactionNodes }) =>
    Object.entries({
      maxentity: nodes,
      maxwatch: watches,
      transaction: transactions,
      maxsize: nodeSizeBytes,
      maxrequests: transactionNodes,
    })
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `quota-${name} = ${value}`),
};

export async function startReal(personality: Personality, quota: Partial<StoreQuota> = {}): Promise<Daemon> {
  const folder = temporaryFolder('xennuma-xr-');
  mkdirSync(join(folder, 'domains'));
  for (let domid = 1; domid <= 8; domid++) writeFileSync(join(folder, 'domains', String(domid)), '');
  const child = spawn(rig, [personality, folder, ...QUOTA_OPTIONS[personality](quota)], { stdio: ['ignore', 'ignore', 'pipe'] });
  return started(child, folder, personality, false);
}

async function started(child: ChildProcess, folder: string, personality: Personality, ours: boolean): Promise<Daemon> {
  const socket = join(folder, 'socket');
  let said = '';
  child.stderr!.on('data', (chunk: Buffer) => {
    said = `${said}${chunk.toString('utf8')}`.slice(-4000);
  });
  for (let tries = 0; ; tries++) {
    if (child.exitCode !== null || tries > 600) throw new Error(`${personality} did not start: ${said}`);
    if (existsSync(socket) && (await answers(socket))) break;
    await delay(50);
  }
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(signal);
      await once(child, 'exit');
    }
  };
  return {
    socket,
    folder,
    process: child,
    personality,
    ours,
    said: () => said,
    stop: () => end(ours ? 'SIGTERM' : 'SIGKILL'),
    kill: () => end('SIGKILL'),
  };
}

async function answers(socket: string): Promise<boolean> {
  try {
    const client = await connectXenstore({ path: socket, reconnect: false });
    await client.domainPath(0);
    await client.close();
    return true;
  } catch {
    return false;
  }
}

/** Runs one of Debian's clients against a socket. */
export async function client(socket: string, name: string, args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const child = spawn(rig, ['client', name, ...args], { env: { ...process.env, XENSTORED_PATH: socket } });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString('latin1');
  });
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString('latin1');
  });
  const [code] = (await once(child, 'close')) as [number];
  return { code, out, err };
}
