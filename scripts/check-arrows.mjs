// The lint rule of the architecture: allowed imports between rooms, no circle of files, and no
// crowded folder. The table is the one of docs/architecture.md; a test compares the two. Imports of
// types count as imports.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const src = join(fileURLToPath(new URL('..', import.meta.url)), 'src');
const MAY_IMPORT = {
  base: [],
  machine: ['base'],
  map: ['base', 'machine'],
  flow: ['base', 'machine'],
  planner: ['base'],
  abi: ['base'],
  xen: ['base', 'machine', 'flow', 'abi'],
  // Only the embedded door reaches into the hypervisor. The union rule is in map, and state that a
  // real Xen does not report is inferred with it.
  xenctrl: ['base', 'machine', 'map', 'flow', 'abi', 'xen'],
  xenstore: ['base'],
  xenguest: ['base', 'machine', 'flow', 'xenstore', 'xenctrl'],
  xenopsd: ['base', 'machine', 'map', 'flow', 'abi', 'planner', 'xenstore', 'xenctrl', 'xenguest'],
  // Replays share rules and figures of the layers below, and drive the planners themselves.
  replay: ['base', 'machine', 'map', 'planner', 'xen', 'xenguest', 'xenopsd'],
  live: ['base', 'machine', 'map', 'flow', 'abi', 'planner', 'xenstore', 'xenctrl', 'xenopsd'],
  scenario: ['base', 'machine', 'map', 'flow', 'xenopsd'],
  view: ['base', 'machine', 'map', 'flow'],
  page: ['base', 'machine', 'map', 'flow', 'planner', 'live', 'xenopsd'],
  'xapi-client': ['base', 'machine'],
  pool: ['base', 'machine', 'map', 'planner', 'xapi-client', 'xenopsd'],
  xapi: ['base', 'machine', 'map', 'flow', 'page', 'planner', 'xenstore', 'xenctrl', 'xenguest', 'xenopsd'],
  xe: ['base', 'xapi-client'],
  fleet: ['base', 'machine', 'planner', 'replay'],
  conformance: '*',
  differential: '*',
  simulator: '*',
  cli: '*',
  index: '*',
};
const FILES_IN_A_FOLDER = 20;

// --json prints the table, --imports the imports that exist: scripts/docs.mjs puts both into
// docs/architecture.md, and a test compares.
if (process.argv.includes('--json')) {
  console.log(JSON.stringify(MAY_IMPORT));
  process.exit(0);
}

const files = readdirSync(src, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.test.ts'))
  .map((entry) => join(entry.parentPath, entry.name));
const short = (file) => relative(src, file).split(sep).join('/');
const room = (file) => short(file).split('/')[0].replace(/\.ts$/, '');
const isCommand = (file) => short(file).startsWith('cli/commands/');
let faults = 0;
const fault = (text) => {
  console.error(text);
  faults++;
};

const imports = new Map();
for (const file of files) {
  const text = readFileSync(file, 'utf8');
  // `z` as an object carries all of zod with all its languages into every command's start: 700 KB
  // instead of 160.
  if (/import \{[^}]*\bz\b[^}]*\} from 'zod'/.test(text)) fault(`src/${short(file)}: write import * as z from 'zod'`);
  const specs = [...text.matchAll(/(?:from|import)\s*\(?\s*['"](\.[^'"]+)['"]/g)].map(([, spec]) => spec);
  imports.set(
    file,
    specs.map((spec) => resolve(dirname(file), spec).replace(/\.js$/, '.ts')).filter((target) => target.startsWith(src + sep)),
  );
  for (const target of imports.get(file)) {
    if (isCommand(file) && isCommand(target)) {
      fault(
        `src/${short(file)}: imports the command ${short(target)}; what commands share belongs in cli/answers, cli/input or cli/output`,
      );
    }
  }
  const allowed = MAY_IMPORT[room(file)];
  if (allowed === undefined) fault(`src/${short(file)}: the room '${room(file)}' is not in the table of scripts/check-arrows.mjs`);
  if (allowed === undefined || allowed === '*') continue;
  for (const target of imports.get(file)) {
    if (room(target) !== room(file) && !allowed.includes(room(target))) {
      fault(`src/${short(file)}: imports ${short(target)}, but '${room(file)}' may import only ${allowed.join(', ')}`);
    }
    if (room(file) === 'xenctrl' && room(target) === 'xen' && !/doors\/(embedded-door|buffer-memory)\.ts$/.test(file)) {
      fault(`src/${short(file)}: only the embedded door may reach into xen/`);
    }
  }
}

/** Circles of files (Tarjan's strongly connected components of more than one file). */
function circles() {
  const index = new Map();
  const low = new Map();
  const stack = [];
  const found = [];
  const visit = (file) => {
    index.set(file, index.size);
    low.set(file, index.get(file));
    stack.push(file);
    for (const target of imports.get(file) ?? []) {
      if (!imports.has(target)) continue;
      if (!index.has(target)) visit(target);
      if (stack.includes(target)) low.set(file, Math.min(low.get(file), low.get(target)));
    }
    if (low.get(file) !== index.get(file)) return;
    const circle = stack.splice(stack.indexOf(file));
    if (circle.length > 1) found.push(circle.map(short).sort());
  };
  for (const file of imports.keys()) if (!index.has(file)) visit(file);
  return found;
}
for (const circle of circles()) fault(`circle of ${circle.length} files: ${circle.join(', ')}`);

const folders = new Map();
for (const file of files) folders.set(dirname(file), (folders.get(dirname(file)) ?? 0) + 1);
for (const [folder, count] of folders) {
  if (count > FILES_IN_A_FOLDER)
    fault(`src/${short(folder)} holds ${count} files; a folder of more than ${FILES_IN_A_FOLDER} is to be divided`);
}

/** Rooms that import all others: their arrows would hide the rest. */
const ABOVE_ALL = Object.keys(MAY_IMPORT).filter((name) => MAY_IMPORT[name] === '*');

/** Imports from room to room, without those that others imply: [[from, to]]. */
function roomImports() {
  const direct = new Map(Object.keys(MAY_IMPORT).map((name) => [name, new Set()]));
  for (const [file, targets] of imports) {
    for (const target of targets) if (room(target) !== room(file)) direct.get(room(file))?.add(room(target));
  }
  const reaches = (from, to) => [...direct.get(from)].some((next) => next === to || reaches(next, to));
  const implied = (from, to) => [...direct.get(from)].some((next) => next !== to && reaches(next, to));
  return [...direct]
    .filter(([from]) => !ABOVE_ALL.includes(from))
    .flatMap(([from, rooms]) => [...rooms].filter((to) => !implied(from, to)).map((to) => [from, to]));
}

if (process.argv.includes('--imports')) {
  console.log(JSON.stringify(roomImports()));
  process.exit(0);
}
if (faults > 0) process.exit(1);
console.log(`arrows: ${files.length} files, all imports as docs/architecture.md says, no circle`);
