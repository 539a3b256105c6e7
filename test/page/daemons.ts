// Daemons that a test of the page starts, and `xe` on them.
import { type ChildProcess, spawn } from 'node:child_process';
import { root, xennumaProcess } from '../xennuma.js';

export interface Daemon {
  readonly url: string;
  readonly port: number;
  readonly child: ChildProcess;
}

export class Daemons {
  readonly #started: ChildProcess[] = [];

  async serve(...options: string[]): Promise<Daemon> {
    const words = ['dist/xennuma.js', 'serve', '--host', 'examples/hosts/two-nodes.yaml', ...options];
    const child = spawn(process.execPath, words, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
    this.#started.push(child);
    const port = await new Promise<number>((done, failed) => {
      child.stdout!.on('data', (chunk: Buffer) => {
        const found = /:(\d+)\n/.exec(String(chunk));
        if (found !== null) done(Number(found[1]));
      });
      child.once('close', () => failed(new Error('serve ended')));
    });
    return { url: `http://127.0.0.1:${port}/`, port, child };
  }

  end(): void {
    for (const child of this.#started.splice(0)) child.kill('SIGKILL');
  }

  /** @throws Error with what xe says when it fails */
  xe(daemon: Daemon, ...words: string[]): string {
    const login = ['-s', '127.0.0.1', '-p', String(daemon.port), '-u', 'root', '-pw', 'secret'];
    const { code, out, err } = xennumaProcess(['xe', ...login, ...words]);
    if (code !== 0 || err !== '') throw new Error(`xe ${words.join(' ')}: ${code} ${err}`);
    return out.trim();
  }

  create(daemon: Daemon, name: string): string {
    return this.xe(daemon, 'vm-create', `name-label=${name}`, 'memory-static-max=1GiB', 'VCPUs-max=2', 'VCPUs-at-startup=2');
  }
}
