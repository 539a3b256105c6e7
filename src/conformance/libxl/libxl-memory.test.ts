// The recorded cases are outside of the checkout; without them this test is skipped.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { createLibxlMemoryPlayer } from './libxl-memory.js';

const RECORDED = fileURLToPath(new URL('../../../../shared/vectors/libxl-memory.jsonl.gz', import.meta.url));

it.skipIf(!existsSync(RECORDED))('agrees with libxl on every recorded guest', async () => {
  const player = createLibxlMemoryPlayer();
  const lines = gunzipSync(readFileSync(RECORDED)).toString().trim().split('\n');
  expect(lines.length).toBeGreaterThanOrEqual(200);
  for (const line of lines) expect(await player.check(JSON.parse(line)), line).toEqual([]);
});

it('says where an answer differs, and refuses what is no case', async () => {
  const player = createLibxlMemoryPlayer();
  const guest = { kind: 'hvm', vcpus: 8, memoryMiB: 64, maxmemMiB: 64 };
  const answers = { placementNeedsKib: 77_824, maxMemKib: 66_560, pagingPoolKib: 8448 };
  expect(await player.play(guest)).toEqual({ ...guest, ...answers });
  expect(await player.check({ ...guest, ...answers, pagingPoolKib: 8449 })).toEqual(['pagingPoolKib: recorded 8449, here 8448']);
  expect(() => player.play({ ...guest, vcpus: 0 })).toThrow('Too small');
});
