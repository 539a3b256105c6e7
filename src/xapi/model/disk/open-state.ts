// Opens the daemon's state: a folder through SQLite, whose native module is loaded then only, or
// memory.

import { InputError } from '../../../base/errors.js';
import { npmCommand } from '../../../base/own-package.js';
import { MemoryState, type StateStore } from '../storage.js';
import type { StateFolderOptions } from './sqlite.js';

/**
 * @param folder null = state in memory
 * @throws InputError for a folder that cannot be used, or without the native module
 */
export async function openState(folder: string | null, options: StateFolderOptions = {}): Promise<StateStore> {
  if (folder === null) return new MemoryState();
  const { StateFolder } = await import('./sqlite.js').catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    throw new InputError(
      `better-sqlite3 cannot be loaded: ${reason}`,
      {},
      `run ${npmCommand('install', 'better-sqlite3')}, or leave out --state to keep the state in memory`,
    );
  });
  return new StateFolder(folder, options);
}
