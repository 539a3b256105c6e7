// Starts the built command as a user does.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));
/** There when dist/ is as the sources are. */
export const built = `${root}dist/.built`;

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export function xennuma(words: readonly string[], options: { input?: string; env?: Record<string, string>; cwd?: string } = {}): Ended {
  if (!existsSync(built)) throw new Error('the command was not built; see above, or run npm run build');
  const { NO_COLOR: _no, FORCE_COLOR: _force, XENNUMA_DEBUG: _debug, COLUMNS: _columns, ...env } = process.env;
  const ended = spawnSync(process.execPath, [`${root}/dist/xennuma.js`, ...words], {
    cwd: options.cwd ?? root,
    encoding: 'utf8',
    input: options.input ?? '',
    env: { ...env, ...options.env },
    maxBuffer: 256 * 1024 * 1024,
  });
  return { code: ended.status, out: ended.stdout, err: ended.stderr };
}
