// Before any test: dist/ as the sources are, so that tests start the command that users get. A
// build that fails fails those tests, not the ones beside the code.
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { built, root } from './xennuma.js';

export default function setup(): void {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/setup.mjs', '--build', '--quiet'], { cwd: root, encoding: 'utf8' });
  if (status === 0) return;
  rmSync(built, { force: true });
  console.error(`the build failed:\n${stderr}`);
}
