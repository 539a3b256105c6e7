// The daemon as a user starts it: on a disk that fills up and empties, killed there; backed up
// while it runs, and restored; SIGHUP.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { vmRecord } from '../support/daemon.js';
import { type StartedServe, startServe } from '../support/serve-process.js';
import { root, xennuma } from '../xennuma.js';

const HOST = join(root, 'examples/hosts/four-nodes.yaml');
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
function folder(): string {
  const folderPath = mkdtempSync(join(tmpdir(), 'xennuma-daemon-'));
  ends.push(() => rmSync(folderPath, { recursive: true, force: true }));
  return folderPath;
}

async function serve(command: readonly string[], state: string): Promise<StartedServe> {
  const started = await startServe(state, { command });
  ends.push(() => started.child.kill('SIGKILL'));
  return started;
}

const killed = (child: ChildProcess): Promise<unknown> => {
  const gone = new Promise((done) => child.once('exit', done));
  child.kill('SIGKILL');
  return gone;
};
const labels = async ({ call }: StartedServe): Promise<string[]> =>
  Object.values(
    (await call('VM.get_all_records')) as Record<string, { name_label: string; is_control_domain: boolean; is_default_template: boolean }>,
  )
    .filter((vm) => !vm.is_control_domain && !vm.is_default_template)
    .map(({ name_label }) => name_label)
    .sort();

/** A small file system of its own, in a mount namespace; null where that is not allowed. */
const namespaces = spawnSync('unshare', ['-rm', 'true']).status === 0;

describe('a signal as soon as the daemon says that it listens', { timeout: 60_000 }, () => {
  it.each([['TERM'], ['INT'], ['HUP', 'TERM']])('%s', (...signals) => {
    const [pipe, state] = [join(folder(), 'pipe'), join(folder(), 'state')];
    // The shell reads and kills at once; this process would be late.
    const script = `mkfifo "$0"; "$@" > "$0" & read -r line < "$0"; ${signals.map((name) => `kill -${name} $!`).join('; ')}; wait $!`;
    const words = [process.execPath, join(root, 'dist/xennuma.js'), 'serve', '--host', join(root, 'examples/hosts/four-nodes.yaml')];
    const { status } = spawnSync('bash', ['-c', script, pipe, ...words, '--state', state, '--listen', '127.0.0.1:0'], { stdio: 'ignore' });
    expect(status).toBe(0);
    expect(existsSync(join(state, 'backup.sock'))).toBe(false);
  });
});

