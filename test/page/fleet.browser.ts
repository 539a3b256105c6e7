// The list of hosts: of a fleet, and of a page with several hosts.
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fleetPageData } from '../../src/cli/answers/fleet/fleet-page.js';
import type { ShownHost } from '../../src/cli/answers/fleet/shown-hosts.js';
import { pageData } from '../../src/page/page-data.js';
import { pageAssets, pageFile } from '../../src/page/page-file.js';
import { profileOf } from '../../src/xenopsd/api/profiles.js';
import { HOSTILE_NAMES, hostMaps } from '../support/random-maps.js';
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

const node = { memoryMib: 65_536, freeMib: 20_000, cores: 16, vcpus: 8 };
const fleet = (count: number): ShownHost[] =>
  Array.from({ length: count }, (_, at) => ({
    ...{ host: `xen-${at}`, state: at === 7 ? 'away' : 'up', answers: at !== 7, nodes: [node, node] },
    ...{ vms: at % 20, drifted: at === 30 ? 4 : 0, claims: 0, draining: false, watched: false, runs: 'Xen 4.17' },
    ...{ undecided: 0, cpuPercent: null },
    tags: [at % 2 === 0 ? 'nvme' : HOSTILE_NAMES[at % HOSTILE_NAMES.length]!],
  }));
function written(count: number): string {
  const file = join(folder, 'fleet.html');
  writeFileSync(file, pageFile(fleetPageData(fleet(count)), pageAssets()));
  return pathToFileURL(file).href;
}
const hosts = async (page: Page): Promise<string[]> => (await page.locator('#hosts tbody th').allTextContents()).map((name) => name.trim());

it('of 300 hosts names the worst first, is searched, filtered and sorted by keyboard, and keeps that in its address', async () => {
  const { page, faults } = await openPage(browser, written(300));
  await expect
    .poll(() => page.locator('.sentence').textContent())
    .toBe('1 of 300 hosts has VMs away from their memory; 1 does not answer.');
  expect((await hosts(page)).slice(0, 3)).toEqual(['xen-7', 'xen-30', 'xen-0']);
  // Only the rows in sight exist.
  expect((await hosts(page)).length).toBeLessThan(100);
  await page.getByRole('searchbox', { name: 'Search hosts' }).focus();
  await page.keyboard.type('xen-1 nvme');
  await expect.poll(() => page.getByRole('status').allTextContents()).toContain('55 of 300 hosts');
  await page.getByRole('columnheader', { name: 'VMs' }).getByRole('button').focus();
  await page.keyboard.press('Enter');
  const sorted = await hosts(page);
  expect(sorted[0]).toBe('xen-18');
  await page.reload();
  await expect.poll(() => hosts(page)).toEqual(sorted);
  await page.getByRole('searchbox', { name: 'Search hosts' }).fill('');
  await page.getByLabel('Show').selectOption('look');
  await expect.poll(async () => (await hosts(page)).sort()).toEqual(['xen-30', 'xen-7']);
  await page.getByLabel('Show').selectOption('');
  expect(await page.evaluate('globalThis.harmed')).toBeUndefined();
  await expectAccessible(page);
  expect(faults).toEqual([]);
  await page.context().close();
});

it('of 10,000 hosts is one file below 700 KB', async () => {
  const address = written(10_000);
  expect(statSync(join(folder, 'fleet.html')).size).toBeLessThan(700_000);
  const { page, faults } = await openPage(browser, address);
  await expect.poll(() => page.locator('.sentence').textContent(), { timeout: 30_000 }).toContain('of 10000 hosts');
  await page.locator('#hosts').evaluate((element) => element.scrollTo(0, element.scrollHeight));
  await expect.poll(async () => (await hosts(page)).at(-1)).toBe('xen-9999');
  expect(faults).toEqual([]);
  await page.context().close();
});

it('of a page with several hosts opens first, leads to each, and the address knows where', async () => {
  const maps = fc.sample(hostMaps({ nodesMost: 4 }), { seed: 5, numRuns: 3 }).map((map, at) => ({ ...map, name: `host-${at}` }));
  const inputs = maps.map((map) => ({ map, notes: [], profile: profileOf('xapi-25.6'), policy: 'best_effort' as const }));
  const file = join(folder, 'several.html');
  writeFileSync(file, pageFile(pageData('file', '1', null, inputs), pageAssets()));
  const { page, faults } = await openPage(browser, pathToFileURL(file).href);
  await expect.poll(async () => (await hosts(page)).sort()).toEqual(['host-0', 'host-1', 'host-2']);
  expect(await page.locator('nav [aria-current=page]').textContent()).toBe('All hosts');
  await expectAccessible(page);
  for (const at of [1, 0]) {
    await page.getByRole('button', { name: `host-${at}`, exact: true }).click();
    await expect.poll(() => page.locator('#host-name').textContent()).toBe(`host-${at}`);
    await page.reload();
    await expect.poll(() => page.locator('#host-name').textContent()).toBe(`host-${at}`);
    await page.getByRole('button', { name: 'All hosts' }).click();
  }
  expect(faults).toEqual([]);
  await page.context().close();
});
