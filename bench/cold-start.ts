// Cold start of the installed command, compared with `node -e 0` in the same run. The ratio means
// more than the milliseconds.
import { spawnSync } from 'node:child_process';
import type { BenchRow } from './measure.js';

const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  'node -e 0': ['-e', '0'],
  'xennuma --version': ['dist/xennuma.js', '--version'],
  'xennuma --help': ['dist/xennuma.js', '--help'],
  'xennuma plan, 2 nodes, 1 VM': 'dist/xennuma.js plan --host examples/hosts/two-nodes.yaml --vms examples/vms/router.cfg'.split(' '),
  'xennuma plan, 8 nodes, 12 VMs': 'dist/xennuma.js plan --host examples/hosts/epyc-7763-nps4.yaml --vms examples/vms/dozen.yaml'.split(
    ' ',
  ),
};

/**
 * Median of `rounds`; all commands in turn, so that a busy moment affects all of them. Runs in the
 * root of the checkout.
 */
export function benchColdStart(rounds = 15): BenchRow[] {
  const times = new Map<string, number[]>(Object.keys(COMMANDS).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, words] of Object.entries(COMMANDS)) {
      const started = performance.now();
      const { status, stderr } = spawnSync(process.execPath, words, { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' });
      times.get(name)!.push(performance.now() - started);
      if (status !== 0) throw new Error(`${name}: exit code ${status}: ${stderr}`);
    }
  }
  const medianMs = (name: string) => [...times.get(name)!].sort((a, b) => a - b)[rounds >> 1]!;
  const reference = { name: 'node -e 0', perSecond: 1000 / medianMs('node -e 0') };
  return [...times.keys()].map((name) => ({
    name: `${name} (${medianMs(name).toFixed(0)} ms)`,
    unit: 'starts',
    perSecond: 1000 / medianMs(name),
    reference,
  }));
}
