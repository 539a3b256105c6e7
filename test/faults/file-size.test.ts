// A daemon whose files may not grow (`ulimit -f`, LimitFSIZE= of the service): SQLite calls it an
// I/O error, and the daemon says what it is.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { vmRecord } from '../support/daemon.js';
import { startServe } from '../support/serve-process.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

it('refuses changes with the true reason, and goes on serving', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'xennuma-file-size-'));
  ends.push(() => rmSync(folder, { recursive: true }));
  // Blocks of 512 or 1024 bytes, as the shell counts them.
  const { child, call, log } = await startServe(join(folder, 'state'), { command: ['sh', '-c', 'ulimit -f 4096; exec "$@"', 'sh'] });
  ends.push(async () => {
    const closed = new Promise((done) => child.once('close', done));
    child.kill('SIGKILL');
    await closed;
  });
  const created: unknown[] = [];
  const create = async (): Promise<string> => {
    for (let index = 0; index < 200; index++) {
      try {
        created.push(await call('VM.create', vmRecord(`vm-${index}`, { name_description: 'x'.repeat(60_000) })));
      } catch (error) {
        return (error as Error).message;
      }
    }
    return 'all were created';
  };
  expect(await create()).toContain('the file may not grow further (EFBIG)');
  expect(log()).toContain('the daemon is read-only: the file may not grow further');
  expect(await call('VM.get_all')).toEqual(expect.arrayContaining(created));
});
