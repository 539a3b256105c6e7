// Before any test: builds dist/ from the sources, so that tests start the command that users get. A
// failed build fails those tests, not the ones next to the code.
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { built, root } from './xennuma.js';

export default function setup(): void {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/setup.mjs', '--build', '--quiet'], { cwd: root, encoding: 'utf8' });
  if (status === 0) return;
  rmSync(built, { force: true });
  console.error(`the build failed:\n${stderr}`);
}
