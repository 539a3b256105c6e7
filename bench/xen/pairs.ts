// Pairs of get and set vCPU affinity a second on a real Xen: openXenctrl over the libxencall door
// beside C over libxenctrl and C over bare libxencall (pairs.c), in turn and in small portions, so
// that whatever else the machine does weighs on all of them. node bench-xen.js PAIRS-PROGRAM
// [ROUNDS]
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { openLibxencall } from '../../src/xenctrl/doors/libxencall-door.js';
import { openXenctrl } from '../../src/xenctrl/open-xenctrl.js';

const PORTION_PAIRS = 100;
/** V8 compiles what runs often: under emulation that takes a while. */
const WARM_UP_PAIRS = 6000;

const [program, rounds] = [process.argv[2]!, Number(process.argv[3] ?? 40)];
const door = await openLibxencall();
const xc = openXenctrl(door);
const idle = xc.domainCreate({ domid: 0, kind: 'pv', maxVcpus: 1, uuid: new Uint8Array(16).fill(0xbe) });
xc.domainMaxVcpus(idle, 1);
const inC = spawn(program, [], { stdio: ['pipe', 'pipe', 'inherit'] });
const answers = createInterface({ input: inC.stdout })[Symbol.asyncIterator]();

async function secondsInC(who: string, domid: number): Promise<number> {
  inC.stdin.write(`${who} ${domid} ${PORTION_PAIRS}\n`);
  return Number((await answers.next()).value);
}

function secondsHere(domid: number, pairs: number): number {
  const start = performance.now();
  for (let i = 0; i < pairs; i++) xc.vcpuSetAffinity(domid, 0, { soft: xc.vcpuGetAffinity(domid, 0).soft });
  return (performance.now() - start) / 1000;
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >>> 1]!;

async function measure(what: string, domid: number): Promise<void> {
  const taken = { xennuma: [] as number[], libxenctrl: [] as number[], libxencall: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    taken.libxenctrl.push(await secondsInC('xenctrl', domid));
    taken.xennuma.push(secondsHere(domid, PORTION_PAIRS));
    taken.libxencall.push(await secondsInC('xencall', domid));
  }
  for (const [who, seconds] of Object.entries(taken)) {
    const pairs = (PORTION_PAIRS / median(seconds)).toFixed(0);
    console.log(`${what}: ${who.padEnd(10)} ${pairs.padStart(7)} pairs of get and set a second`);
  }
  const ratio = median(taken.xennuma.map((seconds, round) => seconds / taken.libxenctrl[round]!));
  console.log(`${what}: libxenctrl's C is ${ratio.toFixed(2)} times as fast as xennuma`);
}

try {
  secondsHere(idle, WARM_UP_PAIRS);
  await measure('a domain that does not run', idle);
  // Xen waits for a vCPU that runs on another CPU than the caller: what is measured here is mostly
  // that.
  await measure("Domain-0's vCPU 0, which runs", 0);
} finally {
  inC.stdin.end();
  xc.domainDestroy(idle);
  xc.close();
  door.close();
}
