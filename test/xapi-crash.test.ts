// kill -9 of the daemon at random moments under load: nothing that was acknowledged is lost, and no
// domain is there that no VM has. XENNUMA_KILLS says how often (`npm run test:crash`: 200),
// XENNUMA_SEED which moments.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { seededNumbers } from '../src/base/random.js';
import { vmRecord } from './support/daemon.js';

const KILLS = Number(process.env.XENNUMA_KILLS ?? 12);
const SEED = Number(process.env.XENNUMA_SEED ?? 20261125);
const SLOTS = 10;
const root = fileURLToPath(new URL('..', import.meta.url));
const program = join(root, 'dist/xennuma.js');
const state = mkdtempSync(join(tmpdir(), 'xennuma-crash-'));
let child: ChildProcess | null = null;
afterAll(() => {
  child?.kill('SIGKILL');
  rmSync(state, { recursive: true });
});

class Gone extends Error {}

const agent = new Agent({ keepAlive: true });
function post(port: number, method: string, params: readonly unknown[]): Promise<unknown> {
  return new Promise((done, failed) => {
    const sent = request({ host: '127.0.0.1', port, path: '/jsonrpc', method: 'POST', agent }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on('error', () => failed(new Gone()));
      response.on('end', () => {
        const answer = JSON.parse(text) as { result?: unknown; error?: { message: string; data: string[] } };
        if (answer.error === undefined) done(answer.result);
        else failed(new Error(`${method}: ${answer.error.message} ${answer.error.data.join(' ')}`));
      });
    });
    sent.on('error', () => failed(new Gone()));
    sent.end(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }));
  });
}

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

/** What a VM is known to be. */
interface Known {
  readonly uuid: string;
  readonly label: string;
  readonly mask: string;
  readonly power: 'Halted' | 'Running' | 'Suspended';
}

interface Slot {
  /** As acknowledged; null = there is none. */
  known: Known | null;
  /** What a call that was not answered would have made of it; undefined = none is open. */
  maybe: Known | null | undefined;
  ref: string | null;
  nodes: string | null;
}

it.skipIf(!existsSync(program))(`${KILLS} kills (seed ${SEED}; skipped before npm run build)`, { timeout: 1_800_000 }, async () => {
  const random = seededNumbers(SEED);
  const slots: Slot[] = Array.from({ length: SLOTS }, () => ({ known: null, maybe: undefined, ref: null, nodes: null }));
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
      if (answers-- === 0) setTimeout(() => victim.kill('SIGKILL'), whileMs);
    };
    await Promise.all(
      slots.map(async (slot) => {
        try {
          for (;;) {
            await step(slot, call, random, () => `vm-${labels++}`);
            answered();
          }
        } catch (error) {
          if (!(error instanceof Gone)) throw error;
        }
      }),
    );
    await dead;
  }
  console.log(`${KILLS} kills, ${acknowledged} calls acknowledged, none lost (seed ${SEED})`);
  expect(acknowledged).toBeGreaterThan(KILLS);
});

type Call = (method: string, ...params: unknown[]) => Promise<unknown>;

