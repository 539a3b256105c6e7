// The examples of docs/xenstore.md, run against our server.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import { SERVER_LIMITS } from '../../src/xenstore/server/client-limits.js';
import { DESCRIPTORS_FOR_DOMAIN_0 } from '../../src/xenstore/server/descriptors.js';
import { QUOTA } from '../../src/xenstore/store/limits.js';
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

/** The numbers of the table as the code has them. */
const MIB = 2 ** 20;
const [C, OCAML] = [QUOTA.xenstored, QUOTA.oxenstored];
const many = (count: number) => count.toLocaleString('en-US');
const NUMBERS: Readonly<Record<string, string>> = {
  'connections of a guest': many(SERVER_LIMITS.guestConnections),
  'connections of all guests': many(SERVER_LIMITS.allGuestConnections),
  'connections of domain 0': many(SERVER_LIMITS.connections),
  'replies not read': `${C.outstanding} (\`oxenstored\`: ${many(OCAML.outstanding)})`,
  'bytes of replies not read': `${SERVER_LIMITS.waitingReplyBytes / 1024} KiB`,
  'bytes that wait, events included': `${SERVER_LIMITS.waitingBytes / MIB} MiB`,
  'bytes that wait, and requests not answered': `${SERVER_LIMITS.guestWaitingBytes / MIB} MiB`,
  'bytes that wait for domain 0': `${SERVER_LIMITS.dom0WaitingBytes / MIB} MiB`,
  'bytes read in one turn': `${SERVER_LIMITS.turnBytes / 1024} KiB`,
  'work in one turn': `${many(SERVER_LIMITS.turnUnits)} units; ${many(SERVER_LIMITS.guestTurnUnits)} for all guests together`,
  'connections accepted in one turn': many(SERVER_LIMITS.turnAccepts),
  watches: `${C.watches} (\`oxenstored\`: ${OCAML.watches})`,
  transactions: many(C.transactions),
  nodes: many(C.nodes),
  memory: `${many(C.memoryBytes)} (\`oxenstored\`: none)`,
};

test('the table of greedy clients has the numbers of the code, and its tests are there', () => {
  const text = readFileSync(join(root, 'docs/xenstore.md'), 'utf8');
  const [, section] = /### Greedy clients\n([\s\S]*?)\n### /.exec(text)!;
  const rows = section!
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .slice(1)
    .map((line) => line.split('|').map((cell) => cell.trim()));
  expect(Object.fromEntries(rows.map(([, limit, number]) => [limit, number]))).toEqual(NUMBERS);
  expect(OCAML.transactions).toBe(C.transactions);
  expect(OCAML.nodes).toBe(C.nodes);
  expect(OCAML.memoryBytes).toBe(Number.POSITIVE_INFINITY);
  expect(section).toContain(`leave ${DESCRIPTORS_FOR_DOMAIN_0} descriptors`);
  for (const [, limit, , , , test] of rows) {
    const [, name, file = 'test/faults/xenstore-greedy.test.ts'] = /^(.*?)(?: \(`(.*)`\))?$/.exec(test!)!;
    expect(readFileSync(join(root, file), 'utf8'), limit).toContain(name);
  }
});
