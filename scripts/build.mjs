// Bundles the command, the library and the tools into dist/; --package leaves out the tools and
// source maps. The command and the builder are one file each, with their bytecode beside it: they
// start often, and a program of a hundred modules takes twice as long to load.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildPage } from './build-page.mjs';
import { bundledLicences } from './bundled-licences.mjs';
import { LOADED_PACKAGES } from './loaded-packages.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

const SHIPPED = {
  xennuma: 'src/cli/start.ts',
  index: 'src/index.ts',
  xenstore: 'src/xenstore/index.ts',
  xenguest: 'src/xenguest/real/start.ts',
  'replay-worker': 'src/replay/replay-worker.ts',
  // What starts and scripts/keep-bytecode.mjs share.
  'load-bundle': 'src/base/files/load-bundle.ts',
};
/** What src/base/files/load-bundle.ts loads. */
const WHOLE = {
  command: 'src/cli/main.ts',
  builder: 'src/xenguest/real/main.ts',
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
 * @param forPackage what npm ships: no tools, no source maps, and no bytecode, as it may run on
 *   another Node
 */
export async function build({ folder = join(root, 'dist'), forPackage = false } = {}) {
  const { build: bundle } = await import('esbuild');
  // Built next to the old folder, then swapped in. A command that starts meanwhile finds the old
  // one, and a failed build leaves it there.
  const fresh = join(dirname(folder), `.dist-${process.pid}`);
  const entries = forPackage ? SHIPPED : { ...SHIPPED, ...TOOLS };
  const shared = {
    absWorkingDir: root,
    outdir: fresh,
    bundle: true,
    metafile: true,
    platform: 'node',
    target: 'node20.19',
    minifySyntax: true,
    minifyWhitespace: forPackage,
    sourcemap: forPackage ? false : 'linked',
    external: LOADED_PACKAGES,
    logLevel: 'warning',
  };
  const { metafile } = await bundle({
    ...shared,
    entryPoints: Object.fromEntries(Object.entries(entries).filter(([, path]) => existsSync(join(root, path)))),
    splitting: true,
    format: 'esm',
    // yaml is CommonJS inside; esbuild's shim for require needs this in an ES module.
    banner: { js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);" },
  });
  const whole = await bundle({
    ...shared,
    entryPoints: WHOLE,
    format: 'cjs',
    outExtension: { '.js': '.cjs' },
    // src/base/files/load-bundle.ts calls it with these.
    banner: { js: '(function(exports,require,module,__importMetaUrl){' },
    footer: { js: '})' },
    define: { 'import.meta.url': '__importMetaUrl' },
    // A script of node:vm may not call import().
    supported: { 'dynamic-import': false },
    // Every byte is read at each start; a stack trace still names a line.
    minifyWhitespace: true,
    lineLimit: 160,
  });
  const page = await buildPage(join(fresh, 'page'));
  writeFileSync(join(fresh, 'LICENSES.txt'), bundledLicences(root, [metafile, whole.metafile, ...page]));
  if (existsSync(join(fresh, 'xennuma.js'))) chmodSync(join(fresh, 'xennuma.js'), 0o755);
  if (!forPackage) keepBytecode(fresh);
  // Without this mark scripts/setup.mjs builds again: a package build has no tools for the tests.
  if (!forPackage) writeFileSync(join(fresh, '.built'), '');
  rmSync(folder, { recursive: true, force: true });
  renameSync(fresh, folder);
}

/**
 * In a process of its own: flags of this one would be those that the bytecode is for.
 * @param folder a built one, from which its packages are found
 */
export function keepBytecode(folder) {
  const { NODE_OPTIONS: _, ...env } = process.env;
  const { status } = spawnSync(process.execPath, [join(root, 'scripts/keep-bytecode.mjs'), folder], {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (status !== 0) throw new Error(`the bytecode of ${folder} could not be made`);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href)
  await build({ forPackage: process.argv.includes('--package') });
