// The commands of xe on snapshots of VMs, and copies (cli_operations.ml of xen-api e2ee48d6).
import { asRecord, asText, NULL_REF } from '../xapi-client/values.js';
import type { XeCommand } from './command.js';
import { paramOf } from './command-line.js';
import { XeFailure } from './failures.js';
import { required } from './objects.js';
import { type Run, vmCopied } from './operations.js';

const NAMES = ['new-name-label'] as const;

/** Where a copy's disks go; they stay where they are without sr-uuid. */
const inSr = async ({ context, params }: Run): Promise<readonly unknown[]> => {
  const sr = paramOf(params, 'sr-uuid');
  return [sr === undefined ? NULL_REF : await context.session.call('SR.get_by_uuid', [sr])];
};

function copying(help: string, method: string, how: Parameters<typeof vmCopied>[2] = {}): XeCommand {
  return {
    required: NAMES,
    optional: ['new-name-description', ...(how.ignored ?? [])],
    help,
    selectsVms: true,
    common: true,
    run: (run) => vmCopied(run, method, how),
  };
}

/** A snapshot by uuid= or snapshot-uuid=. @throws XeFailure for another VM */
export async function snapshotOf({ context, params }: Run): Promise<string> {
  const uuid = paramOf(params, 'snapshot-uuid') ?? required(params, 'uuid');
  const ref = asText(await context.session.call('VM.get_by_uuid', [uuid]));
  const { is_a_snapshot: isSnapshot } = asRecord(await context.session.call('VM.get_record', [ref]));
  if (isSnapshot !== true) throw new XeFailure(`${uuid} is not a snapshot`);
  return ref;
}

function onSnapshot(help: string, work: (run: Run, ref: string) => Promise<void>): XeCommand {
  return { required: [], optional: ['uuid', 'snapshot-uuid'], help, run: async (run) => work(run, await snapshotOf(run)) };
}

export const SNAPSHOT_COMMANDS: readonly (readonly [string, XeCommand])[] = [
  [
    'vm-copy',
    copying('Makes a full copy of a halted VM; prints its uuid.', 'VM.copy', { more: inSr, ignored: ['sr-uuid'], templates: true }),
  ],
  ['vm-snapshot', copying('Makes a snapshot of a VM; prints its uuid.', 'VM.snapshot')],
  ['vm-checkpoint', copying('Makes a snapshot of a VM and its memory; prints its uuid.', 'VM.checkpoint')],
  [
    'snapshot-revert',
    onSnapshot('Takes a VM back to a snapshot.', async ({ context }, ref) => void (await context.session.call('VM.revert', [ref]))),
  ],
  [
    'snapshot-destroy',
    onSnapshot('Destroys a snapshot.', async ({ context }, ref) => void (await context.session.call('VM.destroy', [ref]))),
  ],
];
