// `npm run bench [-- FILTER] [--json]`: bundles the benchmarks, runs those whose name or rows
// contain FILTER, prints a table.
//   FILTER   part of a benchmark's name ("planner"); without it all run
//   --json   one JSON object: {machine, rows: [{benchmark, name, unit, perSecond, reference?}]}
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const args = process.argv.slice(2);
const json = args.includes('--json');
const filters = args.filter((arg) => arg !== '--json');
const wrong = filters.find((arg) => arg.startsWith('-'));
if (wrong !== undefined || filters.length > 1) {
  console.error(`usage: npm run bench [-- FILTER] [--json]${wrong === undefined ? '' : `; '${wrong}' is not an option`}`);
  process.exit(2);
}

function number(value) {
  if (value >= 1000) return Math.round(value).toLocaleString('en');
  return value >= 10 ? value.toFixed(1) : value.toPrecision(3);
}

function print(benchmark, rows) {
  console.log(`\n${benchmark}`);
  const width = Math.max(...rows.map(({ name }) => name.length));
  for (const { name, unit, perSecond, reference } of rows) {
    const beside =
      reference === undefined
        ? ''
        : `   ${number(perSecond / reference.perSecond)} times ${reference.name} (${number(reference.perSecond)})`;
    console.log(`  ${name.padEnd(width)}  ${number(perSecond).padStart(12)} ${unit}/s${beside}`);
  }
}

process.chdir(root);
// Below the checkout, so that packages that are not bundled are found.
const dir = mkdtempSync(join(root, 'node_modules', '.bench-'));
try {
  await build({
    absWorkingDir: root,
    entryPoints: ['bench/all.ts'],
    outdir: dir,
    bundle: true,
    splitting: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    logLevel: 'warning',
  });
  const { BENCHMARKS } = await import(pathToFileURL(join(dir, 'all.js')).href);
  const chosen = Object.entries(BENCHMARKS).filter(([name]) =>
    filters.every((filter) => name === filter || (!(filter in BENCHMARKS) && name.includes(filter))),
  );
  if (chosen.length === 0) {
    console.error(`no benchmark has '${filters[0]}' in its name; there are ${Object.keys(BENCHMARKS).join(', ')}`);
    process.exitCode = 2;
  }
  const machine = { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, node: process.version };
  if (!json && chosen.length > 0) console.log(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`);
  const all = [];
  for (const [benchmark, run] of chosen) {
    const rows = await run();
    if (!json) print(benchmark, rows);
    all.push(...rows.map((row) => ({ benchmark, ...row })));
  }
  if (json && chosen.length > 0) console.log(JSON.stringify({ machine, rows: all }, null, 2));
} finally {
  rmSync(dir, { recursive: true });
}
