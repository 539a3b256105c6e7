// The lint rule of the architecture: which room may import which. The table is the one of docs/architecture.md.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const src = join(fileURLToPath(new URL('..', import.meta.url)), 'src');
const base = ['cpuset', 'errors'];
const MAY_IMPORT = {
  errors: [],
  cpuset: ['errors'],
  host: base,
  planner: [...base],
  abi: base,
  flow: [...base, 'host'],
  xen: [...base, 'abi', 'host', 'flow'],
  // The embedded door is the one place that reaches into the hypervisor.
  xenctrl: [...base, 'abi', 'host', 'flow', 'xen'],
  xenstore: [...base, 'flow'],
  xenguest: [...base, 'xenstore', 'xenctrl', 'host', 'flow'],
  xenopsd: [...base, 'abi', 'planner', 'xenstore', 'xenctrl', 'xenguest', 'host', 'flow'],
  live: [...base, 'abi', 'planner', 'xenstore', 'xenctrl', 'host', 'flow', 'xenopsd'],
  scenario: [...base, 'host', 'flow', 'xenopsd'],
  view: [...base, 'host', 'flow'],
  xapi: [...base, 'host', 'flow', 'planner', 'xenopsd', 'xenctrl', 'xenstore', 'xenguest'],
  'xapi-client': [...base, 'host'],
  xe: [...base, 'xapi-client'],
  conformance: '*',
  differential: '*',
  cli: '*',
  index: '*',
};

// For the test that compares docs/architecture.md with this table.
if (process.argv.includes('--json')) {
  console.log(JSON.stringify(MAY_IMPORT));
  process.exit(0);
}

const files = readdirSync(src, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.test.ts'))
  .map((entry) => join(entry.parentPath, entry.name));
const room = (file) =>
  relative(src, file)
    .split(sep)[0]
    .replace(/\.(ts|js)$/, '');
let faults = 0;
for (const file of files) {
  // `z` as an object carries all of zod with all its languages into every command's start: 700 KB instead of 160.
  if (/import \{[^}]*\bz\b[^}]*\} from 'zod'/.test(readFileSync(file, 'utf8'))) {
    console.error(`src/${relative(src, file)}: write import * as z from 'zod'`);
    faults++;
  }
  const allowed = MAY_IMPORT[room(file)];
  if (allowed === undefined) {
    console.error(`${relative(src, file)}: the room '${room(file)}' is not in the table of scripts/check-arrows.mjs`);
    faults++;
    continue;
  }
  if (allowed === '*') continue;
  for (const [, spec] of readFileSync(file, 'utf8').matchAll(/(?:from|import)\s*\(?\s*['"](\.[^'"]+)['"]/g)) {
    const target = room(resolve(dirname(file), spec));
    if (target !== room(file) && !allowed.includes(target)) {
      console.error(`src/${relative(src, file)}: imports ${spec}, but '${room(file)}' may import only ${allowed.join(', ')}`);
      faults++;
    }
    if (room(file) === 'xenctrl' && target === 'xen' && !file.endsWith('embedded-door.ts')) {
      console.error(`src/${relative(src, file)}: only xenctrl/embedded-door.ts may reach into xen/`);
      faults++;
    }
  }
}
if (faults > 0) process.exit(1);
console.log(`arrows: ${files.length} files, all imports as docs/architecture.md says`);
