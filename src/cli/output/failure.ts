// From an error to one line on stderr and an exit code; a stack trace only with XENNUMA_DEBUG=1.

import { InputError, UnreachableError, XenError } from '../../base/errors.js';
import { npmCommand } from '../../base/own-package.js';
import { EXIT } from './exit-codes.js';

/** Native code that an installation may lack (optionalDependencies of package.json). */
const OPTIONAL_PACKAGES = ['better-sqlite3', 'koffi'];

/** Prints the error in one line. @returns the exit code */
export function reportFailure(error: unknown): number {
  const [line, code] = describe(error);
  if (line !== '') process.stderr.write(`xennuma: ${line.replace(/\s*\n\s*/g, ' ')}\n`);
  if (process.env.XENNUMA_DEBUG === '1' && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`);
  return code;
}

function describe(error: unknown): [string, number] {
  if (error instanceof InputError) return [error.toString(), EXIT.input];
  if (error instanceof UnreachableError) return [`${error.message}; ${error.mend}`, EXIT.unreachable];
  if (error instanceof XenError) return [`Xen refused: ${error.message}`, EXIT.no];
  if (!(error instanceof Error)) return [String(error), EXIT.fault];
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (code.startsWith('commander.')) {
    const { exitCode, message } = error as Error & { exitCode: number };
    // Requested help is not an error; commander has printed it.
    if (exitCode === 0) return ['', EXIT.ok];
    if (code === 'commander.help') return ['', EXIT.input];
    return [`${message.replace(/^error: /, '')}; see xennuma help`, EXIT.input];
  }
  const missing = OPTIONAL_PACKAGES.find((name) => code === 'ERR_MODULE_NOT_FOUND' && error.message.includes(`'${name}'`));
  if (missing !== undefined) return [`this command needs the package ${missing}; ${npmCommand('install', missing)}`, EXIT.unreachable];
  return [`${error.message}; this is a fault of xennuma: XENNUMA_DEBUG=1 shows where`, EXIT.fault];
}
