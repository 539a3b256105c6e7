// Manual pages of the command, made from its help: writeManPages(FOLDER).
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

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
    external: ['koffi', 'better-sqlite3', 'pino', 'prom-client', '@peculiar/x509', 'reflect-metadata', 'string-width'],
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
