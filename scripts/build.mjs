// Bundles the command, the conformance runner and the library into dist/. Splitting keeps what a command does not need
// out of its start: `xennuma --version` loads a few kilobytes.
import { chmodSync, existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

export async function build() {
  const { build: bundle } = await import('esbuild');
  // Built beside, then swapped in: a command that starts meanwhile finds the old one, and a build that fails leaves it there.
  const fresh = `.dist-${process.pid}`;
  const entries = {
    xennuma: 'src/cli/main.ts',
    conformance: 'src/conformance/main.ts',
    index: 'src/index.ts',
    xenstore: 'src/xenstore/index.ts',
    'fuzz-xenstore': 'src/xenstore/fuzz/main.ts',
    xenguest: 'src/xenguest/real/xenguest-main.ts',
    differential: 'src/differential/main.ts',
    'differential-dom0': 'src/differential/dom0.ts',
    'bench-xen': 'bench/xen/pairs.ts',
  };
  await bundle({
    absWorkingDir: root,
    entryPoints: Object.fromEntries(Object.entries(entries).filter(([, path]) => existsSync(join(root, path)))),
    outdir: fresh,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    minifySyntax: true,
    sourcemap: 'linked',
    // Native code, and what only the daemon needs: loaded from node_modules when asked for.
    external: ['koffi', 'better-sqlite3', 'pino', 'prom-client', '@peculiar/x509', 'reflect-metadata'],
    logLevel: 'warning',
    // yaml is CommonJS inside; esbuild's shim for require needs this in an ES module.
    banner: { js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);" },
  });
  if (existsSync(join(root, fresh, 'xennuma.js'))) chmodSync(join(root, fresh, 'xennuma.js'), 0o755);
  writeFileSync(join(root, fresh, '.built'), '');
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  renameSync(join(root, fresh), join(root, 'dist'));
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await build();