describe('on a disk that is full', { timeout: 240_000 }, () => {
  it.skipIf(!namespaces)(
    'refuses changes with the reason, serves reads, goes on running, and keeps exactly the acknowledged changes, also after kill -9',
    async () => {
      const disk = folder();
      // The process that holds the file system: daemons come and go inside it.
      const holder = spawn('unshare', ['-rm', 'sh', '-c', `mount -t tmpfs -o size=3m tmpfs ${disk} && echo ready && exec sleep 1000`]);
      ends.push(() => holder.kill('SIGKILL'));
      await new Promise((done) => holder.stdout.once('data', done));
      const inside = join('/proc', String(holder.pid), 'root', disk);
      const enter = ['nsenter', '-t', String(holder.pid), '-U', '-m', '--preserve-credentials'];
      const first = await serve(enter, join(disk, 'state'));
      const acknowledged: string[] = [];
      const vm = await first.call('VM.create', vmRecord('vm'));
      acknowledged.push('vm');
      const fill = (): void => {
        const file = join(inside, 'filler');
        for (let bytes = 65_536; bytes >= 512; bytes /= 2) {
          try {
            for (;;) writeFileSync(file, Buffer.alloc(bytes), { flag: 'a' });
          } catch {
            // Full for pieces of this size.
          }
        }
      };
      fill();
      const reasons = new Set<string>();
      for (let index = 0; index < 30; index++) {
        const label = `full-${index}`;
        const method = index % 2 === 0 ? 'VM.create' : 'Async.VM.create';
        await first.call(method, vmRecord(label)).then(
          async (task) => {
            const status = method.startsWith('Async.') ? await first.call('task.get_status', task) : 'success';
            if (status === 'success') acknowledged.push(label);
          },
          (error: Error) => reasons.add(error.message),
        );
      }
      await expect(first.call('VM.set_name_label', vm, 'refused')).rejects.toThrow(/the disk is full \(ENOSPC\)/);
      await expect(first.call('VM.start', vm, false, false)).rejects.toThrow(/the disk is full/);
      expect([...reasons].join()).toMatch(/the disk is full/);
      expect(await labels(first)).toEqual([...acknowledged].sort());
      expect(first.log()).toMatch(/read-only: the disk is full/);
      await killed(first.child);
      // It also starts on the full disk.
      const second = await serve(enter, join(disk, 'state'));
      expect(await labels(second)).toEqual([...acknowledged].sort());
      truncateSync(join(inside, 'filler'), 0);
      await expect
        .poll(
          () =>
            second.call('VM.set_name_label', vm, 'room').then(
              () => true,
              () => false,
            ),
          { timeout: 10_000 },
        )
        .toBe(true);
      await killed(second.child);
      const third = await serve(enter, join(disk, 'state'));
      expect(await labels(third)).toEqual(acknowledged.map((label) => (label === 'vm' ? 'room' : label)).sort());
      // In the audit log, or in the log of the daemon that could not write it there.
      const audit = readFileSync(join(inside, 'state', 'audit.log'), 'utf8');
      expect(acknowledged.filter((label) => !`${audit}${first.log()}`.includes(`"${label}"`))).toEqual([]);
      expect(audit.split('\n').filter((line) => line.includes('"refused"') && line.includes('"success"'))).toEqual([]);
    },
  );
});

describe('backup and restore', { timeout: 240_000 }, () => {
  it('of a daemon that runs, of a folder, and into a folder whose state is damaged', async () => {
    const folderPath = folder();
    const state = join(folderPath, 'state');
    const daemon = await serve([], state);
    for (let index = 0; index < 10; index++) await daemon.call('VM.create', vmRecord(`vm-${index}`));
    const before = await labels(daemon);
    const online = join(folderPath, 'online.db');
    expect(xennuma(['serve', 'backup', online, '--from', state])).toMatchObject({ code: 0 });
    await daemon.call('VM.create', vmRecord('later'));
    const busy = xennuma(['serve', 'restore', online, '--into', state]);
    expect([busy.code, busy.err]).toEqual([2, expect.stringMatching(/another xennuma owns/)]);
    await killed(daemon.child);
    const offline = join(folderPath, 'offline.db');
    expect(xennuma(['serve', 'backup', offline, '--from', state])).toMatchObject({ code: 0 });
    const again = xennuma(['serve', 'backup', offline, '--from', state]);
    expect([again.code, again.err]).toEqual([2, expect.stringMatching(/already exists/)]);
    writeFileSync(join(state, 'xapi.db'), 'damaged\n'.repeat(1000));
    expect(xennuma(['serve', 'restore', offline, '--into', state])).toMatchObject({ code: 0 });
    expect(await labels(await serve([], state))).toEqual(['later', ...before].sort());
    const other = join(folderPath, 'other');
    expect(xennuma(['serve', 'restore', online, '--into', other])).toMatchObject({ code: 0 });
    expect(await labels(await serve([], other))).toEqual(before);
    const bytes = readFileSync(online);
    writeFileSync(join(folderPath, 'bad.db'), bytes.fill(0xff, 8192, 12_000));
    const bad = xennuma(['serve', 'restore', join(folderPath, 'bad.db'), '--into', join(folderPath, 'third')]);
    expect([bad.code, bad.err]).toEqual([2, expect.stringMatching(/the backup is damaged/)]);
    expect(existsSync(join(folderPath, 'third', 'xapi.db'))).toBe(false);
  });
});

