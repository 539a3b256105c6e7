// "What if?" on a page from a file and of a daemon, and the mask editor.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { xennuma, xennumaProcess } from '../xennuma.js';
import { itIsAccessible, openBrowser, openPage, WROTE } from './browser.js';
import { Daemons } from './daemons.js';

let browser: Browser;
const folder = mkdtempSync(join(tmpdir(), 'xennuma-page-'));
const daemons = new Daemons();
const DOZEN = ['--host', 'examples/hosts/epyc-7763-nps4.yaml', '--vms', 'examples/vms/dozen.yaml'];
const file = join(folder, 'dozen.html');

beforeAll(async () => {
  browser = await openBrowser();
  expect(xennuma(['show', ...DOZEN, '--policy', 'any', '--html', file])).toMatchObject({ code: 0, err: WROTE });
});
afterEach(() => daemons.end());
afterAll(async () => {
  await browser.close();
  rmSync(folder, { recursive: true });
});

const address = (change: object, rest = '') =>
  `${pathToFileURL(file).href}#view=plan&change=${encodeURIComponent(JSON.stringify(change))}${rest}`;
const planned = (page: Page) => page.locator('#beside-title').waitFor();
const effect = (page: Page) => page.locator('.editor [aria-live] li').allTextContents();

describe('a plan on a page from a file', () => {
  it('is what plan prints, byte for byte', async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    // Listens in on the answers of the page's worker.
    await page.addInitScript(`const Own = Worker; globalThis.Worker = class extends Own {
      constructor(address) { super(address); this.addEventListener('message', ({ data }) => { if (data.answer) globalThis.answered = JSON.stringify(data.answer.plan, null, 2) + '\\n'; }); }
    };`);
    await page.goto(address({ policy: 'best_effort', masks: { 'web-2': '5,6' } }));
    await planned(page);
    const printed = xennuma(['plan', ...DOZEN, '--policy', 'best_effort', '--json']).out;
    await page.goto('about:blank');
    await page.goto(address({ policy: 'best_effort' }));
    await planned(page);
    expect(await page.evaluate('globalThis.answered')).toBe(printed);
    await context.close();
  });

  it('stands beside the present, marks what differs, and names the calls that make it so', async () => {
    const { page, faults } = await openPage(browser, address({ policy: 'best_effort' }));
    await planned(page);
    const figures = page.getByRole('table', { name: 'Figures' });
    expect(await figures.getByRole('row').nth(1).textContent()).toMatch(/VMs on one node\s*1 of 12\s*11 of 12\s*≠/);
    expect(await page.locator('#calls-title').textContent()).toBe('This call will be made');
    expect(await page.locator('section[aria-labelledby=calls-title] code').allTextContents()).toEqual([
      'xe host-param-set uuid=$(xe host-list --minimal) numa-affinity-policy=best_effort',
    ]);
    // A file has no daemon to make them.
    expect(await page.locator('.apply').count()).toBe(0);
    expect(faults).toEqual([]);
    await page.context().close();
  });

  it('follows policy, VMs added and nodes left out, and has all of it in its address', async () => {
    const { page } = await openPage(browser, address({}));
    await planned(page);
    expect(await page.locator('section[aria-labelledby=beside-title] h3').textContent()).toContain('Every VM would be where it is.');
    await page.getByLabel('Policy').selectOption('best_effort');
    await page.getByLabel('GiB').fill('40');
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    await page.getByRole('group', { name: 'Drain node' }).getByLabel('3').check();
    const row = page.getByRole('row', { name: /new-1/ });
    await expect.poll(() => row.textContent(), { timeout: 30_000 }).toMatch(/–\s*→\s*becomes\s*\d/);
    const rows = await page.locator('.scroll tbody tr').allTextContents();
    expect(page.url()).toContain('new-1');
    await page.reload();
    await expect.poll(() => page.locator('.scroll tbody tr').allTextContents(), { timeout: 30_000 }).toEqual(rows);
    await page.context().close();
  });

  itIsAccessible(async (options) => {
    const { page } = await openPage(browser, address({ policy: 'best_effort', masks: { 'web-1': '0,1;99' } }, '&edit=web-1'), options);
    await planned(page);
    await page.locator('.stale').waitFor({ state: 'detached' });
    return page;
  });
});

