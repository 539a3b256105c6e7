// Bundles the page (web/) into dist/page/: app.js, app.css, worker.js and reader.js, which `serve`
// serves and `--html` puts into one file, and settings.js, which only `serve` has a use for.
//   node scripts/build-page.mjs   into dist/page
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Svelte's own compiler as a plugin of esbuild: scripts and scoped styles. */
async function sveltePlugin() {
  const { compile, compileModule } = await import('svelte/compiler');
  const styles = new Map();
  const options = (path) => ({ filename: path, dev: false, generate: 'client' });
  return {
    name: 'svelte',
    setup(build) {
      build.onLoad({ filter: /\.svelte$/ }, ({ path }) => {
        const { js, css, warnings } = compile(readFileSync(path, 'utf8'), { ...options(path), css: 'external' });
        const shown = warnings.map(({ message, start }) => ({
          text: message,
          location: { file: path, line: start?.line ?? 1, column: start?.column ?? 0 },
        }));
        const style = css === null || css.code === '' ? '' : `\nimport ${JSON.stringify(`${path}.css`)};`;
        if (style !== '') styles.set(`${path}.css`, css.code);
        return { contents: js.code + style, loader: 'js', warnings: shown };
      });
      build.onResolve({ filter: /\.svelte\.css$/ }, ({ path }) => ({ path, namespace: 'svelte-style' }));
      build.onLoad({ filter: /.*/, namespace: 'svelte-style' }, ({ path }) => ({ contents: styles.get(path), loader: 'css' }));
      // Runes outside of components.
      build.onLoad({ filter: /\.svelte\.ts$/ }, async ({ path }) => {
        const { transform } = await import('esbuild');
        const { code } = await transform(readFileSync(path, 'utf8'), { loader: 'ts', target: 'es2022' });
        return { contents: compileModule(code, options(path)).js.code, loader: 'js' };
      });
    },
  };
}

/** What the page has in place of Node's modules. */
function nodePlugin() {
  return {
    name: 'node',
    setup(build) {
      build.onResolve({ filter: /^highs$/ }, () => ({ path: join(root, 'web/src/node/highs.ts') }));
      build.onResolve({ filter: /^node:/ }, ({ path }) => ({ path: join(root, 'web/src/node', `${path.slice(5).replace('/', '-')}.ts`) }));
    },
  };
}

/**
 * @param folder gets app.js, app.css, worker.js, reader.js and settings.js
 * @returns esbuild's metafiles
 */
export async function buildPage(folder) {
  return [
    await bundle(folder, { app: 'web/src/main.ts' }),
    await bundle(folder, { worker: 'web/src/worker.ts' }, ['web/src/node/buffer.ts']),
    await bundle(folder, { reader: 'web/src/reader.ts' }, ['web/src/node/buffer.ts']),
    await bundle(folder, { settings: 'web/src/lib/settings.ts' }, [], 'esm'),
  ];
}

async function bundle(folder, entryPoints, inject = [], format = 'iife') {
  const { build } = await import('esbuild');
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints,
    inject,
    outdir: folder,
    bundle: true,
    metafile: true,
    format,
    platform: 'browser',
    target: ['chrome111', 'firefox113', 'safari16.4'],
    conditions: ['browser', 'svelte', 'production'],
    minify: true,
    charset: 'utf8',
    legalComments: 'none',
    logLevel: 'warning',
    // A page has no environment.
    define: { 'process.env.NODE_ENV': '"production"', 'process.env.XENNUMA_DEBUG': '""', 'import.meta.url': '""' },
    plugins: [nodePlugin(), await sveltePlugin()],
  });
  return metafile;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await buildPage(join(root, 'dist/page'));
  console.log(`${basename(root)}: dist/page`);
}
