// The pictures of the page in docs/pictures/, taken in Debian's Chromium (CHROMIUM names another).
//   node scripts/page-pictures.mjs
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
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
try {
  for (const [name, words, view, colorScheme, awaited] of PICTURES) {
    const file = join(folder, `${name}.html`);
    const { status } = spawnSync(process.execPath, ['dist/xennuma.js', 'show', ...words, '--html', file], {
      cwd: root,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    if (status !== 0) throw new Error(`show ended with ${status}`);
    const page = await browser.newPage({ viewport: { width: 1200, height: 800 }, colorScheme });
    await page.goto(pathToFileURL(file).href + view);
    await page.locator(awaited).waitFor();
    // The plan of what was typed last.
    await page.locator('.stale').waitFor({ state: 'detached' });
    await page.screenshot({ path: join(root, 'docs/pictures', `${name}.png`), fullPage: true });
  }
} finally {
  await browser.close();
  rmSync(folder, { recursive: true });
}
