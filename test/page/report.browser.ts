// The pages of verify, compare, rebalance and replay: they open at what was found.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { xennuma } from '../xennuma.js';
import { expectAccessible, openBrowser, openPage } from './browser.js';

let browser: Browser;
const folder = mkdtempSync(join(tmpdir(), 'xennuma-page-'));
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(async () => {
  await browser.close();
  rmSync(folder, { recursive: true });
});

const DOZEN = ['--host', 'examples/hosts/epyc-7763-nps4.yaml', '--vms', 'examples/vms/dozen.yaml'];
const REPLAY = ['--generate', '60', '--nodes', '2', '--hosts', '3', '--policy', 'xapi-26.3,tight', '--moments', '6'];

const PAGES: readonly [string, readonly string[]][] = [
  ['Drift', ['verify', '--scenario', 'examples/scenarios/drift.yaml']],
  ['Compared', ['compare', ...DOZEN, '--profiles', 'xapi-25.6', '--bound']],
  ['Moves', ['rebalance', '--scenario', 'examples/scenarios/scattered.yaml']],
  ['Replay', ['replay', ...REPLAY]],
];

it.each(PAGES)('%s', async (name, words) => {
  const file = join(folder, `${name}.html`);
  expect(xennuma([...words, '--html', file]).err).toMatch(/^wrote /);
  const { page, faults } = await openPage(browser, pathToFileURL(file).href);
  await page.locator('#report-title').waitFor();
  expect(await page.locator('nav [aria-current=page]').textContent()).toBe(name);
  await expectAccessible(page);
  if (name !== 'Replay') {
    await page.getByRole('button', { name: 'Host', exact: true }).click();
    await page.locator('#vms').waitFor();
  }
  expect(faults).toEqual([]);
  await page.context().close();
});
