// `xennuma place --pool`: policy and masks for VMs of a pool as the planner would place them, shown
// or set.

import { formatList } from '../../base/bitset.js';
import { fitColumns, wrapWords } from '../../base/columns.js';
import { InputError } from '../../base/errors.js';
import { tableLines } from '../../base/table.js';
import { applyPlacement, type PoolChange, type PoolPlacement, planPlacement, xeCommands } from '../../pool/place.js';
import { type PolicyName, PROFILES, type ProfileName } from '../../xenopsd/api/profiles.js';
import { profileOfHost } from '../../xenopsd/api/releases.js';
import { withPoolHost } from '../input/open-pool.js';
import type { PoolOptions } from '../input/pool-options.js';
import { EXIT } from '../output/exit-codes.js';
import { columns, out, palette, remark } from '../output/terminal.js';
import { VERSION } from '../output/version.js';
import type { PlacePoolAnswer } from './answers.js';

export interface PoolPlaceOptions extends PoolOptions {
  /** Overrides the profile of the host's version. */
  readonly profile?: ProfileName;
  readonly setPolicy?: PolicyName;
  readonly yes?: true;
  readonly json?: true;
}

/**
 * @param vms names or uuids, in the order of their starts
 * @returns the exit code
 */
export async function placeInPool(vms: readonly string[], options: PoolPlaceOptions): Promise<number> {
  if (vms.length === 0 && options.setPolicy === undefined) {
    throw new InputError('expected VMs or a policy, got neither', {}, 'name VMs, or give --set-policy');
  }
  return withPoolHost(options, async (access) => {
    const profile = options.profile ?? profileOfHost(access.record.software, PROFILES).profile;
    const placement = await planPlacement(access, vms, options.setPolicy ?? null, profile);
    const { changes, unchanged } = placement;
    const done = options.yes === true;
    if (done) await applyPlacement(access, changes, (change) => remark(`set ${change.what} of ${change.of}`));
    const answer: PlacePoolAnswer = {
      command: 'place',
      version: VERSION,
      host: access.record.name,
      profile,
      done,
      changes: changes.map((change) => ({ ...change, nodes: change.nodes === null ? null : [...change.nodes] })),
      left: [...unchanged],
      commands: xeCommands(changes),
    };
    out(options.json === true ? JSON.stringify(answer, null, 2) : placeText(placement, done).join('\n'));
    return unchanged.some(({ reason }) => reason === 'no-place') ? EXIT.no : EXIT.ok;
  });
}

function placeText({ changes, unchanged }: PoolPlacement, done: boolean): string[] {
  const colour = palette();
  const heading = ['of', 'what', 'is', done ? 'now' : 'would be', 'node'].map(colour.bold);
  const rows = changes.map(({ of, what, from, to, nodes }) => [
    fitColumns(of, 24, '...'),
    what,
    fitColumns(from ?? '-', 16, '...'),
    fitColumns(to, 28, '...'),
    nodes === null ? '' : formatList(nodes),
  ]);
  const running = changes.filter((change) => change.running);
  return [
    ...(changes.length === 0 ? ['Nothing to change.'] : tableLines([heading, ...rows])),
    ...unchanged.flatMap(({ vm, why }) => wrapWords(`${vm}: ${why}`, columns(), '  ')),
    ...(running.length === 0 ? [] : ['', ...wrapWords(runningText(running), columns(), '  ')]),
    ...(changes.length === 0 ? [] : ['', done ? 'Done.' : 'Nothing was changed; add --yes, or run:']),
    // Whole lines, so that they can be copied.
    ...(done ? [] : xeCommands(changes).map((command) => `  ${command}`)),
  ];
}

function runningText(running: readonly PoolChange[]): string {
  const names = running.map(({ of }) => of);
  return `${names.join(', ')} run${names.length === 1 ? 's' : ''}: a mask takes effect at the next start, and moves no memory.`;
}
