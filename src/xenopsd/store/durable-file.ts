// Files that are replaced as a whole: a kill or a full disk at any moment leaves the old one or the
// new one.
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** What a killed process had not finished writing ends so. */
export const UNFINISHED = '.new';

/** What is used of an open file. */
export interface OpenFile {
  writeFile(text: string): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** The file system's calls, as an interface: tests make each of them fail in turn. */
export interface DurableCalls {
  open(path: string, flags: string, mode?: number): Promise<OpenFile>;
  rename(from: string, to: string): Promise<void>;
  /** What is not there is fine. */
  remove(path: string): Promise<void>;
}

export const DURABLE_CALLS: DurableCalls = { open, rename, remove: (path) => rm(path, { force: true }) };

/** Durable when it resolves. When it rejects, the earlier file is as it was. */
export async function replaceFile(path: string, text: string, calls: DurableCalls): Promise<void> {
  const unfinished = `${path}${UNFINISHED}`;
  // One that is there was left by a process that was killed, or planted: a link is not followed.
  await calls.remove(unfinished);
  const file = await calls.open(unfinished, 'wx', 0o600);
  try {
    try {
      await file.writeFile(`${text}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await calls.rename(unfinished, path);
  } catch (error) {
    await calls.remove(unfinished).catch(() => {});
    throw error;
  }
  await syncFolder(dirname(path), calls);
}

/** When it rejects, those that were not removed are as they were. */
export async function removeFiles(paths: readonly string[], calls: DurableCalls): Promise<void> {
  await Promise.all(paths.map((path) => calls.remove(path)));
  for (const folder of new Set(paths.map((path) => dirname(path)))) await syncFolder(folder, calls);
}

/**
 * A rename is durable when its folder is. The file is in its place already: to refuse the change
 * now would let a refused one come true.
 */
async function syncFolder(path: string, calls: DurableCalls): Promise<void> {
  try {
    const folder = await calls.open(path, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  } catch {
    // Nothing to undo.
  }
}

/**
 * As mkdir's own recursion, which never ends in a file system that answers ENOENT under a folder
 * that exists, as /proc does.
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return;
    if (code !== 'ENOENT' || dirname(path) === path) throw error;
    await makeFolder(dirname(path));
    await mkdir(path, { mode: 0o700 });
  }
}
