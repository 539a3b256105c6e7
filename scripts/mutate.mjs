// `npm run mutate`: changes the code in small ways (mutants, by Stryker) and tells which of them
// the tests beside the code notice.
//   node scripts/mutate.mjs [ROOM|FILE...]   rooms (planner) or files (src/planner/policy.ts);
//                                         all of src without an argument
//     --since REF        only files that differ from REF
//     --sample N         only N mutants at random
//     --seed S           of the random choice; 1
//     --minutes M        end after M minutes, and count what was tested until then
//     --tests GLOB       run these tests instead of those of the mutant's room
//     --all-tests        what the room's tests miss, try with all tests that reach it
//     --workers N        test runners side by side; 1
// The last line is "N passed, M failed": mutants noticed and not. Exit codes: 0 each room reaches
// its share, 1 one does not. scripts/mutation/unchanged.json lists mutants that change nothing a
// test could see, each with its reason; they do not count.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { EXCLUDED_MUTATORS, mutantKeys, sample } from './mutation/mutants.mjs';

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
/** Copies of the tree, of this run alone: another may be going on. */
const sandbox = `.stryker-tmp/${process.pid}`;
/** Percent of mutants that tests must notice. */
const SHARE = 80;
const SHARE_OF_ROOM = { xen: 90, abi: 90, planner: 90, xenopsd: 90, xenstore: 90, xenctrl: 90, xenguest: 90, map: 90 };
/**
 * Tests of a room that lie elsewhere: recorded answers of the real systems, and those of rooms that
 * use it directly.
 */
const TESTED_BY = {
  abi: ['xenctrl/**/*.test.ts', 'xen/**/*.test.ts'],
  base: ['base/**/*.test.ts', 'machine/**/*.test.ts', 'xenctrl/**/*.test.ts', 'planner/**/*.test.ts'],
  planner: ['planner/**/*.test.ts', 'conformance/planner.test.ts'],
  xenstore: [
    'xenstore/**/*.test.ts',
    'conformance/xenstore*.test.ts',
    '../test/xenstore/advisories.test.ts',
    '../test/faults/xenstore-journal.test.ts',
  ],
  xenopsd: ['xenopsd/**/*.test.ts', '../test/faults/metadata.test.ts'],
  scenario: ['live/**/*.test.ts', 'map/**/*.test.ts', 'xenopsd/**/*.test.ts'],
};
const NOTICED = new Set(['Killed', 'Timeout']);
const MISSED = new Set(['Survived', 'NoCoverage']);

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    since: { type: 'string' },
    sample: { type: 'string' },
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string' },
    tests: { type: 'string' },
    'all-tests': { type: 'boolean', default: false },
    workers: { type: 'string', default: '1' },
  },
});
const end = options.minutes === undefined ? Number.POSITIVE_INFINITY : Date.now() + Number(options.minutes) * 60_000;

/** Files of src that may hold mutants. */
function sources() {
  const all = readdirSync(join(root, 'src'), { recursive: true })
    .map((name) => `src/${name}`)
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'));
  const wanted = positionals.map((word) => (word.startsWith('src/') ? word : `src/${word}`));
  for (const path of wanted) if (!existsSync(join(root, path))) throw new Error(`${path}: no such room or file`);
  const chosen = wanted.length === 0 ? all : all.filter((name) => wanted.some((path) => name === path || name.startsWith(`${path}/`)));
  if (options.since === undefined) return chosen;
  const git = spawnSync('git', ['diff', '--name-only', options.since, '--', 'src'], { cwd: root, encoding: 'utf8' });
  if (git.status !== 0) throw new Error(`git diff ${options.since}: ${git.stderr.trim()}`);
  const changed = new Set(git.stdout.split('\n'));
  return chosen.filter((name) => changed.has(name));
}

const fileOf = (key) => key.slice(0, key.indexOf(':'));
const roomOf = (key) => fileOf(key).split('/')[1].replace(/\.ts$/, '');

function partsOf(key) {
  const [, file, l1, c1, l2, c2, , replacement] = /^(.*?):(\d+):(\d+)-(\d+):(\d+) (\w+) ([\s\S]*)$/.exec(key);
  return { file, l1, c1, l2, c2, replacement };
}

/**
 * Where Stryker puts a mutant: nothing else is changed, so that tests run at their usual speed. It
 * counts lines from 1 and columns from 0.
 */
function rangeOf(key) {
  const { file, l1, c1, l2, c2 } = partsOf(key);
  return `${file}:${l1}:${c1 - 1}-${l2}:${c2 - 1}`;
}

/** The text that a mutant replaces, and what it puts there. */
function change(key) {
  const { file, l1, c1, l2, c2, replacement } = partsOf(key);
  const lines = readFileSync(join(root, file), 'utf8')
    .split('\n')
    .slice(l1 - 1, l2);
  lines[lines.length - 1] = lines.at(-1).slice(0, c2 - 1);
  lines[0] = lines[0].slice(c1 - 1);
  return { file, original: lines.join('\n'), replacement };
}

/** Mutants that change nothing, by the list. */
function unchanged() {
  const list = JSON.parse(readFileSync(join(root, 'scripts/mutation/unchanged.json'), 'utf8'));
  return ({ file, original, replacement }) =>
    list.some((entry) => entry.file === file && entry.original === original && entry.replacement === replacement);
}

/**
 * Runs Stryker on the mutants.
 * @param tests globs of test files, apart by spaces
 * @returns statuses by key; without those that there was no time for
 */
