#!/usr/bin/env node
// The start of the command. It imports next to nothing beforehand: where few descriptors are
// allowed, somebody must be there to say so.
import { loadBundle } from '../base/files/load-bundle.js';

/** EXIT.input. */
const TOO_FEW = 2;

try {
  const { main } = loadBundle(new URL('./command.cjs', import.meta.url)).exports as typeof import('./main.js');
  // The code is set instead of calling exit, so that buffered output is still written.
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if ((error as NodeJS.ErrnoException).code !== 'EMFILE') throw error;
  process.stderr.write('xennuma: there are too few file descriptors; allow 1024: ulimit -n 1024, or LimitNOFILE of the service\n');
  process.exitCode = TOO_FEW;
}
