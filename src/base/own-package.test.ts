import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { npmCommand, npmFolder, ownCommand, PACKAGE_FOLDER } from './own-package.js';

it('finds the folder of the package', () => expect(existsSync(join(PACKAGE_FOLDER, 'package.json'))).toBe(true));

it.each([
  ['/root/xennuma', '/root/xennuma'],
  ['/usr/lib/node_modules/xennuma', '/usr/lib/node_modules/xennuma'],
  ['/root/.npm-global/lib/node_modules/xennuma', '/root/.npm-global/lib/node_modules/xennuma'],
  ['/srv/project/node_modules/xennuma', '/srv/project'],
])('the packages of %s are below %s', (folder, wanted) => expect(npmFolder(folder)).toBe(wanted));

it('names the folder in the command', () => {
  expect(npmCommand('rebuild', 'koffi')).toBe(`npm --prefix ${PACKAGE_FOLDER} rebuild koffi`);
});

it('installs one package into a global installation, without those of development', () => {
  const own = '/usr/lib/node_modules/xennuma';
  expect(npmCommand('install', 'koffi', own)).toBe(`npm --prefix ${own} install --omit=dev --no-save koffi`);
  expect(npmCommand('rebuild', 'koffi', own)).toBe(`npm --prefix ${own} rebuild koffi`);
  expect(npmCommand('install', 'koffi', '/srv/project/node_modules/xennuma')).toBe('npm --prefix /srv/project install koffi');
});

it('is called as it was installed', () => {
  expect(ownCommand()).toBe('npx xennuma');
  expect(ownCommand('/usr/local/lib/node_modules/xennuma')).toBe('xennuma');
  expect(ownCommand('/usr/lib/xennuma')).toBe('xennuma');
  const release = mkdtempSync(join(tmpdir(), 'xennuma-release-'));
  mkdirSync(join(release, 'bin'));
  writeFileSync(join(release, 'bin/node'), '');
  expect(ownCommand(release)).toBe('bin/xennuma');
  rmSync(release, { recursive: true });
});
