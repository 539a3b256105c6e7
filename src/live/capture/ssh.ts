// Runs a script on another host with the system's own ssh, and so with the user's config, agent and
// jump hosts. One connection serves a whole command.
import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InputError } from '../../base/errors.js';
import { harmless } from '../../base/safe-text.js';
import { killTree, whileUnfinished } from '../../base/unfinished.js';

export interface SshTarget {
  readonly user: string | undefined;
  readonly host: string;
  readonly port: number | undefined;
}

/**
 * Exit status of ssh when it cannot reach the host or is refused; any other status is the script's.
 */
const SSH_FAILED = 255;
/** A capture of the largest host is a few MiB. */
const MOST_BYTES = 256 * 2 ** 20;
const ERROR_BYTES = 8192;
const TIME_MS = 120_000;
/** The master of a connection closes it at once, or hangs; then it ends itself (ControlPersist). */
const CLOSE_MS = 3000;
/** Of the line that a message quotes. */
const MOST_WHY = 300;

/**
 * "ssh://[user@]host[:port]"
 * @throws InputError for anything else
 */
export function sshTarget(text: string): SshTarget {
  const match = /^ssh:\/\/(?:([\w.-]+)@)?(\[[0-9a-fA-F:.]+\]|[\w][\w.-]*)(?::(\d{1,5}))?\/?$/.exec(text);
  const port = match?.[3] === undefined ? undefined : Number(match[3]);
  if (match === null || (port !== undefined && (port < 1 || port > 65_535)) || match[1]?.startsWith('-') === true) {
    throw new InputError(`expected ssh://[user@]host[:port], got '${harmless(text)}'`, {}, 'for example ssh://root@xen-1');
  }
  return { user: match[1], host: match[2]!.replace(/^\[|\]$/g, ''), port };
}

/** A host that ssh cannot reach, or on which the script cannot run. */
export class SshError extends Error {
  readonly mend: string;
  constructor(message: string, mend: string) {
    super(message);
    this.name = 'SshError';
    this.mend = mend;
  }
}

/** One host over one connection. The first script opens it, and `close` closes it. */
export class SshHost {
  readonly #target: SshTarget;
  readonly #folder: string;
  readonly #children = new Set<ChildProcess>();
  readonly #release: () => void;
  /** A signal has come: what was running never ends, so that nothing reports or follows it. */
  #isOver = false;

