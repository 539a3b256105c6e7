// `npm run bench -- --against FOLDER|COMMIT`: runs this checkout and another in turns, so that a
// busy machine disturbs both alike.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleBenchmarks, chosenNames } from './bundle.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const runOne = fileURLToPath(new URL('run-one.mjs', import.meta.url));

function run(command, args, cwd) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8', maxBuffer: 2 ** 28 });
  if (status !== 0)
    throw new Error(`${command} ${args.join(' ')} in ${cwd}: ${error?.message ?? (stderr.trim() || `exit code ${status}`)}`);
  return stdout;
}

/** The files of a commit in a folder of their own, with the packages of this checkout. */
function extract(commit) {
  const folder = mkdtempSync(join(tmpdir(), 'xennuma-bench-'));
  const archive = join(folder, 'files.tar');
  try {
    run('git', ['archive', '--output', archive, commit], root);
    run('tar', ['-xf', archive], folder);
  } catch (error) {
    rmSync(folder, { recursive: true });
    throw error;
  }
  rmSync(archive);
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

/** A checkout ready to run: its bundle, and the folders to remove afterwards. */
async function openSide(where) {
  const isFolder = existsSync(where) && statSync(where).isDirectory();
  const folder = isFolder ? resolve(where) : extract(where);
  const remove = isFolder ? [] : [folder];
  try {
    if (!existsSync(join(folder, 'bench', 'all.ts')))
      throw new Error(`${where} has no bench/all.ts: give a checkout of xennuma, or a commit`);
    // The cold start runs the built command.
    if (!existsSync(join(folder, 'dist'))) run(process.execPath, ['scripts/build.mjs'], folder);
    const bundle = await bundleBenchmarks(folder);
    remove.unshift(bundle.folder);
    return {
      names: JSON.parse(run(process.execPath, [runOne, bundle.module], folder)),
      rows: (name) => JSON.parse(run(process.execPath, [runOne, bundle.module, name], folder)),
      close: () => remove.map((path) => rmSync(path, { recursive: true })),
    };
  } catch (error) {
    remove.map((path) => rmSync(path, { recursive: true }));
    throw error;
  }
}

/** Some names end with what was measured: "(2.50 s)". */
const stable = (name) => name.replace(/ \([\d.]+ m?s\)$/, '');

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * @returns a row for each measurement that both sides have: {benchmark, name, unit, other, here,
 *   ratioOfBest, medianRatio}; `other` and `here` are the best of all pairs, a second
 */
async function comparePairs(benchmark, pairs, here, other) {
  const seen = new Map();
  const measure = (side, key) => {
    for (const { name, unit, perSecond } of side.rows(benchmark)) {
      const row = seen.get(stable(name)) ?? { unit, here: [], other: [] };
      row[key].push(perSecond);
      seen.set(stable(name), row);
    }
  };
  for (let pair = 0; pair < pairs; pair++) {
    const turns = [() => measure(other, 'other'), () => measure(here, 'here')];
    if (pair % 2 === 1) turns.reverse();
    for (const turn of turns) turn();
  }
  return [...seen]
    .filter(([, row]) => row.here.length === pairs && row.other.length === pairs)
    .map(([name, row]) => {
      const best = { other: Math.max(...row.other), here: Math.max(...row.here) };
      const ratios = row.here.map((value, pair) => value / row.other[pair]);
      return { benchmark, name, unit: row.unit, ...best, ratioOfBest: best.here / best.other, medianRatio: median(ratios) };
    });
}

/** @param print called with the rows of each benchmark as soon as they are there */
export async function compareWith(where, { filter, pairs, print }) {
  const here = await openSide(root);
  try {
    const other = await openSide(where);
    try {
      const common = here.names.filter((name) => other.names.includes(name));
      const names = chosenNames(Object.fromEntries(common.map((name) => [name, true])), filter);
      for (const name of names) print(name, await comparePairs(name, pairs, here, other));
      return { names, all: common };
    } finally {
      other.close();
    }
  } finally {
    here.close();
  }
}
