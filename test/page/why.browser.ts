// "Why is it here?" on a page from a file, and of a daemon that runs.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { EDGES } from '../../src/flow/chart.js';
import { xennuma } from '../xennuma.js';
import { axeViolations, itIsAccessible, openBrowser, openPage, WROTE } from './browser.js';
import { Daemons } from './daemons.js';

let browser: Browser;
const folder = mkdtempSync(join(tmpdir(), 'xennuma-page-'));
const daemons = new Daemons();
const DOZEN = ['--host', 'examples/hosts/epyc-7763-nps4.yaml', '--vms', 'examples/vms/dozen.yaml', '--policy', 'best_effort'];
const file = join(folder, 'why.html');

beforeAll(async () => {
  browser = await openBrowser();
  expect(xennuma(['explain', 'warehouse', ...DOZEN, '--html', file])).toMatchObject({ code: 0, err: WROTE });
});
afterEach(() => daemons.end());
afterAll(async () => {
  await browser.close();
  rmSync(folder, { recursive: true });
});

it('opens at the VM, with the sentences of explain, and the path that it took in the chart', async () => {
  const said = JSON.parse(xennuma(['explain', 'warehouse', ...DOZEN, '--json']).out);
  const { page, faults } = await openPage(browser, pathToFileURL(file).href);
  await expect.poll(() => page.locator('#why-title').textContent()).toBe('Why is warehouse where it is?');
  expect(await page.locator('.summary li').allTextContents()).toEqual(said.runs[0].summary);
  expect(await page.locator('svg .edge.own:not(.legend *)').count()).toBe(said.runs[0].path.length);
  expect(await page.locator('svg [role=button]').count()).toBe(said.runs[0].nodes.length);
  const sources = await page
    .locator('section[aria-labelledby=sentences-title] a')
    .evaluateAll((links) => links.map((link) => link.getAttribute('href')));
  expect(sources).toEqual(said.runs[0].sources);
  expect(faults).toEqual([]);
  await page.context().close();
});

it('shows the values of a step that is chosen, in the list or in the chart, by keyboard, and has it in the address', async () => {
  const { page } = await openPage(browser, `${pathToFileURL(file).href}#view=why&vm=8`);
  const box = page.getByRole('button', { name: /^What is the host's NUMA affinity policy\? *policy: / });
  await box.focus();
  await page.keyboard.press('Enter');
  const chosen = page.locator('.steps li.chosen');
  await expect.poll(() => chosen.count()).toBe(1);
  expect(await chosen.textContent()).toContain('→ best_effort');
  expect(await chosen.locator('code').textContent()).toBe('policy: best_effort; means: best_effort; profile: xapi-25.6');
  expect(await chosen.getByRole('link').getAttribute('href')).toMatch(/^https:\/\/github\.com\/xapi-project\/xen-api\/blob\//);
  expect(page.url()).toMatch(/step=\d+/);
  await page.reload();
  await expect.poll(() => chosen.count()).toBe(1);
  await page.context().close();
});

it('shows how the paths of two VMs differ', async () => {
  const vms = join(folder, 'vms.yaml');
  writeFileSync(vms, "vms:\n  - {name: free, memory: 1GiB, vcpus: 2}\n  - {name: held, memory: 1GiB, vcpus: 2, params: {mask: '0,1'}}\n");
  const two = join(folder, 'two.html');
  const words = ['--host', 'examples/hosts/two-nodes.yaml', '--vms', vms, '--policy', 'best_effort'];
  const ran = xennuma(['show', ...words, '--html', two]);
  expect(ran).toMatchObject({ code: 0, err: WROTE });
  const paths = ['free', 'held'].map((name) => JSON.parse(xennuma(['explain', name, ...words, '--json']).out).runs[0].path as string[]);
  const { page } = await openPage(browser, `${pathToFileURL(two).href}#view=why&vm=1&beside=2`);
  await page.locator('svg .edge.theirs').first().waitFor({ state: 'attached' });
  const only = (path: string[], other: string[]) => path.filter((edge) => !other.includes(edge));
  // The legend has one of each.
  expect(await page.locator('svg .edge.own').count()).toBe(only(paths[0]!, paths[1]!).length + 2);
  expect(await page.locator('svg .edge.theirs').count()).toBe(only(paths[1]!, paths[0]!).length + 1);
  const answers = only(paths[1]!, paths[0]!).flatMap((id) => EDGES.find((edge) => edge.id === id)!.label || []);
  for (const answer of answers) expect(await page.getByRole('status').filter({ hasText: 'Only here' }).textContent()).toContain(answer);
  await page.context().close();
});

itIsAccessible(async (options) => {
  const { page } = await openPage(browser, `${pathToFileURL(file).href}#view=why&vm=8&step=5&beside=1`, options);
  await page.locator('.steps').waitFor();
  return page;
});

it('a VM that could not start is named on the first view, and tells why', async () => {
  const vms = join(folder, 'large.yaml');
  writeFileSync(vms, 'vms:\n  - {name: fits, memory: 1GiB, vcpus: 2}\n  - {name: large, memory: 900GiB, vcpus: 2}\n');
  const large = join(folder, 'large.html');
  expect(xennuma(['show', '--host', 'examples/hosts/two-nodes.yaml', '--vms', vms, '--html', large])).toMatchObject({
    code: 1,
    err: WROTE,
  });
  const { page } = await openPage(browser, pathToFileURL(large).href);
  await page.getByRole('button', { name: 'large' }).click();
  await expect.poll(() => page.locator('.summary li').first().textContent()).toBe('It did not start, and holds no memory.');
  expect(await page.locator('#why-title').textContent()).toBe('Why could large not start?');
  await page.context().close();
});

it('a VM of a daemon tells why it is there', async () => {
  const daemon = await daemons.serve('--listen', '127.0.0.1:0');
  daemons.xe(daemon, 'host-param-set', `uuid=${daemons.xe(daemon, 'host-list', '--minimal')}`, 'numa-affinity-policy=best_effort');
  daemons.xe(daemon, 'vm-start', `uuid=${daemons.create(daemon, 'placed')}`);
  const { page, faults } = await openPage(browser, daemon.url);
  await page.getByRole('button', { name: 'placed' }).first().click();
  await page.getByRole('button', { name: 'Why is it here?' }).last().click();
  await expect.poll(() => page.locator('.summary li').first().textContent()).toMatch(/^Its memory is on node \d/);
  expect(await page.locator('.steps').textContent()).toContain('best_effort');
  expect(await axeViolations(page)).toEqual([]);
  expect(faults).toEqual([]);
  await page.context().close();
});
