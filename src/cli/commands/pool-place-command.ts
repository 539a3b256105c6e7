// `xennuma place --pool`: sets what the planner would choose for VMs that are there already. Box of the chart: numa_placement.
import { formatList } from '../../base/bitset.js';
import { withPool } from '../../pool/access.js';
import { applyPlacement, type PoolChange, planPlacement } from '../../pool/place.js';
import type { PolicyName, ProfileName } from '../../xenopsd/api/profiles.js';
import type { PlacePoolAnswer } from '../answers/answers.js';
import type { PoolOptions } from '../input/pool-options.js';
import { EXIT } from '../output/exit-codes.js';
import { cut, table } from '../output/table.js';
import { out, palette, remark } from '../output/terminal.js';
import { VERSION } from '../output/version.js';

export interface PoolPlaceOptions extends PoolOptions {
  readonly profile: ProfileName;
  readonly setPolicy?: PolicyName;
  readonly yes?: true;
  readonly json?: true;
}

/** @param vms by name or uuid, in the order in which they would start. @returns the exit code */
export async function placeInPool(vms: readonly string[], options: PoolPlaceOptions): Promise<number> {
  return withPool(options, async (access) => {
    const { changes, left } = await planPlacement(access, vms, options.setPolicy ?? null, options.profile);
    const unplaced = left.filter(({ why }) => why.startsWith('the planner')).length;
    if (options.yes) await applyPlacement(access, changes, (change) => remark(`set ${change.what} of ${change.of}`));
    const done = options.yes === true;
    const answer: PlacePoolAnswer = {
      command: 'place',
      version: VERSION,
      host: access.told.name,
      done,
      changes: changes.map((change) => ({ ...change, nodes: change.nodes === null ? null : [...change.nodes] })),
      left: [...left],
    };
    if (options.json) out(JSON.stringify(answer, null, 2));
    else out(placeText(changes, left, done).join('\n'));
    return unplaced === 0 ? EXIT.ok : EXIT.no;
  });
}

function placeText(
  changes: readonly PoolChange[],
  left: readonly { readonly vm: string; readonly why: string }[],
  done: boolean,
): string[] {
  const colour = palette();
  const rows = changes.map(({ what, of, from, to, nodes, running }) => [
    cut(of, 24),
    what,
    cut(from ?? '-', 20),
    nodes === null ? to : cut(formatList(to.split(',').map(Number)), 24),
    nodes === null ? '' : `node ${formatList(nodes)}`,
    running ? 'from its next start; its memory stays where it is' : '',
  ]);
  return [
    ...(changes.length === 0
      ? ['Nothing to change.']
      : table([['of', 'what', 'is', done ? 'now' : 'would be', '', ''].map(colour.bold), ...rows])),
    ...left.map(({ vm, why }) => `${vm}: ${why}`),
    ...(changes.length === 0 ? [] : ['', done ? 'Done.' : 'Nothing was changed; add --yes to do it.']),
  ];
}
