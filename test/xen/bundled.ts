// Programs for the tests that must run in a process of their own.
import { resolve } from 'node:path';
import { buildSync } from 'esbuild';

const checkout = resolve(import.meta.dirname, '../..');

/** A script of this folder, bundled where its packages are found. */
export function bundled(script: string): string {
  const outfile = `${checkout}/node_modules/.xen-tests/${script}.js`;
  buildSync({
    entryPoints: [`${checkout}/test/xen/${script}.ts`],
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['koffi'],
    outfile,
    banner: { js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);" },
  });
  return outfile;
}
