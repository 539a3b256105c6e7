// Pairs of get and set vCPU affinity a second on a real Xen, through openXenctrl and the libxencall door: the same as pairs.c does.
//   node pairs.js SECONDS
import { openLibxencall } from '../../src/xenctrl/libxencall-door.js';
import { openXenctrl } from '../../src/xenctrl/open-xenctrl.js';

const BATCH = 20;
const seconds = Number(process.argv[2] ?? 3);
const door = await openLibxencall();
const xc = openXenctrl(door);
const run = (limitMs: number): number => {
  let pairs = 0;
  const start = performance.now();
  let end: number;
  do {
    for (let i = 0; i < BATCH; i++, pairs++) xc.vcpuSetAffinity(0, 0, { soft: xc.vcpuGetAffinity(0, 0).soft });
    end = performance.now();
  } while (end - start < limitMs);
  return (pairs / (end - start)) * 1000;
};
// Compiled code first: under emulation that takes a while.
run(seconds * 1000);
console.log(`xennuma ${run(seconds * 1000).toFixed(0)}`);
xc.close();
door.close();
