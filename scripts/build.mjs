// Bundles the command, the library and the tools into dist/; --package leaves out the tools and
// source maps. The code is split into chunks, so that `xennuma --version` loads a few kilobytes
// only.
import { chmodSync, existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildPage } from './build-page.mjs';
import { bundledLicences } from './bundled-licences.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

const SHIPPED = {
  xennuma: 'src/cli/start.ts',
  index: 'src/index.ts',
  xenstore: 'src/xenstore/index.ts',
  xenguest: 'src/xenguest/real/xenguest-main.ts',
  'replay-worker': 'src/replay/replay-worker.ts',
};
/** For work on the project: not in the package. */
const TOOLS = {
  conformance: 'src/conformance/main.ts',
  'fuzz-xenstore': 'src/xenstore/fuzz/main.ts',
  differential: 'src/differential/main.ts',
  'differential-dom0': 'src/differential/dom0.ts',
  simulator: 'src/simulator/main.ts',
  'bench-xen': 'bench/xen/pairs.ts',
};

/**
 * @param folder that is replaced
 * @param forPackage what npm ships: no tools, no source maps
 */
export async function build({ folder = join(root, 'dist'), forPackage = false } = {}) {
  const { build: bundle } = await import('esbuild');
  // Built next to the old folder, then swapped in. A command that starts meanwhile finds the old
  // one, and a failed build leaves it there.
  const fresh = join(dirname(folder), `.dist-${process.pid}`);
  const entries = forPackage ? SHIPPED : { ...SHIPPED, ...TOOLS };
  const { metafile } = await bundle({
    absWorkingDir: root,
    entryPoints: Object.fromEntries(Object.entries(entries).filter(([, path]) => existsSync(join(root, path)))),
    outdir: fresh,
    bundle: true,
    metafile: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    minifySyntax: true,
    sourcemap: forPackage ? false : 'linked',
    // Native code, and packages that few runs need: loaded from node_modules when needed.
    external: ['koffi', 'better-sqlite3', 'highs', 'pino', 'prom-client', '@peculiar/x509', 'reflect-metadata', 'string-width'],
    logLevel: 'warning',
    // yaml is CommonJS inside; esbuild's shim for require needs this in an ES module.
    banner: { js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);" },
  });
  const page = await buildPage(join(fresh, 'page'));
  writeFileSync(join(fresh, 'LICENSES.txt'), bundledLicences(root, [metafile, ...page]));
  if (existsSync(join(fresh, 'xennuma.js'))) chmodSync(join(fresh, 'xennuma.js'), 0o755);
  // Without this mark scripts/setup.mjs builds again: a package build has no tools for the tests.
  if (!forPackage) writeFileSync(join(fresh, '.built'), '');
  rmSync(folder, { recursive: true, force: true });
  renameSync(fresh, folder);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href)
  await build({ forPackage: process.argv.includes('--package') });
