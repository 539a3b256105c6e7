// The settings of a daemon's host and VMs on its page: what is saved is in xe, what is refused says
// so in xe's words, and a login comes over the page.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { xennumaProcess } from '../xennuma.js';
import { expectAccessible, openBrowser, openPage } from './browser.js';
import { type Daemon, Daemons } from './daemons.js';

let browser: Browser;
const folder = mkdtempSync(join(tmpdir(), 'xennuma-page-'));
const users = join(folder, 'users');
const daemons = new Daemons();
beforeAll(async () => {
  browser = await openBrowser();
  for (const [name, role] of [
    ['root', 'admin'],
    ['guest', 'read-only'],
  ] as const) {
    const passwd = xennumaProcess(['serve', 'passwd', name, '--file', users, '--role', role], { input: 'secret\n' });
    expect(passwd.code).toBe(0);
  }
});
afterEach(() => daemons.end());
afterAll(async () => {
  await browser.close();
  rmSync(folder, { recursive: true });
});

const settings = (daemon: Daemon, uuid: string): string => `${daemon.url}#view=settings&of=${uuid}`;
const param = (daemon: Daemon, uuid: string, name: string): string =>
  daemons.xe(daemon, 'vm-param-get', `uuid=${uuid}`, `param-name=${name}`);
const commands = (page: Page) => page.locator('.changes code').allTextContents();

async function logIn(page: Page, name: string): Promise<void> {
  await page.getByLabel('Name', { exact: true }).fill(name);
  await page.getByLabel('Password').fill('secret');
  await page.keyboard.press('Enter');
}

