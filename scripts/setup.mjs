// Prepares a fresh clone for the commands: node_modules as the lock file says, dist/ newer than
// src/, and node_modules/.bin/xennuma so that `npx xennuma` finds this checkout. Does nothing when
// all is up to date.
//   node scripts/setup.mjs [--build] [--native]
// --native also compiles packages for which no binary can be fetched. Only the daemon and its tests
// need that, so a first `npm start` does not wait for a compiler.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const wantsBuild = process.argv.includes('--build');
const wantsNative = process.argv.includes('--native');
const say = (text) => process.stderr.write(`${text}\n`);

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  say(`xennuma needs Node 20.19 or newer; this is ${process.version}. Install a newer Node and try again.`);
  process.exit(1);
}

const lock = readFileSync(join(root, 'package-lock.json'), 'utf8');
const stamp = join(root, 'node_modules', '.xennuma-lock');
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
  say('xennuma: installing the packages of package-lock.json (once) ...');
  const compiled = keepCompiled();
  const npm = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (npm.status !== 0) {
    say('xennuma: npm ci failed; see above. It needs to reach the npm registry once.');
    process.exit(1);
  }
  compiled.putBack();
  writeFileSync(stamp, lock);
}

/** `npm ci` removes what was compiled; it stays when the package has still the same version. */
function keepCompiled() {
  const folder = join(root, 'node_modules', 'better-sqlite3');
  const kept = join(root, `.better-sqlite3-${process.pid}`);
  const version = () => (existsSync(join(folder, 'package.json')) ? readFileSync(join(folder, 'package.json'), 'utf8') : null);
  const before = version();
  if (existsSync(join(folder, 'build'))) cpSync(join(folder, 'build'), kept, { recursive: true });
  return {
    putBack() {
      if (existsSync(kept) && version() === before) cpSync(kept, join(folder, 'build'), { recursive: true });
      rmSync(kept, { recursive: true, force: true });
    },
  };
}

if (wantsNative) {
  const tried = join(root, 'node_modules', '.xennuma-native');
  if (!existsSync(tried)) {
    const works = () =>
      spawnSync(process.execPath, ['-e', "new (require('better-sqlite3'))(':memory:')"], { cwd: root, stdio: 'ignore' }).status === 0;
    if (!works()) {
      say('xennuma: fetching or compiling better-sqlite3 (once) ...');
      spawnSync('npm', ['rebuild', 'better-sqlite3', '--loglevel=error'], { cwd: root, stdio: ['ignore', 2, 2] });
    }
    if (works()) writeFileSync(tried, '');
    else say('xennuma: better-sqlite3 could not be built; xennuma serve --state and its tests will not work, all else will.');
  }
}

const bin = join(root, 'node_modules', '.bin', 'xennuma');
if (!existsSync(bin)) {
  mkdirSync(join(root, 'node_modules', '.bin'), { recursive: true });
  rmSync(bin, { force: true });
  symlinkSync('../../dist/xennuma.js', bin);
}

/** Latest modification time below a folder, in milliseconds. */
function newest(path) {
  const info = statSync(path);
  if (!info.isDirectory()) return info.mtimeMs;
  return Math.max(info.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}

if (wantsBuild) {
  const built = join(root, 'dist', '.built');
  const sources = ['src', 'web', 'scripts/build.mjs', 'scripts/keep-bytecode.mjs', 'scripts/build-page.mjs', 'package.json'].map((name) =>
    newest(join(root, name)),
  );
  if (!existsSync(built) || statSync(built).mtimeMs < Math.max(...sources)) {
    const { build } = await import('./build.mjs');
    await build();
  }
}
