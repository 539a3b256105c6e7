// A daemon under load with everything against it at once: kill -9, SIGSTOP, 64 descriptors of which
// one client takes all it gets, 128 MiB of heap, and a disk that fills up and empties.
// XENNUMA_MIXED_SECONDS says how long (`npm run test:mixed`: 60), XENNUMA_SEED which moments.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, expect, it } from 'vitest';
import { seededNumbers } from '../../src/base/random.js';
import { emptySlots, NoAnswer, post, Refused, type Slot, step, verify } from '../support/vm-slots.js';
import { root } from '../xennuma.js';

const SECONDS = Number(process.env.XENNUMA_MIXED_SECONDS ?? 6);
const SEED = Number(process.env.XENNUMA_SEED ?? 20261129);
const SLOTS = 8;
const DESCRIPTORS = 64;
const HEAP_MIB = 128;
const DISK = '6m';
const program = join(root, 'dist/xennuma.js');
/** A small file system of its own, in a mount namespace. */
const namespaces = spawnSync('unshare', ['-rm', 'true']).status === 0;

const ends: (() => unknown)[] = [];
afterAll(() => {
  for (const end of ends.reverse()) end();
});

interface Served {
  readonly child: ChildProcess;
  readonly port: number;
  readonly session: string;
}

/** The disk, and how to run a program that sees it. */
async function disk(): Promise<{ folder: string; filler: string; enter: readonly string[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'xennuma-mixed-'));
  const script = `mount -t tmpfs -o size=${DISK} tmpfs ${folder} && echo ready && exec sleep 3000`;
  const holder = spawn('unshare', ['-rm', 'sh', '-c', script]);
  ends.push(() => {
    holder.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  });
  await new Promise((done) => holder.stdout.once('data', done));
  const enter = ['nsenter', '-t', String(holder.pid), '-U', '-m', '--preserve-credentials'];
  return { folder, filler: join('/proc', String(holder.pid), 'root', folder, 'filler'), enter };
}

async function serve(enter: readonly string[], state: string): Promise<Served> {
  const words = ['serve', '--host', join(root, 'examples/hosts/two-sockets.xml'), '--state', state, '--listen', '127.0.0.1:0'];
  const limited = ['sh', '-c', `ulimit -n ${DESCRIPTORS}; exec "$@"`, 'sh', process.execPath, `--max-old-space-size=${HEAP_MIB}`, program];
  const [command, ...more] = [...enter, ...limited, ...words];
  const child = spawn(command!, more, { stdio: ['ignore', 'pipe', 'pipe'] });
  ends.push(() => child.kill('SIGKILL'));
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-2000);
  });
  const port = await new Promise<number>((done, failed) => {
    child.stdout.on('data', (chunk: Buffer) => {
      const found = /:(\d+)\n/.exec(chunk.toString());
      if (found !== null) done(Number(found[1]));
    });
    child.once('close', (code, signal) => failed(new Error(`the daemon ended with ${code ?? signal} before it listened: ${said}`)));
  });
  return { child, port, session: (await post(port, 'session.login_with_password', ['root', ''])) as string };
}

function fill(file: string): void {
  for (let bytes = 65_536; bytes >= 512; bytes /= 2) {
    try {
      for (;;) writeFileSync(file, Buffer.alloc(bytes), { flag: 'a' });
    } catch {
      // Full for pieces of this size.
    }
  }
}

/** Another address that takes every connection it can get, and says nothing. */
function greedy(port: number): Socket[] {
  return Array.from({ length: 2 * DESCRIPTORS }, () => {
    const socket = connect({ host: '127.0.0.1', port, localAddress: '127.0.0.2' });
    socket.on('error', () => {});
    return socket;
  });
}

const counts = { rounds: 0, kills: 0, stops: 0, fills: 0, acknowledged: 0, refused: 0, unanswered: 0 };

/** Changes one VM after the other until the time is over; a call without an answer ends it. */
async function load(slot: Slot, { port, session }: Served, random: () => number, until: () => boolean, label: () => string): Promise<void> {
  const call = (method: string, ...params: unknown[]) => post(port, method, [session, ...params]);
  while (!until()) {
    try {
      await step(slot, call, random, label);
      counts.acknowledged++;
    } catch (error) {
      if (error instanceof NoAnswer) {
        counts.unanswered++;
        return;
      }
      if (!(error instanceof Refused)) throw error;
      counts.refused++;
      await delay(5);
    }
  }
}

/** What happens to the daemon while it is under load. */
async function trouble({ child }: Served, filler: string, random: () => number): Promise<void> {
  await delay(random() % 300);
  switch (random() % 4) {
    case 0:
      counts.kills++;
      child.kill('SIGKILL');
      break;
    case 1:
      counts.stops++;
      child.kill('SIGSTOP');
      await delay(100 + (random() % 300));
      child.kill('SIGCONT');
      break;
    case 2:
      counts.fills++;
      fill(filler);
      break;
    default:
      if (existsSync(filler)) truncateSync(filler, 0);
  }
}

it.skipIf(!namespaces || !existsSync(program))(
  `${SECONDS} s of mixed load (seed ${SEED}; skipped without namespaces or a build)`,
  { timeout: SECONDS * 10_000 + 300_000 },
  async () => {
    const { folder, filler, enter } = await disk();
    const random = seededNumbers(SEED);
    const slots = emptySlots(SLOTS);
    let labels = 0;
    let spentMs = 0;
    let served: Served | null = null;
    while (spentMs < SECONDS * 1000) {
      const startedMs = performance.now();
      served ??= await serve(enter, join(folder, 'state'));
      const { child, port, session } = served;
      const ended = new Promise<void>((done) => child.once('close', () => done()));
      let killed = false;
      const sockets = greedy(port);
      const over = Date.now() + 400 + (random() % 600);
      const kills = counts.kills;
      const work = slots.map((slot) =>
        load(
          slot,
          served!,
          random,
          () => killed || Date.now() > over,
          () => `vm-${labels++}`,
        ),
      );
      await trouble(served, filler, random);
      killed = counts.kills > kills;
      await Promise.all(work);
      for (const socket of sockets) socket.destroy();
      if (killed) await ended;
      // It ended when it was killed, and never by itself.
      else expect({ code: child.exitCode, signal: child.signalCode }).toEqual({ code: null, signal: null });
      if (killed) served = await serve(enter, join(folder, 'state'));
      const call = (method: string, ...params: unknown[]) =>
        post(served!.port, method, [served === null ? session : served.session, ...params]);
      await verify(slots, call, served.port);
      counts.rounds++;
      spentMs += performance.now() - startedMs;
    }
    console.log(`mixed load, seed ${SEED}: ${JSON.stringify(counts)}, 0 lost, 0 refused that came true, 0 exits`);
    expect(counts.acknowledged).toBeGreaterThan(0);
  },
);
