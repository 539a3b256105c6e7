// `npm run check:dist`: makes the tarball and the .deb of `npm run dist`, and runs what is in them
// as a machine without Node and npm would: with an empty environment, from another folder.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { makeRelease } from './dist.mjs';

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
const SKIPPED = 77;
if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
  console.log(`skipped: archives are made on Linux for x64 and arm64, not on ${process.platform} for ${process.arch}`);
  process.exit(SKIPPED);
}
const folder = mkdtempSync(join(tmpdir(), 'xennuma-check-dist-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

let [passed, failed] = [0, 0];
function check(good, fault) {
  if (good) passed++;
  else {
    failed++;
    console.error(fault);
  }
}
const run = (command, words, options = {}) => spawnSync(command, words, { cwd: folder, encoding: 'utf8', maxBuffer: 2 ** 26, ...options });
/** As `env -i`: neither Node nor npm can be found. */
const bare = (command, words, env = {}) => run(command, words, { env });
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const commands = [...readFileSync(join(root, 'src/cli/command-table.ts'), 'utf8').matchAll(/\bname: '([a-z]+)'/g)].map(([, name]) => name);

/** The program of an archive. */
function checkProgram(what, program) {
  const said = bare(program, ['--version']);
  check(said.stdout === `${version}\n`, `${what}: --version says ${said.stdout}${said.stderr}${said.error ?? ''}`);
  const host = join(root, 'examples/hosts/two-nodes.yaml');
  const plan = bare(program, ['plan', '--host', host, '--vms', join(root, 'examples/vms/router.cfg'), '--profile', 'xl', '--json']);
  check(plan.status === 0 && JSON.parse(plan.stdout).vms[0].state === 'running', `${what}: plan ends with ${plan.status}: ${plan.stderr}`);
  // Both native packages, loaded by this Node: the versions that they say.
  const doctor = bare(program, ['doctor', '--json']);
  const found = (name) => JSON.parse(doctor.stdout || '{"checks":[]}').checks.find((one) => one.name.includes(name));
  for (const name of ['koffi', 'better-sqlite3']) check(found(name)?.state === 'ok', `${what}: ${name} is ${JSON.stringify(found(name))}`);
  const old = join(folder, 'old-glibc');
  mkdirSync(old, { recursive: true });
  writeFileSync(join(old, 'getconf'), '#!/bin/sh\necho glibc 2.17\n', { mode: 0o755 });
  const el7 = bare(program, ['--version'], { PATH: `${old}:/usr/bin:/bin` });
  check(
    el7.status === 3 && /needs glibc 2\.\d+, and here is 2\.17/.test(el7.stderr),
    `${what}: with glibc 2.17: ${el7.status} ${el7.stderr}`,
  );
}

/** What demo says to try next runs as it is written, by a user without Node and npm. */
function checkDemo(what, program) {
  const demo = bare(program, ['demo']);
  const [, next = ''] = demo.stdout.split('Try next\n');
  const commands = next.split('\n').filter((line) => / (?:plan|explain|compare|show|run) /.test(line) && !line.includes('xl info'));
  check(demo.status === 0 && commands.length >= 4, `${what}: demo ends with ${demo.status}: ${demo.stderr}${next}`);
  for (const line of commands) {
    const ended = bare('sh', ['-c', `${next.split('\n')[0]} && ${line}`], { PATH: '/usr/bin:/bin', HOME: folder });
    check(ended.status === 0 || ended.status === 1, `${what}: '${line.trim()}' ends with ${ended.status}: ${ended.stderr}`);
  }
}

/** What stays when the package is removed, besides the notes of dpkg and man. */
const NOTES = /^(?:\.\/)?(?:dev|proc|root|tmp|var\/(?:cache\/man|lib\/dpkg|log))(?:\/|$)/;

/**
 * Installs, runs and removes the .deb in this machine's own Debian, in a copy on top of it that
 * nothing leaves: needs root and overlayfs.
 */
function checkInstalled(deb) {
  const script = `set -e
mount -t tmpfs none "$1"; mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" none "$1/root" || exit 77
mount -t proc none "$1/root/proc"
cp "$2" "$1/root/root/x.deb"
in_root() { chroot "$1/root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root sh -ec "$2"; }
in_root "$1" 'dpkg -i /root/x.deb >/dev/null 2>&1; xennuma --version; dpkg -V xennuma; cd /tmp; xennuma demo >/dev/null; dpkg -P xennuma >/dev/null 2>&1; [ ! -e /usr/bin/xennuma ]'
cd "$1/upper" && find . -type f`;
  const at = join(folder, 'installed');
  mkdirSync(at);
  const ended = run('unshare', ['--mount', 'sh', '-c', script, 'sh', at, deb]);
  if (
    process.getuid() !== 0 ||
    ended.status === 77 ||
    ended.error !== undefined ||
    /unshare failed|permission denied/i.test(ended.stderr)
  ) {
    console.log('the .deb was not installed: that needs root, unshare and overlayfs');
    return;
  }
  const [said, ...left] = ended.stdout.trim().split('\n');
  check(ended.status === 0 && said === version, `the .deb, installed: ${ended.status} ${ended.stdout}${ended.stderr}`);
  const stayed = left.filter((path) => !NOTES.test(path.replace(/^\.\//, '')));
  check(stayed.length === 0, `the .deb leaves ${stayed.slice(0, 10).join(', ')}`);
}

const { made } = await makeRelease(join(folder, 'release'));
const [tarball, ...others] = made;
const sums = run('sha256sum', ['-c', 'SHA256SUMS'], { cwd: join(folder, 'release') });
check(sums.status === 0, `checksums: ${sums.stdout}${sums.stderr}`);
check(run('tar', ['-xzf', tarball]).status === 0, 'the tarball cannot be unpacked');
const unpacked = readdirSync(folder).find((name) => name.startsWith('xennuma-')) ?? '';
checkProgram('tarball', join(folder, unpacked, 'bin/xennuma'));
checkDemo('tarball', join(folder, unpacked, 'bin/xennuma'));

const deb = others.find((file) => file.endsWith('.deb'));
if (deb === undefined) console.log('no .deb was made: dpkg-deb is not here');
else {
  const list = run('dpkg-deb', ['-c', deb]).stdout;
  for (const path of [
    'usr/bin/xennuma',
    'usr/share/bash-completion/completions/xennuma',
    'usr/share/zsh/vendor-completions/_xennuma',
    'usr/share/fish/vendor_completions.d/xennuma.fish',
    'usr/share/doc/xennuma/copyright',
    'lib/systemd/system/xennuma.service',
    'usr/share/man/man1/xennuma.1.gz',
    ...commands.map((name) => `usr/share/man/man1/xennuma-${name}.1.gz`),
  ]) {
    check(list.includes(` ./${path}`), `the .deb has no ${path}`);
  }
  check(!/^\S+ (?!root\/root)/m.test(list), 'the .deb has files that are not root’s');
  const fields = run('dpkg-deb', ['-f', deb]).stdout;
  check(/^Depends: libc6 \(>= 2\.\d+\)/m.test(fields) && fields.includes(`Version: ${version}\n`), `the .deb says of itself: ${fields}`);
  check(run('dpkg-deb', ['-x', deb, join(folder, 'tree')]).status === 0, 'the .deb cannot be unpacked');
  checkProgram('.deb', join(folder, 'tree/usr/bin/xennuma'));
  checkInstalled(deb);
  // Troff that man complains about is shown wrong.
  const pages = join(folder, 'tree/usr/share/man/man1');
  if (existsSync('/usr/bin/man')) {
    for (const page of readdirSync(pages)) {
      const shown = run('man', ['--warnings', '-l', '-Tutf8', join(pages, page)]);
      const faults = shown.stderr.split('\n').filter((line) => line !== '' && !line.includes("can't break line"));
      check(shown.status === 0 && faults.length === 0, `${page}: ${faults.join('; ')}`);
      const troff = gunzipSync(readFileSync(join(pages, page))).toString();
      check(/^\.SH NAME$[\s\S]*^\.SH SYNOPSIS$[\s\S]*^\.SH DESCRIPTION$/m.test(troff), `${page} lacks a section`);
    }
  }
}
console.log(`dist: ${made.length} files`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
