// Cold start of the installed command, beside `node -e 0` in the same run, as the ratio says more than the milliseconds.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL(import.meta.url.includes('/bench/') ? '..' : '.', import.meta.url));

export interface ColdStartRow {
  readonly name: string;
  /** Median of the rounds. */
  readonly medianMs: number;
  /** To `node -e 0`. */
  readonly ratio: number;
}

const COMMANDS = {
  'node -e 0': ['-e', '0'],
  'xennuma --version': ['dist/xennuma.js', '--version'],
  'xennuma help': ['dist/xennuma.js', '--help'],
  'xennuma plan (2 nodes, 1 VM)': [
    'dist/xennuma.js',
    'plan',
    '--host',
    'examples/hosts/two-nodes.yaml',
    '--vms',
    'examples/vms/router.cfg',
  ],
  'xennuma plan (8 nodes, 12 VMs)': [
    'dist/xennuma.js',
    'plan',
    '--host',
    'examples/hosts/epyc-7763-nps4.yaml',
    '--vms',
    'examples/vms/dozen.yaml',
  ],
} as const;

/** All commands in turn, round by round, so that a busy moment falls on all of them. */
export function coldStartRows(rounds = 15, cwd: string = root): ColdStartRow[] {
  const times = new Map<string, number[]>(Object.keys(COMMANDS).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, words] of Object.entries(COMMANDS)) {
      const started = performance.now();
      const { status, stderr } = spawnSync(process.execPath, [...words], { cwd, stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' });
      times.get(name)!.push(performance.now() - started);
      if (status !== 0) throw new Error(`${name}: exit code ${status}: ${stderr}`);
    }
  }
  const median = (list: readonly number[]) => [...list].sort((a, b) => a - b)[list.length >> 1]!;
  const base = median(times.get('node -e 0')!);
  return [...times].map(([name, list]) => ({ name, medianMs: median(list), ratio: median(list) / base }));
}
