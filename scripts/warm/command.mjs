// The built command without a start of Node for each run: one process that has loaded it, and runs
// it as often as it is told to. For tests and documents; `server.mjs` is that process.
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SERVER = fileURLToPath(new URL('server.mjs', import.meta.url));

export class WarmCommand {
  #folder = mkdtempSync(join(tmpdir(), 'xennuma-warm-'));
  #request = -1;
  #answer = -1;

  constructor() {
    process.once('exit', () => this.#stop());
  }

  /**
   * Blocks until the command has ended, like spawnSync. An end is what it is for a process: nothing
   * is open that would keep one alive.
   * @returns exit code, stdout and stderr
   */
  run(words, { cwd, env, input = '' }) {
    if (this.#request < 0) this.#start();
    writeFileSync(this.#file('in'), input);
    writeAll(this.#request, `${JSON.stringify({ words, cwd, env })}\n`);
    const line = readLine(this.#answer);
    const [out, err] = ['out', 'err'].map((name) => readFileSync(this.#file(name), 'utf8'));
    if (line === '') {
      this.#stop();
      throw new Error(`xennuma ${words.join(' ')}: its process ended:\n${out}${err}`);
    }
    const { code, open, ends } = JSON.parse(line);
    if (ends || open !== undefined) this.#stop();
    if (open !== undefined) throw new Error(`xennuma ${words.join(' ')}: does not end, for it has open: ${open.join(', ')}\n${out}${err}`);
    return { code, out, err };
  }

  #file(name) {
    return join(this.#folder, name);
  }

  #start() {
    rmSync(this.#folder, { recursive: true, force: true });
    this.#folder = mkdtempSync(join(tmpdir(), 'xennuma-warm-'));
    const made = spawnSync('mkfifo', [this.#file('request'), this.#file('answer')], { encoding: 'utf8' });
    if (made.status !== 0) throw new Error(`mkfifo: ${made.error?.message ?? made.stderr}`);
    // The shell opens the pipes, so that a Node that does not start closes them.
    const script = 'cd "$1" && exec "$2" "$3" in 3<request 4>answer >>out 2>>err';
    spawn('sh', ['-c', script, 'sh', this.#folder, process.execPath, SERVER], { stdio: 'ignore' }).unref();
    this.#request = openSync(this.#file('request'), 'w');
    this.#answer = openSync(this.#file('answer'), 'r');
  }

  #stop() {
    for (const fd of [this.#request, this.#answer]) if (fd >= 0) closeSync(fd);
    this.#request = -1;
    this.#answer = -1;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function writeAll(fd, text) {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}

/** @returns an empty text when the other side is gone */
function readLine(fd) {
  const chunk = Buffer.alloc(65_536);
  for (let text = ''; ; ) {
    const count = readSync(fd, chunk);
    if (count === 0) return '';
    text += chunk.toString('utf8', 0, count);
    if (text.endsWith('\n')) return text;
  }
}
