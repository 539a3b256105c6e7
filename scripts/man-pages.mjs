// Manual pages of the command, made from its help.
//   node scripts/man-pages.mjs FOLDER   for `man` of package.json
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { LOADED_PACKAGES } from './loaded-packages.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * @param folder such as usr/share/man/man1
 * @param date "2026-11-29", so that the same commit gives the same pages
 * @returns names of the pages
 */
export async function writeManPages(folder, { version, date }) {
  // Within the checkout, so that packages are found.
  const work = join(root, `.dist-man-${process.pid}`);
  await build({
    stdin: {
      contents: `export { everyCommand } from './src/cli/program.ts';
        export { commandPage, programPage } from './src/cli/output/man-page.ts';`,
      resolveDir: root,
    },
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile: join(work, 'pages.mjs'),
    logLevel: 'error',
    external: LOADED_PACKAGES,
    banner: { js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);" },
  });
  const { everyCommand, commandPage, programPage } = await import(join(work, 'pages.mjs')).finally(() => rmSync(work, { recursive: true }));
  const commands = await everyCommand();
  const pages = [
    ['xennuma', programPage(commands, { version, date })],
    ...commands.map((command) => [`xennuma-${command.name()}`, commandPage(command, { version, date })]),
  ];
  mkdirSync(folder, { recursive: true });
  // Without a time in the head of gzip.
  for (const [name, text] of pages) writeFileSync(join(folder, `${name}.1.gz`), gzipSync(text, { level: 9 }));
  return pages.map(([name]) => name);
}

/** Seconds of the commit, or of SOURCE_DATE_EPOCH; undefined outside a checkout. */
export function sourceTime() {
  const log = spawnSync('git', ['log', '-1', '--format=%ct'], { cwd: root, encoding: 'utf8' });
  const given = process.env.SOURCE_DATE_EPOCH ?? (log.status === 0 ? log.stdout.trim() : undefined);
  if (given !== undefined && !/^\d{1,12}$/.test(given)) throw new Error(`SOURCE_DATE_EPOCH: expected seconds, got '${given}'`);
  return given === undefined ? undefined : Number(given);
}

/** The day that pages made from `seconds` bear. */
export const day = (seconds = Date.now() / 1000) => new Date(seconds * 1000).toISOString().slice(0, 10);

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [folder] = process.argv.slice(2);
  if (folder === undefined) throw new Error('name the folder of the pages');
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  await writeManPages(folder, { version, date: day(sourceTime()) });
}
