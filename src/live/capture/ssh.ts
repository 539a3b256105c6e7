// Runs a script on another host with the system's own ssh, and so with the user's config, agent and
// jump hosts. One connection serves a whole command.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InputError } from '../../base/errors.js';
import { harmless } from '../../base/safe-text.js';

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

  private constructor(target: SshTarget, folder: string) {
    this.#target = target;
    this.#folder = folder;
  }

  static async open(target: SshTarget): Promise<SshHost> {
    // Private to this user: anyone who can open the control socket is logged in.
    return new SshHost(target, await mkdtemp(join(tmpdir(), 'xennuma-ssh-')));
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
    const why = harmless(errors.trim().split('\n').at(-1) ?? '');
    if (status !== SSH_FAILED) return { status, output, why };
    throw new SshError(
      `${this.#target.host} cannot be reached by ssh${why === '' ? '' : `: ${why}`}`,
      `run \`ssh ${this.#shown()} true\`, and fix the problem that it reports`,
    );
  }

  async close(): Promise<void> {
    await this.#ssh([], '', ['-O', 'exit']).catch(() => undefined);
    await rm(this.#folder, { recursive: true, force: true });
  }

  #shown(): string {
    const { user, host, port } = this.#target;
    return `${port === undefined ? '' : `-p ${port} `}${user === undefined ? '' : `${user}@`}${host}`;
  }

  #ssh(
    command: readonly string[],
    input: string,
    control: readonly string[] = [],
  ): Promise<{ status: number; output: string; errors: string }> {
    const { user, host, port } = this.#target;
    const words = [
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
    return new Promise((resolve, reject) => {
      const child = spawn('ssh', words, { stdio: ['pipe', 'pipe', 'pipe'] });
      const output: Buffer[] = [];
      let [bytes, errors] = [0, ''];
      const fail = (error: SshError) => {
        child.kill();
        reject(error);
      };
      const timer = setTimeout(
        () => fail(new SshError(`${host} did not answer within ${TIME_MS / 1000} s`, 'is it under load, or does a command hang there?')),
        TIME_MS,
      );
      child.stdout.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > MOST_BYTES)
          fail(
            new SshError(`${host} sent more than ${MOST_BYTES / 2 ** 20} MiB`, 'a capture is a few MiB: is its shell start-up printing?'),
          );
        else output.push(chunk);
      });
      child.stderr.on('data', (chunk: Buffer) => {
        errors = `${errors}${chunk.toString()}`.slice(-ERROR_BYTES);
      });
      child.on('error', (error: NodeJS.ErrnoException) => {
        clearTimeout(timer);
        reject(error.code === 'ENOENT' ? new SshError('the program `ssh` was not found', 'install the OpenSSH client') : error);
      });
      child.on('close', (status) => {
        clearTimeout(timer);
        resolve({ status: status ?? SSH_FAILED, output: Buffer.concat(output).toString(), errors });
      });
      child.stdin.on('error', () => undefined);
      child.stdin.end(input);
    });
  }
}
