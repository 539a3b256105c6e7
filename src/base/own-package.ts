// Where this package is installed, for advice that names a folder: npm works in the folder where it
// is called.
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

/** "npm --prefix /opt/xennuma rebuild koffi" */
export function npmCommand(action: 'install' | 'rebuild', name: string): string {
  const folder = npmFolder();
  return `npm --prefix ${/\s/.test(folder) ? `'${folder}'` : folder} ${action} ${name}`;
}