async function test(keys, tests) {
  const folder = mkdtempSync(join(tmpdir(), 'xennuma-mutate-'));
  const results = join(folder, 'results.jsonl');
  writeFileSync(results, '');
  writeFileSync(join(folder, 'sample.json'), JSON.stringify(keys));
  const config = {
    testRunner: 'vitest',
    vitest: { configFile: 'scripts/mutation/vitest.config.ts' },
    plugins: [
      '@stryker-mutator/vitest-runner',
      ...['sample-checker', 'results-reporter'].map((name) => join(root, `scripts/mutation/${name}.mjs`)),
    ],
    checkers: ['sample'],
    sample: { file: join(folder, 'sample.json') },
    reporters: ['results'],
    results: { file: results },
    mutate: [...new Set(keys.map(rangeOf))],
    mutator: { excludedMutations: EXCLUDED_MUTATORS },
    // A mutant of a value that is made when the module loads needs all tests from the start:
    // minutes each.
    ignoreStatic: true,
    ignorePatterns: ['/dist', '/.dist-*', '/docs', '/.git', '/.stryker-tmp'],
    coverageAnalysis: 'perTest',
    concurrency: Number(options.workers),
    tempDirName: sandbox,
    // The first run takes as long as the tests do, with counters in the code.
    dryRunTimeoutMinutes: 30,
    // A busy machine is no mutant that hangs.
    timeoutMS: 60_000,
    allowConsoleColors: false,
    fileLogLevel: 'off',
    warnings: false,
  };
  writeFileSync(join(folder, 'stryker.json'), JSON.stringify(config));
  const stryker = spawn(
    process.execPath,
    [join(root, 'node_modules/@stryker-mutator/core/bin/stryker.js'), 'run', join(folder, 'stryker.json')],
    {
      cwd: root,
      stdio: ['ignore', 2, 2],
      env: { ...process.env, XENNUMA_MUTATE_TESTS: tests },
      detached: true,
    },
  );
  const ended = new Promise((done) => stryker.once('close', done));
  const left = end - Date.now();
  const timer = left < 2 ** 31 ? setTimeout(() => process.kill(-stryker.pid, 'SIGTERM'), Math.max(left, 0)) : undefined;
  const status = await ended;
  clearTimeout(timer);
  const statuses = new Map(
    readFileSync(results, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line))
      .map(({ key, status }) => [key, status]),
  );
  rmSync(folder, { recursive: true });
  if (statuses.size === 0 && status !== 0 && Date.now() < end) {
    console.error(`mutate: ${tests}: Stryker ended without a result (see above); do these tests pass on the code as it is?`);
    process.exitCode = 1;
  }
  return statuses;
}

/** Mutants of each room by the room's tests. */
async function testByRoom(keys) {
  const statuses = new Map();
  const take = (found) => {
    for (const [key, status] of found) statuses.set(key, status);
  };
  if (options.tests !== undefined) {
    take(await test(keys, options.tests));
    return statuses;
  }
  for (const [room, of] of grouped(keys)) {
    const tests = TESTED_BY[room] ?? [`${room}/**/*.test.ts`];
    if (Date.now() < end) take(await test(of, tests.map((path) => join('src', path)).join(' ')));
  }
  if (!options['all-tests']) return statuses;
  const left = keys.filter((key) => !statuses.has(key) || MISSED.has(statuses.get(key)));
  if (left.length > 0 && Date.now() < end) take(await test(left, 'src/**/*.test.ts'));
  return statuses;
}

function grouped(keys) {
  const groups = new Map();
  for (const key of keys) groups.set(roomOf(key), [...(groups.get(roomOf(key)) ?? []), key]);
  return groups;
}

const all = await mutantKeys(root, sources());
const chosen = options.sample === undefined ? all : sample(all, Number(options.sample), options.seed);
console.log(`${chosen.length} of ${all.length} mutants`);
mkdirSync(join(root, sandbox), { recursive: true });
const statuses = chosen.length === 0 ? new Map() : await testByRoom(chosen);
rmSync(join(root, sandbox), { recursive: true, force: true });

const isUnchanged = unchanged();
let [passed, failed] = [0, 0];
let short = false;
for (const [room, keys] of [...grouped(chosen)].sort()) {
  const missed = keys.filter((key) => MISSED.has(statuses.get(key)) && !isUnchanged(change(key)));
  const noticed = keys.filter((key) => NOTICED.has(statuses.get(key))).length;
  for (const key of missed.sort()) {
    const { original, replacement } = change(key);
    const brief = (text) => JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}...` : text);
    console.log(`${key.split(' ')[0]}: ${statuses.get(key)}: ${brief(original)} -> ${brief(replacement)}`);
  }
  const counted = noticed + missed.length;
  const share = SHARE_OF_ROOM[room] ?? SHARE;
  const percent = counted === 0 ? 100 : (100 * noticed) / counted;
  const untested = keys.length - keys.filter((key) => NOTICED.has(statuses.get(key)) || MISSED.has(statuses.get(key))).length;
  const verdict = percent < share ? `below ${share} %` : `at least ${share} %`;
  console.log(
    `${room}: ${noticed} of ${counted} noticed, ${percent.toFixed(0)} %, ${verdict}${untested > 0 ? `; ${untested} not tested or static` : ''}`,
  );
  short ||= percent < share;
  passed += noticed;
  failed += missed.length;
}
console.log(`${passed} passed, ${failed} failed`);
if (short) process.exitCode = 1;
