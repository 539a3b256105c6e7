// `npm run check:package`: packs the package as npm would, in a folder of its own, and checks what
// is in it: no source map, tool or test, types that resolve (attw), and a correct package.json
// (publint). Then it is installed as `npm install -g` does where no native package can be had.
//   node scripts/check-package.mjs [--list]   --list prints the files and the size as JSON, and
//                                         checks nothing
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from './build.mjs';
import { checkInstalled } from './check-installed.mjs';
import { day, sourceTime, writeManPages } from './man-pages.mjs';

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
/**
 * 6.9 MB, 1.2 of them the page with its workers, and 3.0 the command in one file beside the modules
 * of the library: more than that has to earn its place.
 */
const UNPACKED_MOST_BYTES = 7_000_000;
/** Some packages that are known to be in the bundles. */
const BUNDLED = ['commander', 'zod', 'yaml', 'svelte', '@nats-io/jetstream'];
const NOT_SHIPPED = /\.map$|\.test\.|(^|\/)(bench|fuzz|conformance|differential)[^/]*\.js$/;

const folder = mkdtempSync(join(tmpdir(), 'xennuma-package-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const run = (command, words, cwd = folder) => {
  const ended = spawnSync(command, words, { cwd, encoding: 'utf8', maxBuffer: 2 ** 26 });
  if (ended.status !== 0) console.error(`${command} ${words.join(' ')}:\n${ended.stdout}${ended.stderr}`);
  return ended;
};
const bin = (name) => join(root, 'node_modules/.bin', name);

const { files, scripts, ...description } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
writeFileSync(join(folder, 'package.json'), JSON.stringify({ ...description, files }, null, 2));
for (const name of files)
  if (name !== 'dist' && existsSync(join(root, name))) cpSync(join(root, name), join(folder, name), { recursive: true });
await build({ folder: join(folder, 'dist'), forPackage: true });
const types = run(bin('tsc'), ['-p', 'tsconfig.types.json', '--outDir', join(folder, 'dist/types')], root);
if (types.status !== 0) process.exit(1);
const { version } = description;
await writeManPages(join(folder, 'dist/man'), { version, date: day(sourceTime()) });
symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
const packed = run('npm', ['pack', '--json', '--ignore-scripts', '--loglevel=error']);
if (packed.status !== 0) process.exit(1);
const [{ filename, size, unpackedSize, files: content }] = JSON.parse(packed.stdout);
const paths = content.map(({ path }) => path);
if (process.argv.includes('--list')) {
  console.log(JSON.stringify({ size, unpackedSize, paths }));
  process.exit(0);
}

let [passed, failed] = [0, 0];
const check = (good, fault) => {
  if (good) passed++;
  else {
    failed++;
    console.error(fault);
  }
};

const stray = paths.filter((path) => NOT_SHIPPED.test(path));
check(stray.length === 0, `not for the package: ${stray.join(', ')}`);
check(unpackedSize <= UNPACKED_MOST_BYTES, `${unpackedSize} bytes unpacked, more than ${UNPACKED_MOST_BYTES}`);
const licences = existsSync(join(folder, 'dist/LICENSES.txt')) ? readFileSync(join(folder, 'dist/LICENSES.txt'), 'utf8') : '';
for (const name of BUNDLED) check(licences.includes(`\n${name} `), `dist/LICENSES.txt has no licence of ${name}`);
const tarball = join(folder, filename);
check(run(bin('publint'), [tarball, '--strict']).status === 0, 'publint: see above');
// The package is for import alone, so that require() from CommonJS is not looked at.
check(run(bin('attw'), [tarball, '--profile', 'esm-only']).status === 0, 'attw: see above');
await checkInstalled(tarball, { folder, version, check });
console.log(`package: ${paths.length} files, ${(unpackedSize / 1e6).toFixed(1)} MB, ${(size / 1e6).toFixed(1)} MB packed`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
