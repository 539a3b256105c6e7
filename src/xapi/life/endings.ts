// Guests that shut down by themselves. XenStore's @releaseDomain announces them, and the VM's
// actions_after_* decide what follows, as in xapi. This happens only on a real host.

import type { Ending, Outcome } from '../../xenopsd/api/outcome.js';
import type { Toolstack, VmState } from '../../xenopsd/api/toolstack.js';
import type { Database } from '../model/database.js';
import type { WireStruct } from '../wire/values.js';
import type { VmLife } from './vm-life.js';

const TOKEN = 'xennuma-endings';

/**
 * Delay before another attempt after an end that could not be followed, as on a full disk; Xen
 * announces it only once.
 */
const AGAIN_MS = 1000;

/**
 * The VM's field for the action that follows; nothing follows a domain that another tool destroyed.
 */
const ACTION_FIELD: Readonly<Record<Ending, string | null>> = {
  poweroff: 'actions_after_shutdown',
  reboot: 'actions_after_reboot',
  crash: 'actions_after_crash',
  gone: null,
};

export interface EndingsParts {
  readonly database: Database;
  readonly toolstack: Toolstack;
  readonly life: VmLife;
  /** After each end, and when a VM that was to start again could not. */
  readonly ended: (vm: WireStruct, outcome: Outcome) => void;
  readonly failed: (values: object, error: unknown) => void;
}

/**
 * The watch of domains that ended, or went: checks whenever Xen announces one.
 * @returns a function that ends the watch
 */
export async function followEndings(parts: EndingsParts): Promise<() => Promise<void>> {
  const watch = await parts.toolstack.doors.xs.watch('@releaseDomain', TOKEN);
  let again: NodeJS.Timeout | null = null;
  let closed = false;
  const lookSoon = (): void => {
    if (again !== null || closed) return;
    again = setTimeout(() => {
      again = null;
      void lookNow();
    }, AGAIN_MS).unref();
  };
  // If reading the host fails, it is read again: the watch must go on after any error.
  const lookNow = async (): Promise<void> => {
    const all = await look(parts).catch((error: unknown) => {
      parts.failed({}, error);
      return false;
    });
    if (!all) lookSoon();
  };
  const looking = (async () => {
    for await (const _ of watch) await lookNow();
  })().catch((error: unknown) => parts.failed({}, error));
  return async () => {
    closed = true;
    if (again !== null) clearTimeout(again);
    await watch.close();
    await looking;
  };
}

/** @returns whether every end that was found is dealt with */
async function look(parts: EndingsParts): Promise<boolean> {
  const { database, toolstack, life } = parts;
  let all = true;
  for (const outcome of await toolstack.noticeEnded()) {
    if (outcome.failure !== null) all = false;
    const ref = database.findUuid('VM', outcome.vm);
    if (ref === null) continue;
    const record = database.get('VM', ref);
    parts.ended(record, outcome);
    // Queued after the operations that already wait for this VM.
    life.queues
      .run(ref, ref, null, null, () => follow(parts, ref, outcome.ending ?? 'gone'))
      .catch((error: unknown) => parts.failed({ vm: outcome.vm, name: record.name_label }, error));
  }
  return all;
}

async function follow({ database, toolstack, life }: EndingsParts, ref: string, ending: Ending): Promise<void> {
  if (!database.has('VM', ref)) return;
  const record = database.get('VM', ref);
  const state = toolstack.vms().find(({ spec, domid }) => spec.name === record.uuid && domid !== null);
  if (state !== undefined) return followPower(database, ref, state);
  // Another operation has stopped the VM first.
  if (record.domid === -1) return;
  const host = record.resident_on as string;
  try {
    await life.halted(ref, 'Halted', 'fact');
    const field = ACTION_FIELD[ending];
    if (field !== null && String(record[field]).includes('restart')) await life.start(ref, host, false, 'fact');
  } catch (error) {
    // What the start left behind goes, and then the VM is halted.
    await life.settlement.settle(ref);
    throw error;
  } finally {
    database.update('VM', ref, { allowed_operations: life.allowedNow(ref) }, 'derived');
    // A change that storage refuses here is stored later: the guest is down in any case.
    await database.flushed().catch(() => {});
  }
}

/**
 * Nothing ended: of a VM that Xen did not tell of when the daemon started, it is known now whether
 * it is paused. Where another operation has started the VM first, both say the same.
 */
async function followPower(database: Database, ref: string, { domid, power }: VmState): Promise<void> {
  const record = database.get('VM', ref);
  const now = power === 'paused' ? 'Paused' : 'Running';
  if (record.domid !== domid || record.power_state === now) return;
  database.update('VM', ref, { power_state: now }, 'fact');
  await database.flushed().catch(() => {});
}
