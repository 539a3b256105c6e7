// `npm run dist`: what can be installed without npm and without network, made from the Node that
// runs this: a tarball, a .deb with manual pages and completion, and checksums, in release/.
//   node scripts/dist.mjs [--out FOLDER]
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build, keepBytecode } from './build.mjs';
import { launcher } from './launcher.mjs';
import { LOADED_PACKAGES } from './loaded-packages.mjs';
import { day, sourceTime, writeManPages } from './man-pages.mjs';

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
const { version, files, description, ...manifest } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
/** Parts of packages that are needed only to build or to read about them. */
const NOT_NEEDED = {
  koffi: ['vendor', 'doc'],
  'better-sqlite3': ['src', 'deps', 'README.md', 'binding.gyp', 'build'],
};
/** better-sqlite3 fetches or builds its native part with it when it is installed. */
const INSTALLERS = new Set(['prebuild-install', 'node-addon-api', 'cnoke']);
const DEB_ARCH = { x64: 'amd64', arm64: 'arm64' };

function run(command, words, options = {}) {
  const ended = spawnSync(command, words, { encoding: 'utf8', maxBuffer: 2 ** 28, ...options });
  if (ended.error !== undefined || ended.status !== 0) {
    throw new Error(`${command} ${words.join(' ')}: ${ended.error?.message ?? `${ended.stdout}${ended.stderr}`}`);
  }
  return ended.stdout;
}

/** The licence of Node, which goes wherever its binary goes. */
function nodeLicence() {
  const prefix = dirname(dirname(realpathSync(process.execPath)));
  const found = [join(prefix, 'LICENSE'), '/usr/share/doc/nodejs/LICENSE', '/usr/share/doc/nodejs/copyright'].find((path) =>
    existsSync(path),
  );
  if (found === undefined) throw new Error(`Node's licence is not beside ${process.execPath}; take Node from its tarball`);
  return found;
}

/** Copies a package and what it depends on, from this checkout's node_modules. */
function copyPackage(name, target, done) {
  if (done.has(name) || INSTALLERS.has(name)) return;
  const from = join(root, 'node_modules', name);
  if (!existsSync(from)) throw new Error(`the package ${name} is not installed; run npm ci`);
  done.add(name);
  const left = NOT_NEEDED[name] ?? [];
  cpSync(from, join(target, name), {
    recursive: true,
    dereference: true,
    filter: (path) => {
      const inside = relative(from, path);
      return (
        !left.includes(inside.split('/')[0]) &&
        !/(^|\/)(node_modules|test|tests|benchmarks?|examples?)(\/|$)|\.(map|ts|md|cc|hh|cpp|c|h|S|asm)$/.test(inside)
      );
    },
  });
  if (name === 'better-sqlite3') {
    const native = 'build/Release/better_sqlite3.node';
    if (!existsSync(join(from, native))) throw new Error(`better-sqlite3 has no native part; run npm rebuild better-sqlite3`);
    mkdirSync(join(target, name, 'build/Release'), { recursive: true });
    copyFileSync(join(from, native), join(target, name, native));
  }
  const { dependencies = {}, optionalDependencies = {} } = JSON.parse(readFileSync(join(from, 'package.json'), 'utf8'));
  for (const one of Object.keys(dependencies)) copyPackage(one, target, done);
  // Of the native packages of each platform, the one that is installed.
  for (const one of Object.keys(optionalDependencies)) if (existsSync(join(root, 'node_modules', one))) copyPackage(one, target, done);
}

