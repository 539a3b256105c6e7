// Loads a bundle that the build made of a whole program, with the bytecode that it kept for it.
// Reading one file and its bytecode takes half of the time that the same program takes as a
// hundred modules, and on a slow machine, an emulated dom0 for one, a third.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Script } from 'node:vm';

/** The end of the name of the file that holds a bundle's bytecode. */
export const BYTECODE = '.bytecode';

const loaded = new Map<string, LoadedBundle>();

export interface LoadedBundle {
  readonly exports: unknown;
  /** The bytecode of the functions that have run until now: for the build. */
  bytecode(): Buffer;
  /** Whether the kept bytecode was used. */
  readonly compiled: boolean;
}

/**
 * @param bundle a file in ASCII whose value is a function of exports, require, module and what
 *   import.meta.url is (scripts/build.mjs). It is loaded once, like a module. Bytecode of another
 *   V8, or made with other flags, is left alone: the bundle is compiled then. Throws what
 *   readFileSync throws (EMFILE), and what the bundle throws
 */
export function loadBundle(bundle: URL): LoadedBundle {
  const filename = fileURLToPath(bundle);
  const before = loaded.get(filename);
  if (before !== undefined) return before;
  const cachedData = bytecodeOf(filename);
  const script = new Script(readFileSync(filename, 'latin1'), {
    filename,
    ...(cachedData && { cachedData }),
  });
  const module: { exports: unknown } = { exports: {} };
  script.runInThisContext()(module.exports, createRequire(filename), module, pathToFileURL(filename).href);
  const found: LoadedBundle = {
    exports: module.exports,
    bytecode: () => script.createCachedData(),
    compiled: cachedData !== undefined && script.cachedDataRejected === false,
  };
  loaded.set(filename, found);
  return found;
}

/** A package from npm has none, as it does not know on which Node it will run. */
function bytecodeOf(filename: string): Buffer | undefined {
  try {
    return readFileSync(`${filename}${BYTECODE}`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
