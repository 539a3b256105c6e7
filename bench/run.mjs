// `npm run bench [-- FILTER] [--json] [--against WHERE [--pairs N]]`: bundles the benchmarks, runs
// those whose name contains FILTER, prints a table.
//   FILTER           part of a benchmark's name ("planner"); without it all run
//   --json           one JSON object: {machine, rows}, each row {benchmark, name, unit, perSecond,
//                    reference?}; with --against {benchmark, name, unit, other, here,
//                    ratioOfBest, medianRatio}
//   --against WHERE  compare with another checkout (a folder) or a commit
//   --pairs N        how often each side runs, 1 to 1000 (5)
import { rmSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { compareWith } from './against.mjs';
import { bundleBenchmarks, chosenNames } from './bundle.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

function usage(problem) {
  console.error(`usage: npm run bench [-- FILTER] [--json] [--against FOLDER|COMMIT [--pairs N]]; ${problem}`);
  process.exit(2);
}

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { json: { type: 'boolean' }, against: { type: 'string' }, pairs: { type: 'string' } },
    });
    if (positionals.length > 1) usage('one FILTER at most');
    if (values.pairs !== undefined && values.against === undefined) usage('--pairs belongs to --against');
    const pairs = Number(values.pairs ?? 5);
    if (!Number.isInteger(pairs) || pairs < 1 || pairs > 1000) usage(`--pairs ${values.pairs}: not a whole number from 1 to 1000`);
    return { filter: positionals[0], json: values.json === true, against: values.against, pairs };
  } catch (error) {
    return usage(error.message);
  }
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

function printPairs(benchmark, rows) {
  const width = Math.max(0, ...rows.map(({ name }) => name.length));
  console.log(`\n${benchmark.padEnd(width + 2)}  ${'other'.padStart(12)}  ${'here'.padStart(12)}  best  median`);
  for (const { name, unit, other, here, ratioOfBest, medianRatio } of rows)
    console.log(
      `  ${name.padEnd(width)}  ${number(other).padStart(12)}  ${number(here).padStart(12)}  ${ratioOfBest.toFixed(2)}  ${medianRatio.toFixed(2)}  ${unit}/s`,
    );
}

async function runHere(filter, show) {
  const { folder, module } = await bundleBenchmarks(root);
  try {
    const { BENCHMARKS } = await import(pathToFileURL(module).href);
    const names = chosenNames(BENCHMARKS, filter);
    for (const name of names) show(name, await BENCHMARKS[name]());
    return { names, all: Object.keys(BENCHMARKS) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

process.chdir(root);
const { filter, json, against, pairs } = readArguments();
const machine = { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, node: process.version };
if (!json) console.log(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`);
const rows = [];
const show = (benchmark, found) => {
  rows.push(...found.map((row) => ({ benchmark, ...row })));
  if (!json) (against === undefined ? print : printPairs)(benchmark, found);
};
try {
  const { names, all } = against === undefined ? await runHere(filter, show) : await compareWith(against, { filter, pairs, print: show });
  if (names.length === 0) usage(`no benchmark has '${filter}' in its name; there are ${all.join(', ')}`);
  if (json) console.log(JSON.stringify({ machine, rows }, null, 2));
} catch (error) {
  if (against === undefined) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
