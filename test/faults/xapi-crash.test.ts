// kill -9 of the daemon at random moments under load, also after SIGSTOP: no acknowledged change is
// lost, and every domain belongs to a VM. XENNUMA_KILLS says how often (`npm run test:crash`: 200),
// XENNUMA_SEED which moments.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { seededNumbers } from '../../src/base/random.js';
import { cases } from '../support/cases.js';
import { type EndCounts, stopAndKill } from '../support/stop-and-kill.js';
import { emptySlots, NoAnswer, post, step, verify } from '../support/vm-slots.js';

const KILLS = Number(process.env.XENNUMA_KILLS ?? cases(4, 12));
const SEED = Number(process.env.XENNUMA_SEED ?? 20261125);
const SLOTS = 10;
const root = fileURLToPath(new URL('../..', import.meta.url));
const program = join(root, 'dist/xennuma.js');
const state = mkdtempSync(join(tmpdir(), 'xennuma-crash-'));
let child: ChildProcess | null = null;
afterAll(() => {
  child?.kill('SIGKILL');
  rmSync(state, { recursive: true });
});

async function startDaemon(): Promise<{ port: number; session: string }> {
  const args = ['serve', '--host', join(root, 'examples/hosts/two-sockets.xml'), '--state', state, '--listen', '127.0.0.1:0'];
  const started = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  child = started;
  const port = await new Promise<number>((done, failed) => {
    let text = '';
    started.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const found = /:(\d+)\n/.exec(text);
      if (found !== null) done(Number(found[1]));
    });
    started.once('close', () => failed(new Error('the daemon ended before it listened')));
  });
  return { port, session: (await post(port, 'session.login_with_password', ['root', ''])) as string };
}

it.skipIf(!existsSync(program))(`${KILLS} kills (seed ${SEED}; skipped before npm run build)`, { timeout: 1_800_000 }, async () => {
  const random = seededNumbers(SEED);
  const slots = emptySlots(SLOTS);
  const counts: EndCounts = { kills: 0, stops: 0, killedStopped: 0 };
  let acknowledged = 0;
  let labels = 0;
  for (let kill = 0; kill <= KILLS; kill++) {
    const { port, session } = await startDaemon();
    const call = (method: string, ...params: unknown[]) => post(port, method, [session, ...params]);
    await verify(slots, call, port);
    if (kill === KILLS) break;
    const victim = child!;
    const dead = new Promise((done) => victim.once('close', done));
    // After a random number of answers and a random while, so that a slow machine is not killed
    // before it did anything.
    let answers = random() % 60;
    const whileMs = (random() % 80) / 10;
    const answered = () => {
      acknowledged++;
      if (answers-- === 0) setTimeout(() => void stopAndKill(victim, random, counts, 10 * whileMs), whileMs);
    };
    await Promise.all(
      slots.map(async (slot) => {
        try {
          for (;;) {
            await step(slot, call, random, () => `vm-${labels++}`);
            answered();
          }
        } catch (error) {
          if (!(error instanceof NoAnswer)) throw error;
        }
      }),
    );
    await dead;
  }
  console.log(`${JSON.stringify(counts)}, ${acknowledged} calls acknowledged, none lost (seed ${SEED})`);
  expect(acknowledged).toBeGreaterThan(KILLS);
});