  private constructor(target: SshTarget, folder: string) {
    this.#target = target;
    this.#folder = folder;
    this.#release = whileUnfinished({
      end: () => {
        this.#isOver = true;
        // Not SIGKILL: an ssh that asks for a password gives the terminal its echo back.
        this.#killChildren('SIGTERM');
        return this.#closeConnection();
      },
      endNow: () => {
        this.#isOver = true;
        this.#killChildren('SIGKILL');
        rmSync(folder, { recursive: true, force: true });
      },
    });
  }

  /** @throws InputError where there is no room for its socket */
  static async open(target: SshTarget): Promise<SshHost> {
    // Private to this user: anyone who can open the control socket is logged in.
    const folder = await mkdtemp(join(tmpdir(), 'xennuma-ssh-')).catch((error: Error) => {
      throw new InputError(
        `no folder can be made there: ${error.message}`,
        { file: tmpdir() },
        'set TMPDIR to a folder that may be written',
      );
    });
    return new SshHost(target, folder);
  }

  /**
   * Runs a script in the host's sh.
   * @returns its standard output
   * @throws SshError when ssh fails, or the script ends with a status other than 0
   */
  async run(script: string): Promise<string> {
    const { status, output, why } = await this.attempt(script);
    if (status === 0) return output;
    throw new SshError(
      `the script on ${this.#target.host} ended with status ${status}${why === '' ? '' : `: ${why}`}`,
      'run as root there, or as a user with sudo',
    );
  }

  /**
   * Runs a script whose status is an answer.
   * @returns also the last line that it printed to standard error
   * @throws SshError when ssh fails
   */
  async attempt(script: string): Promise<{ readonly status: number; readonly output: string; readonly why: string }> {
    const { status, output, errors } = await this.#ssh(['sh -s'], script);
    const why = shortened(harmless(errors.trim().split('\n').at(-1) ?? ''));
    if (status !== SSH_FAILED) return { status, output, why };
    throw new SshError(
      `${this.#target.host} cannot be reached by ssh${why === '' ? '' : `: ${why}`}`,
      `run \`ssh ${this.#shown()} true\`, and fix the problem that it reports`,
    );
  }

  async close(): Promise<void> {
    await this.#closeConnection();
    await rm(this.#folder, { recursive: true, force: true });
    this.#release();
  }

  /** Without an answer the connection is left to itself. */
  async #closeConnection(): Promise<void> {
    const child = spawn('ssh', this.#words([], ['-O', 'exit']), { stdio: 'ignore' });
    this.#children.add(child);
    await new Promise<void>((resolve) => {
      const limit = setTimeout(() => {
        killTree(child);
        resolve();
      }, CLOSE_MS);
      const done = () => {
        clearTimeout(limit);
        this.#children.delete(child);
        resolve();
      };
      child.once('error', done).once('close', done);
    });
  }

  #killChildren(signal: NodeJS.Signals): void {
    for (const child of this.#children) killTree(child, signal);
  }

  #shown(): string {
    const { user, host, port } = this.#target;
    return `${port === undefined ? '' : `-p ${port} `}${user === undefined ? '' : `${user}@`}${host}`;
  }

  #words(command: readonly string[], control: readonly string[] = []): string[] {
    const { user, host, port } = this.#target;
    return [
      ...['-T', '-o', 'ControlMaster=auto', '-o', 'ControlPersist=60', '-o', `ControlPath=${join(this.#folder, 'control')}`],
      // Without a terminal, ssh's questions cannot be answered.
      ...(process.stdin.isTTY === true ? [] : ['-o', 'BatchMode=yes']),
      ...(port === undefined ? [] : ['-p', String(port)]),
      ...(user === undefined ? [] : ['-l', user]),
      ...control,
      '--',
      host,
      ...command,
    ];
  }

  #ssh(command: readonly string[], input: string): Promise<{ status: number; output: string; errors: string }> {
    const { host } = this.#target;
    return new Promise((resolve, reject) => {
      const child = spawn('ssh', this.#words(command), { stdio: ['pipe', 'pipe', 'pipe'] });
      this.#children.add(child);
      const output: Buffer[] = [];
      let [bytes, errors] = [0, ''];
      const ended = (then: () => void) => {
        clearTimeout(timer);
        this.#children.delete(child);
        if (!this.#isOver) then();
      };
      const fail = (message: string, mend: string) => {
        killTree(child);
        ended(() => reject(new SshError(message, mend)));
      };
      const timer = setTimeout(
        () => fail(`${host} did not answer within ${TIME_MS / 1000} s`, 'is it under load, or does a command hang there?'),
        TIME_MS,
      );
      child.stdout.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > MOST_BYTES) {
          fail(`${host} sent more than ${MOST_BYTES / 2 ** 20} MiB`, 'a capture is a few MiB: is its shell start-up printing?');
        } else output.push(chunk);
      });
      child.stderr.on('data', (chunk: Buffer) => {
        errors = `${errors}${chunk.toString()}`.slice(-ERROR_BYTES);
      });
      child.on('error', (error: NodeJS.ErrnoException) => {
        ended(() =>
          reject(error.code === 'ENOENT' ? new SshError('the program `ssh` was not found', 'install the OpenSSH client') : error),
        );
      });
      child.on('close', (status) => {
        ended(() => resolve({ status: status ?? SSH_FAILED, output: Buffer.concat(output).toString(), errors }));
      });
      child.stdin.on('error', () => undefined);
      child.stdin.end(input);
    });
  }
}

/** The end of a long line tells most. */
function shortened(text: string): string {
  return text.length > MOST_WHY ? `...${text.slice(-MOST_WHY)}` : text;
}
