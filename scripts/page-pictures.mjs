// The pictures of the page in docs/pictures/, taken in Debian's Chromium (CHROMIUM names another).
//   node scripts/page-pictures.mjs
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';

const root = fileURLToPath(new URL('..', import.meta.url));
const SCATTERED = ['--scenario', 'examples/scenarios/scattered.yaml'];
const DOZEN = ['--host', 'examples/hosts/epyc-7763-nps4.yaml', '--vms', 'examples/vms/dozen.yaml'];
const PLAN = JSON.stringify({ policy: 'best_effort', masks: { 'web-1': '16,17;18,19' } });
/** Name of the picture, what is shown, the view, the colours, and what must be there. */
const PICTURES = [
  ['page', SCATTERED, '#vm=1', 'light', '#vms'],
  ['page-why', [...DOZEN, '--policy', 'best_effort'], '#view=why&vm=8&step=5', 'light', '.steps'],
  ['page-plan', [...DOZEN, '--policy', 'any'], `#view=plan&change=${encodeURIComponent(PLAN)}&edit=web-1`, 'dark', '#beside-title'],
];

const folder = mkdtempSync(join(tmpdir(), 'xennuma-pictures-'));
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });

async function picture(name, address, colorScheme, awaited, fullPage = true) {
  const page = await browser.newPage({ viewport: { width: 1200, height: 800 }, colorScheme });
  page.setDefaultTimeout(120_000);
  await page.goto(address);
  await page.locator(awaited).first().waitFor();
  // The plan of what was typed last.
  await page.locator('.stale').waitFor({ state: 'detached' });
  await page.screenshot({ path: join(root, 'docs/pictures', `${name}.png`), fullPage });
  await page.close();
}

function xennuma(...words) {
  const { status, stdout } = spawnSync(process.execPath, ['dist/xennuma.js', ...words], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`${words[0]} ended with ${status}`);
  return stdout.trim();
}

/** A VM of a daemon, with settings that are not saved. */
async function settingsPicture() {
  const daemon = spawn(
    process.execPath,
    ['dist/xennuma.js', 'serve', '--host', 'examples/hosts/two-nodes.yaml', '--listen', '127.0.0.1:0'],
    {
      cwd: root,
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  try {
    const [said] = await once(daemon.stdout, 'data');
    const port = /:(\d+)\n/.exec(String(said))[1];
    const xe = (...words) => xennuma('xe', '-s', '127.0.0.1', '-p', port, '-u', 'root', '-pw', '', ...words);
    const uuid = xe('vm-create', 'name-label=web-1', 'memory-static-max=2GiB', 'VCPUs-max=2', 'VCPUs-at-startup=2');
    const draft = JSON.stringify({ 'VCPUs-max': '4', 'VCPUs-params': { mask: '4,5,6,7' }, 'memory-static-max': '4GiB' });
    await picture(
      'page-settings',
      `http://127.0.0.1:${port}/#view=settings&of=${uuid}&draft=${encodeURIComponent(draft)}`,
      'light',
      '.changes code',
      false,
    );
  } finally {
    daemon.kill();
  }
}

/** Hosts of an invented fleet: its page needs no servers. */
async function fleetPicture() {
  const bundle = join(root, 'node_modules', `.pictures-${process.pid}.mjs`);
  const contents = ['cli/answers/fleet/fleet-page', 'page/page-file'].map((name) => `export * from './src/${name}.ts';`).join('\n');
  await build({
    ...{ absWorkingDir: root, stdin: { contents, resolveDir: root }, outfile: bundle, bundle: true, platform: 'node', format: 'esm' },
    ...{ packages: 'external', logLevel: 'error' },
  });
  try {
    const { fleetPageData, pageAssets, pageFile } = await import(pathToFileURL(bundle).href);
    const hosts = Array.from({ length: 14 }, (_, at) => ({
      host: `xen-${at + 1}`,
      ...{
        state: ['up', 'up', 'up', 'draining', 'up', 'up', 'away'][at % 7],
        answers: at % 7 !== 6,
        watched: false,
        draining: at % 7 === 3,
      },
      nodes: [0, 1].map((node) => ({ memoryMib: 131_072, freeMib: ((at * 37 + node * 61) % 90) * 1024, cores: 16, vcpus: 20 })),
      ...{ vms: 9 + ((at * 5) % 14), drifted: [0, 0, 3, 0, 1, 0, 0][at % 7], claims: at % 3, runs: at % 4 === 1 ? 'Xen 4.13' : 'Xen 4.17' },
      tags: at % 2 === 0 ? ['nvme', 'rack-1'] : ['rack-2'],
    }));
    const file = join(folder, 'fleet.html');
    writeFileSync(file, pageFile(fleetPageData(hosts), pageAssets()));
    await picture('page-fleet', pathToFileURL(file).href, 'light', '#hosts');
  } finally {
    rmSync(bundle);
  }
}

try {
  for (const [name, words, view, colorScheme, awaited] of PICTURES) {
    const file = join(folder, `${name}.html`);
    xennuma('show', ...words, '--html', file);
    await picture(name, pathToFileURL(file).href + view, colorScheme, awaited);
  }
  await settingsPicture();
  await fleetPicture();
} finally {
  await browser.close();
  rmSync(folder, { recursive: true });
}
