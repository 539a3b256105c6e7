// VMs under a load of random changes, and what is known of each: what was acknowledged, and what a
// call without an answer may have made of it. For tests that kill the daemon.
import { Agent, request } from 'node:http';
import { expect } from 'vitest';
import { vmRecord } from './daemon.js';

/** The connection ended without an answer. */
export class NoAnswer extends Error {}

/** The daemon answered that it did nothing. */
export class Refused extends Error {}

const agent = new Agent({ keepAlive: true });
export async function post(port: number, method: string, params: readonly unknown[]): Promise<unknown> {
  const { status, text } = await ask(port, 'POST', '/jsonrpc', JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }));
  if (status !== 200) throw new Refused(`${method}: ${status} ${text}`);
  const answer = JSON.parse(text) as { result?: unknown; error?: { message: string; data: string[] } };
  if (answer.error === undefined) return answer.result;
  throw new Refused(`${method}: ${answer.error.message} ${answer.error.data.join(' ')}`);
}

/** @throws Gone also when the connection ends within the answer */
function ask(port: number, method: string, path: string, body: string): Promise<{ status: number; text: string }> {
  return new Promise((done, failed) => {
    const sent = request({ host: '127.0.0.1', port, path, method, agent }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on('error', () => failed(new NoAnswer()));
      response.on('end', () => done({ status: response.statusCode!, text }));
    });
    sent.on('error', () => failed(new NoAnswer()));
    // Whatever else ended it; after an answer this does nothing.
    sent.on('close', () => failed(new NoAnswer()));
    sent.end(body);
  });
}

/** What a VM is known to be. */
export interface KnownState {
  readonly uuid: string;
  readonly label: string;
  readonly mask: string;
  readonly power: 'Halted' | 'Running' | 'Suspended';
}

export interface Slot {
  /** As acknowledged; null = there is none. */
  known: KnownState | null;
  /** What a call that was not answered would have made of it; undefined = none is open. */
  maybe: KnownState | null | undefined;
  ref: string | null;
  nodes: string | null;
}

export type Call = (method: string, ...params: unknown[]) => Promise<unknown>;

/** One random change of one VM, open until it is acknowledged. */
export async function step(slot: Slot, call: Call, random: () => number, label: () => string): Promise<void> {
  const { known } = slot;
  const change = async (after: KnownState | null, work: () => Promise<unknown>) => {
    slot.maybe = after;
    const result = await work().catch((error: unknown) => {
      if (error instanceof Refused) slot.maybe = undefined;
      throw error;
    });
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
export async function verify(slots: readonly Slot[], call: Call, port: number): Promise<void> {
  const all = (await call('VM.get_all_records')) as Record<string, Record<string, unknown>>;
  const records = Object.fromEntries(
    Object.entries(all).filter(([, vm]) => vm.is_control_domain === false && vm.is_default_template === false),
  );
  const left = new Map(Object.entries(records));
  for (const slot of slots) {
    const wanted = [slot.known, ...(slot.maybe === undefined ? [] : [slot.maybe])];
    const found =
      [...left].find(([ref]) => ref === slot.ref) ??
      [...left].find(([, vm]) => slot.ref === null && wanted.some((one) => one?.label === vm.name_label));
    const now: KnownState | null =
      found === undefined
        ? null
        : {
            uuid: found[1].uuid as string,
            label: found[1].name_label as string,
            mask: (found[1].VCPUs_params as Record<string, string>).mask ?? '',
            power: found[1].power_state as KnownState['power'],
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
  expect(((await call('host.get_resident_VMs', ((await call('host.get_all')) as string[])[0])) as string[]).length, 'and Domain-0').toBe(
    running.length + 1,
  );
  expect(await domainsOf(port, running.length)).toBe(running.length);
  expect(Object.keys((await call('VM_metrics.get_all_records')) as object)).toHaveLength(Object.keys(all).length);
}

function same(a: KnownState, b: KnownState): boolean {
  return (a.uuid === '' || a.uuid === b.uuid) && a.label === b.label && a.mask === b.mask && a.power === b.power;
}

/**
 * Domains that Xen itself has, Domain-0 left out. What /metrics tells may be a second old, so it is
 * asked again until it tells of so many.
 */
async function domainsOf(port: number, expected: number): Promise<number> {
  for (let attempt = 0; ; attempt++) {
    const found = await domainsNow(port);
    if (found === expected || attempt === 30) return found;
    await new Promise((done) => setTimeout(done, 100));
  }
}

async function domainsNow(port: number): Promise<number> {
  const { text } = await ask(port, 'GET', '/metrics', '');
  return [...text.matchAll(/^numa_nodes\{/gm)].length - 1;
}

export function emptySlots(count: number): Slot[] {
  return Array.from({ length: count }, () => ({ known: null, maybe: undefined, ref: null, nodes: null }));
}