describe('the mask editor', () => {
  it('says what xapi will make of a text, by the parser of the plan', async () => {
    const { page } = await openPage(browser, address({}, '&edit=web-1'));
    const text = page.getByLabel('As text');
    await text.fill('0,1; 2');
    await expect.poll(() => effect(page)).toContain('xapi ignores it: white space.');
    await text.fill('0,1;16');
    await expect.poll(() => effect(page)).toContain('vCPU 1: CPUs 16, node 1.');
    expect(await effect(page)).toContain('vCPU 0,2-3: CPUs 0-1, node 0.');
    expect(await effect(page)).toContain('Its memory comes from nodes 0-1, in turns: Xen takes the union of all lists.');
    await text.fill('999');
    await expect.poll(() => effect(page)).toContain('A vCPU has no CPU left: Xen refuses it (EINVAL), and the VM cannot start.');
    await expect.poll(() => page.locator('.scroll').textContent(), { timeout: 30_000 }).toContain('cannot start');
    await page.context().close();
  });

  it('takes clicks, a drag, a node, whole cores, and lists for vCPUs', async () => {
    const { page } = await openPage(browser, address({}, '&edit=web-1'));
    const text = page.getByLabel('As text');
    const cpu = (id: number) => page.getByRole('checkbox', { name: `CPU ${id}`, exact: true });
    await cpu(4).click();
    await expect.poll(() => text.inputValue()).toBe('4');
    await cpu(4).click();
    await expect.poll(() => text.inputValue()).toBe('');
    await page.getByLabel('Whole cores').check();
    await cpu(4).click();
    await expect.poll(() => text.inputValue()).toBe('4,132');
    await page.getByLabel('Whole cores').uncheck();
    const [from, to] = [(await cpu(0).boundingBox())!, (await cpu(129).boundingBox())!];
    await page.mouse.move(from.x + 5, from.y + 5);
    await page.mouse.down();
    await page.mouse.move(to.x + 5, to.y + 5, { steps: 20 });
    await page.mouse.up();
    await expect.poll(() => text.inputValue()).toBe('0,1,4,128,129,132');
    await page.getByRole('button', { name: 'Another list, for vCPU 1' }).click();
    await page.getByRole('button', { name: 'Node 7', exact: true }).click();
    await expect.poll(() => text.inputValue()).toMatch(/^0,1,4,128,129,132;112,113,.*,255$/);
    await page.context().close();
  });
});

describe('a plan on the page of a daemon', () => {
  it('is made by keyboard alone, from a mask to the calls, and the VM starts there', async () => {
    const daemon = await daemons.serve('--listen', '127.0.0.1:0');
    const uuid = daemons.create(daemon, 'masked');
    daemons.xe(daemon, 'vm-start', `uuid=${uuid}`);
    const { page, faults } = await openPage(browser, `${daemon.url}#view=plan&edit=masked`);
    const first = page.getByRole('checkbox', { name: 'CPU 4', exact: true });
    await first.waitFor();
    await page.getByRole('checkbox', { name: 'CPU 0', exact: true }).focus();
    for (const _ of [1, 2, 3, 4]) await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Space');
    await page.keyboard.press('Shift+ArrowRight');
    await expect.poll(() => page.getByLabel('As text').inputValue()).toBe('4,5');
    const apply = page.getByRole('button', { name: 'Make this change' });
    await apply.waitFor();
    await apply.focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => page.getByText('1 change made.').count(), { timeout: 30_000 }).toBe(1);
    expect(daemons.xe(daemon, 'vm-param-get', `uuid=${uuid}`, 'param-name=VCPUs-params')).toBe('mask: 4,5');
    daemons.xe(daemon, 'vm-reboot', `uuid=${uuid}`, '--force');
    await page.goto(`${daemon.url}#view=host`);
    await expect.poll(() => page.locator('#vms').textContent(), { timeout: 30_000 }).toContain('masked');
    await expect
      .poll(
        () =>
          page
            .getByRole('row', { name: /masked/ })
            .getByRole('cell')
            .allTextContents(),
        { timeout: 30_000 },
      )
      .toEqual(expect.arrayContaining(['yes', '1']));
    expect(faults).toEqual([]);
    await page.context().close();
  });

  it('offers a user who may only read no control that would be refused', async () => {
    const users = join(folder, 'users');
    for (const [name, role] of [
      ['root', 'admin'],
      ['guest', 'read-only'],
    ] as const) {
      const passwd = xennumaProcess(['serve', 'passwd', name, '--file', users, '--role', role], { input: 'a password\n' });
      expect(passwd.code).toBe(0);
    }
    const daemon = await daemons.serve('--listen', '127.0.0.1:0', '--users', users);
    for (const [name, controls] of [
      ['guest', 0],
      ['root', 1],
    ] as const) {
      const { page } = await openPage(browser, `${daemon.url}#view=plan&change=${encodeURIComponent('{"policy":"best_effort"}')}`);
      await page.getByLabel('Name').fill(name);
      await page.getByLabel('Password').fill('a password');
      await page.keyboard.press('Enter');
      await page.locator('section[aria-labelledby=calls-title] code').waitFor();
      // The draft in the address is there after the login.
      expect(page.url()).toContain('best_effort');
      await expect.poll(() => page.locator('.apply').count()).toBe(controls);
      await page.context().close();
    }
  });
});
