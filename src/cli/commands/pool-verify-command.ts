// `xennuma verify --pool`: is what was asked what there is? Drift is named, and gives exit code 1. Box of the chart: where all of them led.
import { formatList } from '../../base/bitset.js';
import { withPool } from '../../pool/access.js';
import { type PoolVerdict, verifyPool } from '../../pool/verify.js';
import type { ProfileName } from '../../xenopsd/api/profiles.js';
import type { VerifyPoolAnswer } from '../answers/answers.js';
import type { PoolOptions } from '../input/pool-options.js';
import { EXIT } from '../output/exit-codes.js';
import { cut, table } from '../output/table.js';
import { out, palette } from '../output/terminal.js';
import { VERSION } from '../output/version.js';

export interface PoolVerifyOptions extends PoolOptions {
  readonly profile: ProfileName;
  readonly json?: true;
}

/** @returns the exit code */
export async function verifyInPool(options: PoolVerifyOptions): Promise<number> {
  return withPool(options, async (access) => {
    const vms = verifyPool(access, options.profile);
    const drift = vms.filter((one) => one.state === 'drift').length;
    const answer: VerifyPoolAnswer = {
      command: 'verify',
      version: VERSION,
      host: access.told.name,
      vms: vms.map((one) => ({ ...one, nodes: one.nodes === null ? null : [...one.nodes] })),
      drift,
      notes: [...access.host.notes],
    };
    if (options.json) out(JSON.stringify(answer, null, 2));
    else out(verifyText(access.told.name, vms, drift, access.host.notes).join('\n'));
    return drift === 0 ? EXIT.ok : EXIT.no;
  });
}

function verifyText(host: string, vms: readonly PoolVerdict[], drift: number, notes: readonly string[]): string[] {
  const colour = palette();
  const words = { ok: colour.good('ok'), drift: colour.bad('DRIFT'), unknown: colour.dim('unknown') };
  const unknown = vms.filter((one) => one.state === 'unknown').length;
  const rows = vms.map(({ vm, asked, nodes, state, why }) => [
    cut(vm, 24),
    cut(asked, 24),
    nodes === null ? '-' : formatList(nodes) || 'none',
    words[state],
    why,
  ]);
  return [
    ...table([['VM', 'asked', 'memory on', '', ''].map(colour.bold), ...rows]),
    '',
    `${host}: ${vms.length} VM${vms.length === 1 ? '' : 's'} running, ${drift} with drift${unknown === 0 ? '' : `, ${unknown} of which nothing is told`}.`,
    ...notes.map((note) => `note: ${note}`),
  ];
}
