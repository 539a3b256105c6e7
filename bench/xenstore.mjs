// `npm run bench:xenstore`: our server beside both of Debian's daemons, in one run, as ratios.
// Needs what test:xenstore needs, and gcc.
//   --seconds N  of each measurement (default 1)
//   --rounds N   of which the median counts (default 3)
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { connectXenstore } from '../dist/xenstore.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({ options: { seconds: { type: 'string', default: '1' }, rounds: { type: 'string', default: '3' } } });
const rig = join(root, 'rig/xenstored/run.sh');
const work = mkdtempSync(join(tmpdir(), 'xennuma-bench-'));
const load = join(work, 'load');
const must = (command, args) => {
  const run = spawnSync(command, args, { encoding: 'utf8', timeout: 60_000 });
  if (run.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${run.stderr}`);
  return run.stdout;
};
must('gcc', ['-O2', '-o', load, join(root, 'bench/xenstore-load.c')]);
const ours = (personality) => [process.execPath, [join(root, 'dist/xennuma.js'), 'xenstored', '--personality', personality, '--socket']];
const DAEMONS = [
  { name: 'C xenstored', command: [rig, ['xenstored']], socket: (folder) => folder },
  { name: 'oxenstored', command: [rig, ['oxenstored']], socket: (folder) => folder },
  { name: 'ours as xenstored', command: ours('xenstored'), socket: (folder) => join(folder, 'socket') },
  { name: 'ours as oxenstored', command: ours('oxenstored'), socket: (folder) => join(folder, 'socket') },
];

const children = [];
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(work, { recursive: true, force: true });
});

async function start({ name, command: [file, args], socket }, at) {
  const folder = mkdtempSync(join(work, `d${at}-`));
  const child = spawn(file, [...args, socket(folder)], { stdio: ['ignore', 'ignore', 'pipe'] });
  children.push(child);
  const path = join(folder, 'socket');
  for (let tries = 0; tries < 200 && !existsSync(path); tries++) await delay(50);
  await delay(300);
  must(load, [path, 'setup', '1', '1', '1']);
  return { name, path, child };
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
const daemons = [];
for (const [at, daemon] of DAEMONS.entries()) daemons.push(await start(daemon, at));

console.log(
  `operations a second, median of ${values.rounds} rounds of ${values.seconds} s; in brackets the median time of one in microseconds`,
);
console.log(
  `${'operation, connections x in flight'.padEnd(36)}${daemons.map(({ name }) => name.padStart(24)).join('')}   C / ours  ox / ours-ox: how many times as fast we are, by the median times`,
);
const table = [];
for (const operation of ['read', 'write', 'directory', 'transaction', 'fanout']) {
  for (const connections of [1, 16]) {
    for (const flight of [1, 16]) {
      const results = daemons.map(() => []);
      for (let round = 0; round < Number(values.rounds); round++) {
        for (const [at, { path }] of daemons.entries()) {
          results[at].push(JSON.parse(must(load, [path, operation, String(connections), String(flight), values.seconds])));
        }
      }
      const rates = results.map((all) => median(all.map(({ perSecond }) => perSecond)));
      const medians = results.map((all) => median(all.map(({ medianUs }) => medianUs)));
      const cells = rates.map((rate, at) => `${rate} (${medians[at].toFixed(1)})`.padStart(24)).join('');
      // Of the times: on a machine that does other things as well the rates say less.
      const ratios = [medians[0] / medians[2], medians[1] / medians[3]];
      table.push({ operation, connections, flight, ratios });
      console.log(
        `${`${operation} ${connections} x ${flight}`.padEnd(36)}${cells}${ratios.map((ratio) => ratio.toFixed(2).padStart(11)).join('')}`,
      );
    }
  }
}
for (const at of [2, 3]) {
  const { name, path } = daemons[at];
  const xs = await connectXenstore({ path });
  const rate = () => median([1, 2, 3].map(() => JSON.parse(must(load, [path, 'read', '16', '16', values.seconds])).perSecond));
  const small = rate();
  for (let domid = 1000; domid < 2000; domid++) {
    await Promise.all(Array.from({ length: 100 }, (_, key) => xs.write(`/local/domain/${domid}/d/key-${key}`, `value-${key}`)));
  }
  const large = rate();
  const idle = await Promise.all(Array.from({ length: 1000 }, () => connectXenstore({ path })));
  console.log(
    `${name}: reads 16 x 16 alone ${small}/s, with 1,000 domains x 100 keys ${large}/s, and with 1,000 idle clients as well ${rate()}/s`,
  );
  for (const client of idle) await client.close();
  await xs.close();
}
console.log(must(process.execPath, ['--expose-gc', join(root, 'bench/xenstore-memory.mjs')]).trimEnd());
process.exit(0);