/** Every file below a folder. */
function filesBelow(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** The newest glibc that Node and the native packages need: "2.28". */
function neededGlibc(folder) {
  const minors = filesBelow(folder)
    .filter((file) => file.endsWith('.node') || file.endsWith('/bin/node'))
    .flatMap((file) => [...readFileSync(file, 'latin1').matchAll(/GLIBC_2\.(\d{1,3})\b/g)].map(([, minor]) => Number(minor)));
  return `2.${Math.max(...minors)}`;
}

/** The program with Node: bin/, dist/, node_modules/, docs/ and what else the package has. */
async function assemble(folder) {
  mkdirSync(join(folder, 'bin'), { recursive: true });
  await build({ folder: join(folder, 'dist'), forPackage: true });
  for (const name of files)
    if (name !== 'dist' && existsSync(join(root, name))) cpSync(join(root, name), join(folder, name), { recursive: true });
  const kept = { name: manifest.name, version, type: manifest.type, license: manifest.license };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(kept, null, 2)}\n`);
  const done = new Set();
  for (const name of LOADED_PACKAGES) copyPackage(name, join(folder, 'node_modules'), done);
  // It runs on the Node that comes with it, which is this one.
  keepBytecode(join(folder, 'dist'));
  copyFileSync(realpathSync(process.execPath), join(folder, 'bin/node'));
  copyFileSync(nodeLicence(), join(folder, 'LICENSE.node'));
  const glibc = neededGlibc(folder);
  writeFileSync(
    join(folder, 'bin/xennuma'),
    launcher({ glibc, machine: process.arch === 'arm64' ? 'aarch64' : 'x86_64', version, node: process.versions.node }),
  );
  for (const name of ['node', 'xennuma']) chmodSync(join(folder, 'bin', name), 0o755);
  return glibc;
}

function control(arch, glibc, kilobytes) {
  return `Package: xennuma
Version: ${version}
Architecture: ${arch}
Maintainer: The xennuma developers <xennuma@localhost>
Installed-Size: ${kilobytes}
Depends: libc6 (>= ${glibc}), libgcc-s1, libstdc++6
Suggests: xen-utils-common, openssh-client
Section: admin
Priority: optional
Description: NUMA placement and vCPU affinity for Xen
 ${description}
 .
 It has a Node of its own, and needs none of the system's.
`;
}

/** The tree of the .deb: the program in /usr/lib/xennuma, and what belongs elsewhere. */
async function debTree(tree, program, date) {
  const lib = join(tree, 'usr/lib/xennuma');
  cpSync(program, lib, { recursive: true });
  rmSync(join(lib, 'docs'), { recursive: true });
  const doc = join(tree, 'usr/share/doc/xennuma');
  mkdirSync(join(tree, 'usr/bin'), { recursive: true });
  symlinkSync('../lib/xennuma/bin/xennuma', join(tree, 'usr/bin/xennuma'));
  cpSync(join(program, 'docs'), doc, { recursive: true });
  const licence = (name) => readFileSync(join(program, name), 'utf8');
  writeFileSync(
    join(doc, 'copyright'),
    `xennuma\n\n${licence('LICENSE')}\n\nNode.js, in /usr/lib/xennuma/bin/node\n\n${licence('LICENSE.node')}`,
  );
  writeFileSync(join(doc, 'changelog.gz'), gzipSync(readFileSync(join(root, 'CHANGELOG.md')), { level: 9 }));
  await writeManPages(join(tree, 'usr/share/man/man1'), { version, date });
  for (const [shell, path] of [
    ['bash', 'usr/share/bash-completion/completions/xennuma'],
    ['zsh', 'usr/share/zsh/vendor-completions/_xennuma'],
    ['fish', 'usr/share/fish/vendor_completions.d/xennuma.fish'],
  ]) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), run(join(program, 'bin/xennuma'), ['completion', shell]));
  }
  mkdirSync(join(tree, 'lib/systemd/system'), { recursive: true });
  copyFileSync(join(root, 'packaging/xennuma.service'), join(tree, 'lib/systemd/system/xennuma.service'));
}

/** @returns the files that were written */
export async function makeRelease(out) {
  const arch = DEB_ARCH[process.arch];
  if (process.platform !== 'linux' || arch === undefined)
    throw new Error(`for Linux on x64 and arm64 only, not ${process.platform} on ${process.arch}`);
  const work = mkdtempSync(join(tmpdir(), 'xennuma-dist-'));
  try {
    mkdirSync(out, { recursive: true });
    const seconds = sourceTime();
    if (seconds === undefined) throw new Error('no commit to date the archives by: set SOURCE_DATE_EPOCH');
    const env = { ...process.env, SOURCE_DATE_EPOCH: String(seconds) };
    const name = `xennuma-${version}-linux-${process.arch}`;
    const program = join(work, name);
    const glibc = await assemble(program);
    const tarball = join(out, `${name}.tar.gz`);
    const same = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', `--mtime=@${seconds}`, '--mode=go-w'];
    run('tar', ['-C', work, ...same, '-cf', join(work, 'program.tar'), name]);
    run('sh', ['-c', 'gzip -n -c "$1" > "$2"', 'sh', join(work, 'program.tar'), tarball]);
    const made = [tarball];
    if (spawnSync('dpkg-deb', ['--version']).status === 0) {
      const tree = join(work, 'deb');
      await debTree(tree, program, day(seconds));
      const bytes = filesBelow(tree).reduce((sum, file) => sum + statSync(file).size, 0);
      mkdirSync(join(tree, 'DEBIAN'));
      writeFileSync(join(tree, 'DEBIAN/control'), control(arch, glibc, Math.ceil(bytes / 1024)));
      const deb = join(out, `xennuma_${version}_${arch}.deb`);
      run('chmod', ['-R', 'go-w', tree]);
      run('dpkg-deb', ['--root-owner-group', '-Zgzip', '--build', tree, deb], { env });
      made.push(deb);
    } else console.error('no .deb: dpkg-deb is not here');
    const sums = made.map((file) => `${createHash('sha256').update(readFileSync(file)).digest('hex')}  ${relative(out, file)}`);
    writeFileSync(join(out, 'SHA256SUMS'), `${sums.join('\n')}\n`);
    return { made: [...made, join(out, 'SHA256SUMS')], glibc };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const at = process.argv.indexOf('--out');
  const out = at < 0 ? join(root, 'release') : (process.argv[at + 1] ?? '');
  if (out === '') throw new Error('--out needs a folder');
  const { made, glibc } = await makeRelease(out);
  for (const file of made) console.log(`${relative(process.cwd(), file) || file}: ${(statSync(file).size / 1e6).toFixed(1)} MB`);
  console.log(`runs where glibc is ${glibc} or newer; not on EL7, whose glibc is 2.17`);
}
