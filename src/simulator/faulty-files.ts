// The file system under the audit log, and the file of users: in memory, with faults, and as
// durable across the daemon's lives as a disk.
import { InputError } from '../base/errors.js';
import type { FileCalls } from '../base/file-calls.js';
import type { UsersFileReads } from '../xapi/calls/users-file.js';
import type { Faults, Life } from './faults.js';

/** Files by path, as text. */
export type Files = Map<string, string>;

export function faultyFiles(files: Files, faults: Faults, life: Life): FileCalls {
  const open = new Map<number, string>();
  let last = 2;
  const none = (): never => {
    throw new Error('the simulated files have no such call');
  };
  return {
    open(path) {
      life.enter();
      const code = faults.write();
      // An existing file can be opened on a full disk.
      if (code !== null && (code !== 'ENOSPC' || !files.has(path))) throw failure(code);
      if (!files.has(path)) files.set(path, '');
      open.set(++last, path);
      return last;
    },
    write(fd, bytes) {
      life.enter();
      const code = faults.write();
      // A disk that fills up takes the first part.
      const taken = code === 'ENOSPC' ? bytes.length >> 1 : bytes.length;
      if (code !== null && taken !== bytes.length >> 1) throw failure(code);
      if (taken === 0) throw failure(code!);
      const path = open.get(fd)!;
      files.set(path, files.get(path)! + Buffer.from(bytes.subarray(0, taken)).toString('latin1'));
      return taken;
    },
    size: (fd) => files.get(open.get(fd)!)!.length,
    kind: () => ({ isFile: true, uid: 0, mode: 0o100600, dev: 1, ino: 1, links: 1 }),
    named: none,
    close(fd) {
      open.delete(fd);
    },
    sync: none,
    dataSync: none,
    truncate: none,
    rename: none,
    unlink: none,
  };
}

export type UsersFileState = 'both' | 'without the reader' | 'spoilt';

/** The file of users as an administrator leaves it. */
export class UsersFile {
  readonly #admin: string;
  readonly #reader: string;
  #state: UsersFileState = 'both';
  #version = 0;

  /** Lines of the file. */
  constructor(admin: string, reader: string) {
    this.#admin = admin;
    this.#reader = reader;
  }

  get state(): UsersFileState {
    return this.#state;
  }

  leave(state: UsersFileState): void {
    this.#state = state;
    this.#version++;
  }

  #text(): string {
    if (this.#state === 'without the reader') return this.#admin;
    return `${this.#admin}\n${this.#state === 'both' ? this.#reader : this.#reader.slice(0, 20)}`;
  }

  reads(faults: Faults): UsersFileReads {
    const enter = (): void => {
      const code = faults.next(['EACCES', 'EIO', 'ENOENT'] as const);
      if (code !== null) throw failure(code);
    };
    return {
      exists: () => true,
      stamp: () => {
        enter();
        return String(this.#version);
      },
      read: (file) => {
        if (faults.next(['EMFILE']) !== null)
          throw new InputError('the file of users cannot be read: EMFILE', { file }, 'give it to this user');
        return this.#text();
      },
    };
  }
}

function failure(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code });
}
