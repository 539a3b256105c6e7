// `npm run test:clients`: real clients of XAPI against the daemon. It downloads Debian's packages
// and unpacks them beside the checkout's packages; nothing is installed. What cannot be had is
// named, and its tests are skipped.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'node_modules/.cache/xennuma-clients');

/** fence_xenapi brings XenAPI.py; ansible's collection needs ansible-core and its libraries. */
const PACKAGES = {
  fence: ['fence-agents', 'python3-pycurl', 'python3-pexpect', 'python3-ptyprocess', 'libcurl3-gnutls'],
  ansible: [
    ...['ansible', 'ansible-core', 'python3-jinja2', 'python3-markupsafe', 'python3-yaml', 'libyaml-0-2'],
    ...['python3-packaging', 'python3-cryptography', 'python3-cffi-backend', 'python3-resolvelib'],
  ],
};
/** The rest of the package `ansible` is other collections, of 250 MB. */
const PARTS = { ansible: ['./usr/lib/python3/dist-packages/ansible_collections/community/general/*'] };

const tell = (text) => console.error(`test:clients: ${text}`);
const run = (command, args, options = {}) => spawnSync(command, args, { stdio: ['ignore', 'ignore', 2], ...options }).status === 0;

/** @returns why they cannot be had; null = they are there */
function unpack(name) {
  const target = join(folder, name);
  const done = join(target, 'unpacked');
  if (existsSync(done)) return null;
  for (const tool of ['apt-get', 'dpkg-deb', 'tar']) if (!run('sh', ['-c', `command -v ${tool}`])) return `${tool} is missing`;
  rmSync(target, { recursive: true, force: true });
  mkdirSync(join(target, 'debs'), { recursive: true });
  const download = () => run('apt-get', ['download', '-qq', ...PACKAGES[name]], { cwd: join(target, 'debs') });
  // Its lists may be absent or old.
  if (!download() && !(run('apt-get', ['update', '-qq']) && download())) return `apt-get cannot download ${PACKAGES[name].join(', ')}`;
  for (const file of readdirSync(join(target, 'debs'))) {
    const deb = join(target, 'debs', file);
    const parts = PARTS[file.split('_')[0]];
    const command = parts === undefined ? 'dpkg-deb -x "$1" "$2"' : 'dpkg-deb --fsys-tarfile "$1" | tar x -C "$2" --wildcards "$3"';
    if (!run('sh', ['-c', command, 'sh', deb, target, ...(parts ?? [])])) return `${file} cannot be unpacked`;
  }
  rmSync(join(target, 'debs'), { recursive: true });
  writeFileSync(done, '');
  return null;
}

const env = { ...process.env };
for (const name of Object.keys(PACKAGES)) {
  const reason = existsSync('/usr/bin/python3') ? unpack(name) : 'python3 is missing';
  if (reason === null) env[`XENNUMA_CLIENT_${name.toUpperCase()}`] = join(folder, name);
  else tell(`without Debian's ${name}: ${reason}`);
}
const tests = spawnSync(process.execPath, [join(root, 'scripts/test.mjs'), 'test/clients', ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
  env,
});
process.exit(tests.status ?? 1);
