import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { npmCommand, npmFolder, PACKAGE_FOLDER } from './own-package.js';

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
