import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startOurs } from '../xenstore/daemons.js';
import { removeTemporaryFolders } from './temporary.js';

it('the folder of a daemon goes with its test file', async () => {
  const daemon = await startOurs('xenstored');
  writeFileSync(join(daemon.folder, 'left'), '');
  await daemon.stop();
  removeTemporaryFolders();
  expect(existsSync(daemon.folder)).toBe(false);
});