/** One random change of one VM, open until it is acknowledged. */
async function step(slot: Slot, call: Call, random: () => number, label: () => string): Promise<void> {
  const { known } = slot;
  const change = async (after: Known | null, work: () => Promise<unknown>) => {
    slot.maybe = after;
    const result = await work();
    slot.known = after;
    slot.maybe = undefined;
    return result;
  };
  if (known === null || slot.ref === null) {
    const name = label();
    slot.ref = null;
    const ref = (await change({ uuid: '', label: name, mask: '', power: 'Halted' }, () => call('VM.create', vmRecord(name)))) as string;
    slot.ref = ref;
    slot.known = { ...slot.known!, uuid: (await call('VM.get_uuid', ref)) as string };
    return;
  }
  const { ref } = slot;
  const choice = random() % 8;
  if (choice < 2) {
    const mask = String(random() % 8);
    await change({ ...known, mask }, () => call('VM.set_VCPUs_params', ref, { mask }));
  } else if (choice === 2) {
    const name = label();
    await change({ ...known, label: name }, () => call('VM.set_name_label', ref, name));
  } else if (known.power === 'Halted') {
    if (choice === 3) await change(null, () => call('VM.destroy', ref));
    else {
      slot.nodes = null;
      await change({ ...known, power: 'Running' }, () => call('VM.start', ref, false, false));
      slot.nodes = await nodesOf(ref, call);
    }
  } else if (known.power === 'Suspended') await change({ ...known, power: 'Halted' }, () => call('VM.hard_shutdown', ref));
  else if (choice === 3) await change({ ...known, power: 'Suspended' }, () => call('VM.suspend', ref));
  else await change({ ...known, power: 'Halted' }, () => call('VM.clean_shutdown', ref));
}

async function nodesOf(ref: string, call: Call): Promise<string> {
  return JSON.stringify(await call('VM_metrics.get_numa_node_memory', await call('VM.get_metrics', ref)));
}

/**
 * Every VM is as it was acknowledged, or as its one open call would have made it; and nothing else
 * is there.
 */
async function verify(slots: readonly Slot[], call: Call, port: number): Promise<void> {
  const records = (await call('VM.get_all_records')) as Record<string, Record<string, unknown>>;
  const left = new Map(Object.entries(records));
  for (const slot of slots) {
    const wanted = [slot.known, ...(slot.maybe === undefined ? [] : [slot.maybe])];
    const found =
      [...left].find(([ref]) => ref === slot.ref) ??
      [...left].find(([, vm]) => slot.ref === null && wanted.some((one) => one?.label === vm.name_label));
    const now: Known | null =
      found === undefined
        ? null
        : {
            uuid: found[1].uuid as string,
            label: found[1].name_label as string,
            mask: (found[1].VCPUs_params as Record<string, string>).mask ?? '',
            power: found[1].power_state as Known['power'],
          };
    const fits = wanted.some((one) => (one === null ? now === null : now !== null && same(one, now)));
    expect(fits, `acknowledged ${JSON.stringify(slot.known)}, open ${JSON.stringify(slot.maybe)}, found ${JSON.stringify(now)}`).toBe(true);
    if (found !== undefined) left.delete(found[0]);
    // A VM that ran on and was not being changed is where it was.
    if (now?.power === 'Running' && slot.known?.power === 'Running' && slot.nodes !== null) {
      expect(await nodesOf(found![0], call)).toBe(slot.nodes);
    }
    slot.known = now;
    slot.maybe = undefined;
    slot.ref = found?.[0] ?? null;
    slot.nodes = now?.power === 'Running' ? await nodesOf(found![0], call) : null;
  }
  expect([...left.keys()]).toEqual([]);
  const running = Object.values(records).filter((vm) => vm.power_state === 'Running');
  expect(new Set(running.map((vm) => vm.domid)).size).toBe(running.length);
  expect(((await call('host.get_resident_VMs', ((await call('host.get_all')) as string[])[0])) as string[]).length).toBe(running.length);
  expect(await domainsOf(port)).toBe(running.length);
  expect(Object.keys((await call('VM_metrics.get_all_records')) as object)).toHaveLength(Object.keys(records).length);
}

function same(a: Known, b: Known): boolean {
  return (a.uuid === '' || a.uuid === b.uuid) && a.label === b.label && a.mask === b.mask && a.power === b.power;
}

/** Domains that Xen itself has, Domain-0 left out. */
function domainsOf(port: number): Promise<number> {
  return new Promise((done, failed) => {
    request({ host: '127.0.0.1', port, path: '/metrics', agent }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on('end', () => done([...text.matchAll(/^numa_nodes\{/gm)].length));
    })
      .on('error', failed)
      .end();
  });
}
