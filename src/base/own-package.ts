// The folder in which this package is installed, for advice that names it: npm works in the folder
// where it is called.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of package.json. Modules are in dist/ when built, in src/base/ before. */
export const PACKAGE_FOLDER: string = fileURLToPath(
  new URL(import.meta.url.includes('/src/base/') ? '../..' : '..', import.meta.url),
).replace(/\/$/, '');

/**
 * The folder whose node_modules holds the packages that this one needs.
 * @param folder of this package: a checkout, a global installation, or a dependency of a project
 */
export function npmFolder(folder: string = PACKAGE_FOLDER): string {
  const at = folder.indexOf('/node_modules/');
  // A global installation (PREFIX/lib/node_modules) keeps them below the package itself.
  return at < 0 || folder.slice(0, at).endsWith('/lib') ? folder : folder.slice(0, at);
}

/** A release has a Node of its own (scripts/dist.mjs), and perhaps there is no npm. */
function isRelease(folder: string): boolean {
  return existsSync(join(folder, 'bin/node'));
}

/** Where the .deb has the program; its command is in the path. */
const DEB_FOLDER = '/usr/lib/xennuma';

/** The command as it is typed in the package's folder. */
export function ownCommand(folder: string = PACKAGE_FOLDER): string {
  if (folder === DEB_FOLDER || folder.includes('/node_modules/')) return 'xennuma';
  return isRelease(folder) ? 'bin/xennuma' : 'npx xennuma';
}

/**
 * "npm --prefix /opt/xennuma rebuild koffi"
 * @param own the folder of this package
 */
export function npmCommand(action: 'install' | 'rebuild', name: string, own: string = PACKAGE_FOLDER): string {
  if (isRelease(own)) return `unpack or install the release again: its ${name} is damaged`;
  const folder = npmFolder(own);
  // In a global installation npm would bring what the work on this package needs as well.
  const alone = action === 'install' && folder === own && own.includes('/node_modules/') ? 'install --omit=dev --no-save' : action;
  return `npm --prefix ${/\s/.test(folder) ? `'${folder}'` : folder} ${alone} ${name}`;
}
