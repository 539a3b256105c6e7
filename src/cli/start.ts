#!/usr/bin/env node
// The start of the command. It imports nothing beforehand: Node opens all files of an import at
// once, and where few descriptors are allowed nobody could say so.

/** EXIT.input. */
const TOO_FEW = 2;

try {
  const { main } = await import('./main.js');
  // The code is set instead of calling exit, so that buffered output is still written.
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if ((error as NodeJS.ErrnoException).code !== 'EMFILE') throw error;
  process.stderr.write('xennuma: there are too few file descriptors; allow 1024: ulimit -n 1024, or LimitNOFILE of the service\n');
  process.exitCode = TOO_FEW;
}
