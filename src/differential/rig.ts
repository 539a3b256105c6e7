// The rig (rig/xen-rig) as an object: a real Xen on an emulated machine that runs commands in its
// dom0.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Both src/differential/ and dist/ are below the checkout. */
export const CHECKOUT = fileURLToPath(new URL(import.meta.url.includes('/dist/') ? '..' : '../..', import.meta.url)).replace(/\/$/, '');
const SCRIPT = `${CHECKOUT}/rig/xen-rig`;
/** rig/xen-rig's exit status when it is not the command that failed. */
export const RIG_FAILED = 99;

export interface Finished {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class Rig {
  readonly name: string;

  private constructor(name: string) {
    this.name = name;
  }

  /**
   * One thread emulates all CPUs: a lock is never held by a CPU that is not running.
   * @throws Error with the rig's own words when Xen does not come up
   */
  static async start(shape: string, name: string): Promise<Rig> {
    const { status, stderr } = await run(['start', '--shape', shape, '--name', name]);
    if (status !== 0) throw new Error(`the rig did not start (exit ${status}):\n${stderr}`);
    return new Rig(name);
  }

  /** `onLine`: each line of standard output as it comes. */
  exec(command: readonly string[], timeoutS: number, input = '', onLine?: (line: string) => void): Promise<Finished> {
    return run(['exec', '--name', this.name, '--timeout', String(timeoutS), '-i', ...command], input, onLine);
  }

  async stop(): Promise<void> {
    await run(['stop', '--name', this.name]);
  }
}

function run(words: readonly string[], input = '', onLine?: (line: string) => void): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(SCRIPT, words, { cwd: CHECKOUT, env: { RIG_THREADS: 'single', ...process.env } });
    const texts = { stdout: '', stderr: '' };
    let partial = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      texts.stdout += text;
      if (onLine === undefined) return;
      const lines = (partial + text).split('\n');
      partial = lines.pop()!;
      for (const line of lines) onLine(line);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      texts.stderr += text;
    });
    child.on('error', reject);
    child.on('close', (status) => resolve({ status: status ?? RIG_FAILED, ...texts }));
    child.stdin.on('error', () => {}).end(input);
  });
}