it('by keyboard a VM gets a name, vCPUs, a tag and a mask, starts, and appears on the map', async () => {
  const daemon = await daemons.serve('--listen', '127.0.0.1:0');
  const uuid = daemons.create(daemon, 'plain');
  const { page, faults } = await openPage(browser, settings(daemon, uuid));
  const type = async (label: string, text: string): Promise<void> => {
    await page.getByLabel(label, { exact: true }).focus();
    await page.keyboard.press('Control+A');
    await page.keyboard.type(text);
  };
  await page.getByLabel('name-label', { exact: true }).waitFor();
  await type('name-label', "it's <b>renamed</b>");
  await type('VCPUs-max', '4');
  await type('New member of tags', 'gold');
  await page.keyboard.press('Enter');
  await type('New key of VCPUs-params', 'mask');
  await type('Value of the new key of VCPUs-params', '4,5');
  await page.keyboard.press('Enter');
  await expect.poll(() => commands(page)).toHaveLength(4);
  // The draft is in the address.
  await page.reload();
  await expect.poll(() => commands(page)).toHaveLength(4);
  expect(await commands(page)).toContain(`xe vm-param-set uuid=${uuid} VCPUs-params:mask=4,5`);
  await page.getByRole('button', { name: 'Save 4 changes' }).focus();
  await page.keyboard.press('Enter');
  await expect.poll(() => page.getByText('4 changes saved.').count(), { timeout: 30_000 }).toBe(1);
  expect(['name-label', 'VCPUs-max', 'tags', 'VCPUs-params'].map((name) => param(daemon, uuid, name))).toEqual([
    "it's <b>renamed</b>",
    '4',
    'gold',
    'mask: 4,5',
  ]);
  expect(page.url()).toBe(settings(daemon, uuid));
  await page.getByRole('button', { name: 'Start', exact: true }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Show on the map' }).click({ timeout: 30_000 });
  await expect.poll(() => page.locator('#selected-title').textContent()).toBe("it's <b>renamed</b>");
  expect(await page.locator('#vms tbody tr', { hasText: 'renamed' }).getByRole('cell').allTextContents()).toContain('1');
  await page.locator('section[aria-labelledby=selected-title]').getByRole('button', { name: 'Settings' }).click();
  await expect.poll(() => page.locator('#settings-title').textContent()).toContain("it's <b>renamed</b>");
  expect(await page.locator('main b').count()).toBe(0);
  expect(faults).toEqual([]);
  await page.context().close();
});

it('the pool has settings too, and is among what can be chosen', async () => {
  const daemon = await daemons.serve('--listen', '127.0.0.1:0');
  const pool = daemons.xe(daemon, 'pool-list', '--minimal');
  const { page, faults } = await openPage(browser, `${daemon.url}#view=settings`);
  await page.getByLabel('numa-affinity-policy', { exact: true }).waitFor();
  // A pool without a name is told by its uuid.
  await page.getByLabel('Of', { exact: true }).selectOption({ label: pool });
  await page.getByLabel('migration-compression', { exact: true }).waitFor();
  expect(page.url()).toBe(settings(daemon, pool));
  await page.getByLabel('name-label', { exact: true }).fill('<b>all</b>');
  await page.getByLabel('migration-compression', { exact: true }).selectOption('true');
  await expect.poll(() => commands(page)).toContain(`xe pool-param-set uuid=${pool} migration-compression=true`);
  await page.getByRole('button', { name: 'Save 2 changes' }).click();
  await expect.poll(() => page.getByText('2 changes saved.').count(), { timeout: 30_000 }).toBe(1);
  const saved = (name: string): string => daemons.xe(daemon, 'pool-param-get', `uuid=${pool}`, `param-name=${name}`);
  expect([saved('name-label'), saved('migration-compression')]).toEqual(['<b>all</b>', 'true']);
  await expect.poll(() => page.locator('#settings-title').textContent()).toBe('Settings: <b>all</b>');
  await expectAccessible(page);
  expect(faults).toEqual([]);
  await page.context().close();
});

it('a VM leads to its network cards and drives, which have settings of their own', async () => {
  const daemon = await daemons.serve('--listen', '127.0.0.1:0');
  const uuid = daemons.create(daemon, '<b>web</b>');
  const network = daemons.xe(daemon, 'network-list', '--minimal').split(',')[0]!;
  const card = daemons.xe(daemon, 'vif-create', `vm-uuid=${uuid}`, `network-uuid=${network}`, 'device=0');
  const { page, faults } = await openPage(browser, settings(daemon, uuid));
  await page.getByRole('button', { name: 'Network card 0' }).click();
  await expect.poll(() => page.locator('#settings-title').textContent()).toBe('Settings: Network card 0 of <b>web</b>');
  expect(page.url()).toBe(settings(daemon, card));
  await page.getByLabel('locking-mode', { exact: true }).fill('locked');
  await expect.poll(() => commands(page)).toEqual([`xe vif-param-set uuid=${card} locking-mode=locked`]);
  await page.getByRole('button', { name: 'Save 1 change' }).click();
  await expect.poll(() => page.getByText('1 change saved.').count(), { timeout: 30_000 }).toBe(1);
  expect(daemons.xe(daemon, 'vif-param-get', `uuid=${card}`, 'param-name=locking-mode')).toBe('locked');
  await expectAccessible(page);
  await page.getByRole('button', { name: 'Back to <b>web</b>' }).click();
  await page.getByLabel('VCPUs-max', { exact: true }).waitFor();
  expect(faults).toEqual([]);
  await page.context().close();
});

it('what xe cannot read is told while it is typed, and what the API refuses is told in its words and stays', async () => {
  const daemon = await daemons.serve('--listen', '127.0.0.1:0');
  const uuid = daemons.create(daemon, 'running');
  daemons.xe(daemon, 'vm-start', `uuid=${uuid}`);
  const { page, faults } = await openPage(browser, settings(daemon, uuid));
  const most = page.getByLabel('VCPUs-max', { exact: true });
  await most.fill('four');
  await expect
    .poll(() => page.locator('.problem:not(:empty)').allTextContents())
    .toEqual(["Failed to parse parameter 'VCPUs-max': expecting an integer"]);
  expect(await page.getByRole('button', { name: /^Save/ }).isDisabled()).toBe(true);
  await most.fill('8');
  await page.getByLabel('name-label', { exact: true }).fill('saved');
  await page.getByRole('button', { name: 'Save 2 changes' }).click();
  // The VM by the name that the page has read: the new one may come after the refusal.
  await expect
    .poll(() => page.getByRole('alert').textContent(), { timeout: 30_000 })
    .toMatch(/^Refused: VCPUs-max\. You attempted an operation on a VM that was not in an appropriate power state .*\((running|saved)\)/);
  // The one before it is saved, and the one that was refused is still to be seen.
  expect(param(daemon, uuid, 'name-label')).toBe('saved');
  expect(await most.inputValue()).toBe('8');
  await expect.poll(() => commands(page)).toEqual([`xe vm-param-set uuid=${uuid} VCPUs-max=8`]);
  await expectAccessible(page);
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.getByRole('button', { name: 'Discard' }).click();
  // What loses data asks first.
  await page.getByRole('button', { name: 'Force a shutdown' }).click();
  expect(param(daemon, uuid, 'power-state')).toBe('running');
  await page.getByRole('button', { name: 'Force a shutdown now' }).click();
  await expect.poll(() => page.getByRole('button', { name: 'Start', exact: true }).count(), { timeout: 30_000 }).toBe(1);
  // The host's settings, and its policy.
  await page.getByLabel('Of', { exact: true }).selectOption({ index: 0 });
  await page.getByLabel('numa-affinity-policy').selectOption('best_effort');
  await page.getByRole('button', { name: 'Save 1 change' }).click();
  await expect
    .poll(() => daemons.xe(daemon, 'host-list', 'params=numa-affinity-policy', '--minimal'), { timeout: 30_000 })
    .toBe('best_effort');
  await expectAccessible(page);
  expect(faults).toEqual([]);
  await page.context().close();
});

it('when the session has ended, the login comes over the page, and the draft is saved after it', async () => {
  const state = join(folder, 'state');
  const options = ['--users', users, '--state', state];
  const first = await daemons.serve('--listen', '127.0.0.1:0', ...options);
  const uuid = daemons.create(first, 'draft');
  const { page } = await openPage(browser, settings(first, uuid));
  await logIn(page, 'root');
  const description = page.getByLabel('name-description', { exact: true });
  await description.fill('written before the end');
  const gone = new Promise((done) => first.child.once('close', done));
  first.child.kill('SIGKILL');
  await gone;
  // Sessions end with the daemon.
  const second = await daemons.serve('--listen', `127.0.0.1:${first.port}`, ...options);
  const dialog = page.getByRole('dialog');
  await dialog.waitFor({ timeout: 30_000 });
  await expectAccessible(page);
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.keyboard.press('Escape');
  await expect.poll(() => dialog.count()).toBe(0);
  expect(await description.inputValue()).toBe('written before the end');
  await page.getByRole('button', { name: 'Save 1 change' }).click();
  await dialog.waitFor();
  await logIn(page, 'root');
  await expect.poll(() => page.getByText('1 change saved.').count(), { timeout: 30_000 }).toBe(1);
  expect(param(second, uuid, 'name-description')).toBe('written before the end');
  await page.context().close();
});

it('a user who may only read sees every setting and no control, until another user logs in', async () => {
  const daemon = await daemons.serve('--listen', '127.0.0.1:0', '--users', users);
  const uuid = daemons.create(daemon, 'seen');
  const draft = encodeURIComponent(JSON.stringify({ 'name-label': 'drafted' }));
  const { page, faults } = await openPage(browser, `${settings(daemon, uuid)}&draft=${draft}`);
  await logIn(page, 'guest');
  const form = page.locator('section[aria-labelledby=settings-title] form');
  await expect.poll(() => form.textContent(), { timeout: 30_000 }).toContain('VCPUs-max');
  expect(await form.locator('input, select, button:not(.line button)').count()).toBe(0);
  expect(await page.getByRole('group', { name: 'Operations' }).count()).toBe(0);
  expect(await page.locator('header .user').textContent()).toBe('guest, may only read');
  await page.getByRole('button', { name: 'Log in as another user' }).click();
  await logIn(page, 'root');
  await page.getByRole('button', { name: 'Save 1 change' }).click({ timeout: 30_000 });
  await expect.poll(() => page.getByText('1 change saved.').count(), { timeout: 30_000 }).toBe(1);
  expect(param(daemon, uuid, 'name-label')).toBe('drafted');
  // The browser itself reports answers of 401.
  expect(faults.filter((fault) => !/status of 401/.test(fault))).toEqual([]);
  await page.context().close();
});