describe('SIGHUP', { timeout: 120_000 }, () => {
  it('reopens the audit log and interrupts nothing', async () => {
    const state = join(folder(), 'state');
    mkdirSync(state, { mode: 0o700 });
    const daemon = await serve([], state);
    await daemon.call('VM.create', vmRecord('before'));
    renameSync(join(state, 'audit.log'), join(state, 'audit.old'));
    daemon.child.kill('SIGHUP');
    await expect.poll(() => existsSync(join(state, 'audit.log')), { timeout: 10_000 }).toBe(true);
    await daemon.call('VM.create', vmRecord('after'));
    expect(readFileSync(join(state, 'audit.log'), 'utf8')).toMatch(/after/);
    expect(readFileSync(join(state, 'audit.old'), 'utf8')).toMatch(/before/);
  });
});

describe('the log', { timeout: 120_000 }, () => {
  it('on a pipe that nobody reads does not stop the daemon, and shows control characters of names as escapes', async () => {
    const daemon = await serve([], join(folder(), 'state'));
    daemon.child.stderr!.pause();
    const vm = (await daemon.call('VM.create', vmRecord('a\u009b31m\u202eb'))) as string;
    // Each start and shutdown is a line of about 1 KiB; a pipe holds 64 KiB.
    for (let round = 0; round < 150; round++) {
      await daemon.call('VM.start', vm, false, false);
      await daemon.call('VM.hard_shutdown', vm);
    }
    daemon.child.stderr!.resume();
    await expect
      .poll(
        async () => {
          await daemon.call('VM.start', vm, false, false);
          await daemon.call('VM.hard_shutdown', vm);
          return daemon.log();
        },
        { timeout: 30_000 },
      )
      .toMatch(/\d+ lines of the log were lost/);
    expect(daemon.log()).toContain('a\\u009b31m\\u202eb');
    expect(daemon.log()).not.toMatch(/[\u009b\u202e]/);
    // No line was torn by the pipe's end.
    for (const line of daemon.log().split('\n').slice(0, -1)) if (line.startsWith('{')) expect(() => JSON.parse(line), line).not.toThrow();
  });
});

describe('file descriptors', { timeout: 120_000 }, () => {
  const limited = (count: number): string[] => ['sh', '-c', `ulimit -n ${count}; exec "$@"`, 'sh'];

  it('that are few make few connections: the owner gets through while another address takes all it can', async () => {
    const daemon = await serve(limited(64), join(folder(), 'state'));
    const sockets = Array.from({ length: 100 }, () => connect({ host: '127.0.0.1', port: daemon.port, localAddress: '127.0.0.2' }));
    for (const socket of sockets) socket.on('error', () => {});
    await Promise.all(sockets.map((socket) => new Promise((done) => socket.once('connect', done).once('close', done))));
    for (let call = 0; call < 20; call++) await daemon.call('VM.create', vmRecord(`vm-${call}`));
    expect(await labels(daemon)).toHaveLength(20);
    for (const socket of sockets) socket.destroy();
  });

  it('of which Node itself leaves next to none are an error in one sentence', () => {
    const empty = join(folder(), 'empty.mjs');
    writeFileSync(empty, '');
    const code = (count: number, ...words: string[]) => {
      const [program, ...args] = [...limited(count), process.execPath, ...words];
      const { status, stderr } = spawnSync(program!, args, { encoding: 'utf8' });
      return { status, stderr };
    };
    let least = 12;
    while (code(least, empty).status !== 0) least++;
    for (let count = least + 1; count <= least + 8; count++) {
      const ended = code(count, join(root, 'dist/xennuma.js'), 'serve', '--host', HOST, '--listen', '127.0.0.1:0');
      expect(ended, `ulimit -n ${count}`).toMatchObject({
        status: 2,
        stderr: expect.stringMatching(/^xennuma: .*too few.*; allow 1024: ulimit -n 1024, or LimitNOFILE of the service\n$/),
      });
    }
  });

  // With the fewest there is none left to read the limit from a file.
  it.each([30, 40, 46])('that are too few are an error at start, which names their limit of %i', async (count) => {
    await expect(serve(limited(count), join(folder(), 'state'))).rejects.toThrow(`${count} file descriptors are too few`);
  });
});
