// Runs the built command as a user does.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { WarmCommand } from '../scripts/warm/command.mjs';

export const root = fileURLToPath(new URL('..', import.meta.url));
/** There when dist/ is as the sources are. */
export const built = `${root}dist/.built`;

export interface CommandResult {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

let warm: WarmCommand | undefined;

/** The command, in a process that runs one command after the other: starts of Node take long. */
export function xennuma(words: readonly string[], options: RunOptions = {}): CommandResult {
  warm ??= new WarmCommand();
  return warm.run(words, { cwd: root, ...options, env: environment(options) });
}

/** The command in a process of its own, for what only that shows. */
export function xennumaProcess(words: readonly string[], options: RunOptions = {}): CommandResult {
  const ended = spawnSync(process.execPath, [`${root}/dist/xennuma.js`, ...words], {
    cwd: options.cwd ?? root,
    encoding: 'utf8',
    input: options.input ?? '',
    env: environment(options),
    maxBuffer: 256 * 1024 * 1024,
  });
  return { code: ended.status, out: ended.stdout, err: ended.stderr };
}

function environment(options: RunOptions): NodeJS.ProcessEnv {
  if (!existsSync(built)) throw new Error('the command was not built; see above, or run npm run build');
  const { NO_COLOR: _no, FORCE_COLOR: _force, XENNUMA_DEBUG: _debug, COLUMNS: _columns, ...env } = process.env;
  return { ...env, ...options.env };
}
