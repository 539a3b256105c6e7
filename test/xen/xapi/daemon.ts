// A daemon of its own on the real host, as an administrator starts it: `xennuma serve --on xen`
// with users and a state folder, at a free port.
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { scryptSync } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runXe } from '../../../src/xe/run.js';

const PASSWORD = 'a long secret';
/**
 * The rights that CapabilityBoundingSet=, NoNewPrivileges= and PrivateUsers= of the systemd unit
 * leave to root. Linux makes no user namespace in a chroot, so the rig's is left for a moment.
 */
const AS_THE_UNIT = [
  ...['--mount=/proc/1/ns/mnt', '/bin/busybox', 'unshare', '--user', '--map-root-user', '/bin/busybox', 'chroot', process.env.RIG_ROOT!],
  ...['/usr/bin/setpriv', '--bounding-set=-all', '--inh-caps=-all', '--no-new-privs', 'sh', '-c', 'cd "$0" && exec "$@"', process.cwd()],
];

/** Where a daemon keeps what outlives it, and how clients log in. */
export class Service {
  readonly #folder = mkdtempSync('/tmp/xennuma-xapi-');
  readonly #passwordFile = join(this.#folder, 'password');
  readonly #users = join(this.#folder, 'users');
  readonly #state = join(this.#folder, 'state');
  #daemon: ChildProcess | null = null;
  #port = '';

  constructor() {
    // Each word of xe logs in, and an emulated machine takes seconds for a hash of the cost that
    // `serve passwd` has.
    const salt = Buffer.alloc(16, 7);
    const key = scryptSync(PASSWORD, salt, 32, { N: 2, r: 1, p: 1 });
    writeFileSync(this.#users, `root:admin:scrypt:2:1:1:${salt.toString('base64')}:${key.toString('base64')}\n`);
    writeFileSync(this.#passwordFile, `root\n${PASSWORD}\n`);
  }

  /** Resolves once it listens. */
  async start(): Promise<void> {
    const words = ['serve', '--on', 'xen', '--users', this.#users, '--state', this.#state, '--listen', '127.0.0.1:0'];
    const daemon = spawn('nsenter', [...AS_THE_UNIT, 'node', 'dist/xennuma.js', ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#daemon = daemon;
    this.#port = await new Promise<string>((done, failed) => {
      let text = '';
      const look = (chunk: Buffer): void => {
        text += String(chunk);
        const found = /listening at http:\/\/127\.0\.0\.1:(\d+)/.exec(text)?.[1];
        if (found !== undefined) done(found);
      };
      daemon.stdout.on('data', look);
      daemon.stderr.on('data', look);
      daemon.once('exit', () => failed(new Error(`serve ended: ${text}`)));
    });
    const rights = readFileSync(`/proc/${daemon.pid}/status`, 'utf8');
    assert.match(rights, /^CapBnd:\t0+\nCapAmb:\t0+\nNoNewPrivs:\t1$/m);
    // Of root alone, in a namespace of its own.
    assert.match(readFileSync(`/proc/${daemon.pid}/uid_map`, 'utf8').trim(), /^0 +0 +1$/);
  }

  /** Ends the daemon, if there is one, and waits until it is gone. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const daemon = this.#daemon;
    if (daemon === null) return;
    this.#daemon = null;
    const gone = new Promise<readonly [number | null, string | null]>((done) => daemon.once('exit', (code, by) => done([code, by])));
    daemon.kill(signal);
    assert.deepEqual(await gone, signal === 'SIGKILL' ? [null, 'SIGKILL'] : [0, null]);
  }

  /** `xennuma xe` as a process of its own, as it is typed. */
  typed(...words: string[]): string {
    return execFileSync('node', ['dist/xennuma.js', 'xe', ...words, ...this.#login()], { encoding: 'utf8' }).trimEnd();
  }

  /** The same in this process: an emulated machine takes seconds to start one. */
  async xe(...words: string[]): Promise<string> {
    const out: string[] = [];
    const err: string[] = [];
    const streams = { out: (text: string) => void out.push(text), error: (text: string) => void err.push(text) };
    const code = await runXe([...words, ...this.#login()], {}, streams, Number(this.#port));
    assert.equal(code, 0, `xe ${words.join(' ')}: ${err.join('')}`);
    return out.join('').trimEnd();
  }

  #login(): string[] {
    return ['-p', this.#port, '-pwf', this.#passwordFile];
  }
}
