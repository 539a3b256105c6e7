// Sizes of the page: what a browser loads first, the worker, and one file with 1,000 VMs on 64
// nodes. Exit code 1 when one is past its bound. It reads dist/.
//   node scripts/page-sizes.mjs
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const root = fileURLToPath(new URL('..', import.meta.url));
const KB = 1000;
const packed = (...names) =>
  names.reduce((sum, name) => sum + gzipSync(readFileSync(join(root, 'dist/page', name)), { level: 9 }).length, 0);

function largeFile() {
  const folder = mkdtempSync(join(tmpdir(), 'xennuma-sizes-'));
  try {
    const nodes = Array.from({ length: 64 }, (_, id) => ({ memory: '256GiB', cpus: `${id * 64}-${id * 64 + 63}`, socket: id >> 3 }));
    const other = (from, to) => (from >> 3 === to >> 3 ? 12 : 21);
    const distance = (from, to) => (from === to ? 10 : other(from, to));
    const distances = nodes.map((_, from) => nodes.map((__, to) => distance(from, to)));
    const host = { name: 'large', nodes, smt: { threads: 2, numbering: 'adjacent' }, distances };
    const vms = [
      { name: 'web', vcpus: 4, memory: '8GiB', count: 700 },
      { name: 'db', vcpus: 8, memory: '24GiB', count: 250 },
      { name: 'wide', vcpus: 16, memory: '40GiB', count: 50 },
    ];
    // Earlier versions of xapi cannot start a VM on so many CPUs: its affinity keys are too long.
    writeFileSync(join(folder, 'host.json'), JSON.stringify(host));
    writeFileSync(join(folder, 'vms.json'), JSON.stringify({ vms }));
    const words = ['--host', 'host.json', '--vms', 'vms.json', '--profile', 'xapi-26.3', '--policy', 'best_effort', '--html', 'page.html'];
    const { status, stderr } = spawnSync(process.execPath, [join(root, 'dist/xennuma.js'), 'show', ...words], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`show ended with ${status}: ${stderr}`);
    return statSync(join(folder, 'page.html')).size;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const SIZES = [
  ['first view: script and style, gzip', packed('app.js', 'app.css'), 90],
  ['worker, gzip', packed('worker.js'), 170],
  ['reader of files, gzip', packed('reader.js'), 170],
  ['settings, gzip', packed('settings.js'), 20],
  ['one file, 1,000 VMs on 64 nodes', largeFile(), 700],
];
for (const [what, bytes, most] of SIZES) {
  const within = bytes <= most * KB;
  console.log(`${what}: ${Math.ceil(bytes / KB)} KB of ${most} KB${within ? '' : ': too large'}`);
  if (!within) process.exitCode = 1;
}
