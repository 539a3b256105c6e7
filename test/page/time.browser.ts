// What happened on a daemon's host: the strip, scrubbing back, and the plots.
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { axeViolations, expectAccessible, openBrowser, openPage } from './browser.js';
import { Daemons } from './daemons.js';

let browser: Browser;
const daemons = new Daemons();
beforeAll(async () => {
  browser = await openBrowser();
});
afterEach(() => daemons.end());
afterAll(() => browser.close());

it('a VM that was stopped is seen again by scrubbing back, by keyboard, and the address keeps the moment', async () => {
  const daemon = await daemons.serve('--listen', '127.0.0.1:0');
  const { page, faults } = await openPage(browser, daemon.url);
  const uuid = daemons.create(daemon, 'shortlived');
  daemons.xe(daemon, 'vm-start', `uuid=${uuid}`);
  await expect.poll(() => page.locator('#vms').textContent(), { timeout: 30_000 }).toContain('shortlived');
  const strip = page.getByRole('slider', { name: 'Moment that is shown' });
  await expect.poll(() => page.locator('.timeline .legend').textContent(), { timeout: 30_000 }).toContain('1 start');
  daemons.xe(daemon, 'vm-shutdown', `uuid=${uuid}`, '--force');
  await expect.poll(() => page.locator('#vms').textContent(), { timeout: 30_000 }).not.toContain('shortlived');
  await expect.poll(() => page.locator('.timeline .legend').textContent(), { timeout: 30_000 }).toContain('1 stop');
  await strip.focus();
  await page.keyboard.press('ArrowLeft');
  await expect.poll(() => page.locator('#vms').textContent()).toContain('shortlived');
  expect(await page.locator('.badge').textContent()).toBe('past');
  expect(await page.locator('.timeline').textContent()).toContain('shortlived started.');
  expect(page.url()).toMatch(/at=\d+/);
  await page.reload();
  await expect.poll(() => page.locator('#vms').textContent()).toContain('shortlived');
  expect(await axeViolations(page)).toEqual([]);
  await page.getByRole('button', { name: 'Back to now' }).click();
  await expect.poll(() => page.locator('#vms').textContent()).not.toContain('shortlived');
  await page.getByRole('button', { name: 'Time', exact: true }).click();
  await page.getByRole('button', { name: /\d/ }).first().waitFor();
  expect(await page.locator('section[aria-labelledby=time-title] li').allTextContents()).toEqual([
    expect.stringContaining('shortlived stopped.'),
    expect.stringContaining('shortlived started.'),
  ]);
  await expectAccessible(page);
  expect(faults).toEqual([]);
  await page.context().close();
});
