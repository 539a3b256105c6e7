// An unpacked archive: a folder with captures or status reports.
import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../../../base/errors.js';
import type { InputText } from '../../../machine/readers/input-text.js';
import { ARCHIVE_LIMITS, Collection } from './archive.js';

/** Like readArchive, for an unpacked folder. Symbolic links are not followed. */
export async function readFolder(folder: string): Promise<InputText[]> {
  const found = new Collection(folder, ARCHIVE_LIMITS);
  const visit = async (path: string): Promise<void> => {
    for (const name of (await readdir(path)).sort()) {
      const full = join(path, name);
      const info = await lstat(full);
      if (info.isDirectory()) await visit(full);
      else if (info.isFile()) {
        const entry = found.entry(full);
        entry.add(await readFile(full));
        entry.end();
      }
    }
  };
  await visit(folder);
  const texts = found.ordered();
  if (texts.length === 0)
    throw new InputError('expected the output of Xen tools in the folder, found none', { file: folder }, 'is it a status report?');
  return texts;
}
