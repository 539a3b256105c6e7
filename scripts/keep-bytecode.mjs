// Keeps the bytecode of the bundles of a built folder for this Node: of the functions that a few
// runs need, as more bytecode takes longer to load than what it saves.
//   node scripts/keep-bytecode.mjs FOLDER
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const folder = resolve(process.argv[2]);
const example = (name) => fileURLToPath(new URL(`../examples/${name}`, import.meta.url));
const RUNS = [
  ['plan', '--help'],
  ['show', '--host', example('hosts/two-nodes.yaml')],
];

const { BYTECODE, loadBundle } = await import(pathToFileURL(join(folder, 'load-bundle.js')).href);
for (const [name, words] of [
  ['command.cjs', RUNS],
  ['builder.cjs', []],
]) {
  const bundle = loadBundle(pathToFileURL(join(folder, name)));
  for (const run of words) {
    const code = await bundle.exports.main(run);
    if (code !== 0) throw new Error(`xennuma ${run.join(' ')} ends with ${code}`);
  }
  writeFileSync(join(folder, `${name}${BYTECODE}`), bundle.bytecode());
}
process.exit(0);
