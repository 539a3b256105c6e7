// `serve` on a disk that takes what is written and then fails to keep it: fsync(2) reports an error
// after SQLite has written a whole transaction. Nobody may find that transaction later.
import { type ChildProcess, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { vmRecord } from '../support/daemon.js';
import { type StartedServe, startServe } from '../support/serve-process.js';

/** fsync and fdatasync fail for as long as the file of this variable exists. */
const SWITCH = 'XENNUMA_TEST_NO_SYNC';
const SOURCE = `
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
static int call(long number, int fd) {
  const char *file = getenv("${SWITCH}");
  if (file && access(file, F_OK) == 0) { errno = EIO; return -1; }
  return (int)syscall(number, fd);
}
int fsync(int fd) { return call(SYS_fsync, fd); }
int fdatasync(int fd) { return call(SYS_fdatasync, fd); }
`;

const folder = mkdtempSync(join(tmpdir(), 'xennuma-sync-'));
const library = join(folder, 'no-sync.so');
const compiled = spawnSync('cc', ['-shared', '-fPIC', '-O1', '-o', library, '-x', 'c', '-'], { input: SOURCE }).status === 0;
const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

afterAll(() => rmSync(folder, { recursive: true }));

async function serve(state: string, noSync: string): Promise<StartedServe> {
  const started = await startServe(state, { env: { ...process.env, LD_PRELOAD: library, [SWITCH]: noSync } });
  children.push(started.child);
  return started;
}

async function kill({ child }: StartedServe): Promise<void> {
  const gone = new Promise((done) => child.once('exit', done));
  child.kill('SIGKILL');
  await gone;
}

// Without a C compiler there is no such library.
describe.skipIf(!compiled)('a disk whose fsync fails', { timeout: 120_000 }, () => {
  it('keeps no change that was refused, also after kill -9 at once, and accepts changes again', async () => {
    const [state, noSync] = [join(folder, 'state'), join(folder, 'broken')];
    let daemon = await serve(state, noSync);
    const vm = (await daemon.call('VM.create', vmRecord('kept'))) as string;
    for (const refused of ['refused', 'refused again']) {
      writeFileSync(noSync, '');
      await expect(daemon.call('VM.set_name_label', vm, refused)).rejects.toThrow(
        'nothing was changed: the disk reports an input/output error',
      );
      expect(await daemon.call('VM.get_name_label', vm)).toBe('kept');
      await kill(daemon);
      rmSync(noSync);
      daemon = await serve(state, noSync);
      expect(await daemon.call('VM.get_name_label', vm)).toBe('kept');
    }
    await daemon.call('VM.set_name_label', vm, 'accepted');
    await kill(daemon);
    daemon = await serve(state, noSync);
    expect(await daemon.call('VM.get_name_label', vm)).toBe('accepted');
  });
});
