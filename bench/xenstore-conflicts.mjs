// `npm run bench:conflicts`: a guest writes to one node as fast as it is let, while domain 0
// commits transactions that read that node (XSA-206): both of Debian's daemons and ours, in turns
// in one run. Needs what test:xenstore needs.
//   --seconds N  of each measurement (default 3)
//   --rounds N   (default 3)
//   --flight N   requests of the guest under way (default 4)
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { connectXenstore } from '../dist/xenstore.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '3' },
    flight: { type: 'string', default: '4' },
  },
});
const [seconds, rounds, flight] = [Number(values.seconds), Number(values.rounds), Number(values.flight)];
const rig = join(root, 'rig/xenstored/run.sh');
const work = mkdtempSync(join(tmpdir(), 'xennuma-bench-'));
const GUEST = 1;

const ours = (personality) => ({
  name: `ours as ${personality}`,
  command: (folder) => [
    process.execPath,
    [join(root, 'dist/xennuma.js'), 'xenstored', '--personality', personality, '--socket', join(folder, 'socket')].concat(
      '--domain-sockets',
      join(folder, 'domains'),
    ),
  ],
  guest: (folder) => join(folder, 'domains', String(GUEST)),
});
const real = (name) => ({
  name: `Debian's ${name}`,
  command: (folder) => [rig, [name, folder]],
  guest: (folder) => join(folder, `guest-${GUEST}`),
});
const DAEMONS = [real('oxenstored'), ours('oxenstored'), real('xenstored'), ours('xenstored')];

const children = [];
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(work, { recursive: true, force: true });
});

async function start({ name, command, guest }) {
  const folder = mkdtempSync(join(work, 'd-'));
  if (name.startsWith('Debian')) {
    mkdirSync(join(folder, 'domains'));
    writeFileSync(join(folder, 'domains', String(GUEST)), '');
  }
  const [file, args] = command(folder);
  children.push(spawn(file, args, { stdio: 'ignore' }));
  const path = join(folder, 'socket');
  for (let tries = 0; tries < 200 && !existsSync(path); tries++) await delay(50);
  await delay(300);
  const dom0 = await connectXenstore({ path });
  await dom0.introduce(GUEST, 1n, 1);
  await dom0.write('/shared', '0');
  await dom0.setPermissions('/shared', [{ domid: GUEST, access: 'n' }]);
  for (let tries = 0; tries < 200 && !existsSync(guest(folder)); tries++) await delay(50);
  return { name, dom0, guest: await connectXenstore({ path: guest(folder) }) };
}

/** @returns what domain 0 and the guest did in the time */
async function measure({ dom0, guest }, hammers) {
  const end = performance.now() + seconds * 1000;
  const count = { commits: 0, conflicts: 0, writes: 0 };
  const hammer = async () => {
    for (let turn = 0; performance.now() < end; turn++) {
      await guest.write('/shared', String(turn));
      count.writes++;
    }
  };
  const commit = async () => {
    while (performance.now() < end) {
      const tx = await dom0.transactionStart();
      await dom0.read('/shared', tx);
      await dom0.write('/other', 'x', tx);
      try {
        await dom0.transactionEnd(tx, true);
        count.commits++;
      } catch (error) {
        if (error.errno !== 'EAGAIN') throw error;
        count.conflicts++;
      }
    }
  };
  await Promise.all([commit(), ...(hammers ? Array.from({ length: flight }, hammer) : [])]);
  return count;
}

const daemons = [];
for (const daemon of DAEMONS) daemons.push(await start(daemon));
const sums = daemons.map(() => ({ alone: 0, commits: 0, conflicts: 0, writes: 0 }));
// Once without counting: the first second of each is not like the others.
for (const daemon of daemons) await measure(daemon, false);
for (let round = 0; round < rounds; round++) {
  for (const [at, daemon] of daemons.entries()) {
    sums[at].alone += (await measure(daemon, false)).commits;
    const count = await measure(daemon, true);
    for (const name of ['commits', 'conflicts', 'writes']) sums[at][name] += count[name];
    // Credit comes back.
    await delay(1000);
  }
}
const rate = (sum) => (sum / (rounds * seconds)).toFixed(sum / (rounds * seconds) < 100 ? 1 : 0).padStart(18);
console.log(`a second, mean of ${rounds} rounds of ${seconds} s; the guest has ${flight} writes under way`);
console.log(`${''.padEnd(22)}${['commits, alone', 'commits', 'EAGAIN', 'guest writes'].map((name) => name.padStart(18)).join('')}`);
for (const [at, { name }] of daemons.entries()) {
  const { alone, commits, conflicts, writes } = sums[at];
  console.log(`${name.padEnd(22)}${[alone, commits, conflicts, writes].map(rate).join('')}`);
}
process.exit(0);
