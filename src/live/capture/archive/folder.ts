// An unpacked archive: a folder with captures or status reports. It may be any folder, with files
// that the kernel makes up.
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../../../base/errors.js';
import { readHead } from '../../../base/files/user-file.js';
import type { InputText } from '../../../machine/readers/input-text.js';
import { ARCHIVE_LIMITS, type ArchiveLimits, Collection } from './archive.js';

/**
 * Like readArchive, for an unpacked folder. Symbolic links are not followed.
 * @throws InputError also for a file or folder in it that this user may not read
 */
export async function readFolder(folder: string, limits: ArchiveLimits = ARCHIVE_LIMITS): Promise<InputText[]> {
  const found = new Collection(folder, limits, 'folder');
  const visit = async (path: string): Promise<void> => {
    for (const name of await namesIn(path)) {
      const full = join(path, name);
      const info = await lstat(full).catch(nullIfGone);
      if (info === null) continue;
      if (info.isDirectory()) {
        found.count();
        await visit(full);
      } else {
        const entry = found.entry(full);
        // Files that the kernel makes up, without end or without data, have no size.
        const head = info.isFile() && info.size > 0 ? readHead(full, limits.entryBytes) : null;
        if (head === null) continue;
        entry.add(head);
        entry.end();
      }
    }
  };
  await visit(folder);
  return found.ordered();
}

async function namesIn(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).sort();
  } catch (error) {
    if (nullIfGone(error) === null) return [];
    throw error;
  }
}

/** Processes end while their folders in /proc are read. @throws InputError for other errors */
function nullIfGone(error: unknown): null {
  const { code = '', message, path } = error as NodeJS.ErrnoException;
  if (['ENOENT', 'ENOTDIR', 'ESRCH'].includes(code)) return null;
  throw new InputError(`cannot be read: ${message}`, path === undefined ? {} : { file: path }, 'check its permissions, or leave it out');
}
