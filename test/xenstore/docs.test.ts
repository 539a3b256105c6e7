// The examples of docs/xenstore.md, run against our server.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import { startOurs } from './daemons.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const examples = [...readFileSync(join(root, 'docs/xenstore.md'), 'utf8').matchAll(/```js\n([\s\S]*?)```/g)].map(([, code]) => code!);

test.each([
  [0, ['hello', '/local/domain/0/example changed, or is watched from now on']],
  [1, ["[ '/vm = ', '/vm/1 = ', '/vm/1/name = one' ]"]],
])('example %i', async (at, lines) => {
  const folder = mkdtempSync(join(tmpdir(), 'xennuma-docs-'));
  const source = join(folder, 'example.mjs');
  writeFileSync(source, examples[at]!);
  const bundled = join(root, `node_modules/.cache/example-${process.pid}-${at}.mjs`);
  const alias = { 'xennuma/xenstore': join(root, 'src/xenstore/index.ts') };
  await build({
    entryPoints: [source],
    outfile: bundled,
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['koffi'],
    alias,
    logLevel: 'error',
  });
  const daemon = await startOurs('xenstored');
  try {
    const child = spawn(process.execPath, [bundled], {
      env: { ...process.env, XENSTORED_PATH: daemon.socket },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString('utf8');
    });
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(out.trim().split('\n')).toEqual(lines);
  } finally {
    await daemon.stop();
    rmSync(folder, { recursive: true });
    rmSync(bundled, { force: true });
  }
});
