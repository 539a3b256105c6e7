// The page of a daemon that runs: what happens there appears here.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { xennumaProcess } from '../xennuma.js';
import { axeViolations, expectAccessible, openBrowser, openPage } from './browser.js';
import { type Daemon, Daemons } from './daemons.js';

let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser.close());

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const daemons = new Daemons();
afterEach(() => daemons.end());
const serve = (...options: string[]) => daemons.serve(...options);
const xe = (daemon: Daemon, ...words: string[]) => daemons.xe(daemon, ...words);
const create = (daemon: Daemon, name: string) => daemons.create(daemon, name);

it('a VM that starts appears on the open page, and one that stops goes', async () => {
  const daemon = await serve('--listen', '127.0.0.1:0');
  const { page, faults } = await openPage(browser, daemon.url);
  await expect.poll(() => page.locator('.sentence').textContent()).toBe('No VM runs here.');
  const uuid = create(daemon, 'appears');
  xe(daemon, 'vm-start', `uuid=${uuid}`);
  await expect.poll(() => page.locator('#vms').textContent(), { timeout: 30_000 }).toContain('appears');
  expect(await axeViolations(page)).toEqual([]);
  xe(daemon, 'vm-shutdown', `uuid=${uuid}`);
  await expect.poll(() => page.locator('#vms').textContent(), { timeout: 30_000 }).not.toContain('appears');
  expect(faults).toEqual([]);
  await page.context().close();
});

it('with users it asks for a login, tells a wrong password, and shows the host after the right one', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'xennuma-page-'));
  ends.push(() => rmSync(folder, { recursive: true }));
  const users = join(folder, 'users');
  const passwd = xennumaProcess(['serve', 'passwd', 'root', '--file', users], { input: 'right password\n' });
  expect(passwd.code).toBe(0);
  const daemon = await serve('--listen', '127.0.0.1:0', '--users', users);
  const { page } = await openPage(browser, daemon.url);
  await page.getByLabel('Password').waitFor();
  await expectAccessible(page);
  await page.getByLabel('Password').fill('wrong');
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect.poll(() => page.getByRole('alert').textContent()).toBe('The name or the password is wrong.');
  expect(await page.locator('.sentence').count()).toBe(0);
  await page.getByLabel('Password').fill('right password');
  await page.keyboard.press('Enter');
  await expect.poll(() => page.locator('.sentence').textContent()).toBe('No VM runs here.');
  expect(page.url()).toBe(daemon.url);
  await page.context().close();
});

it('a script that somebody brings into the page is refused', async () => {
  const daemon = await serve('--listen', '127.0.0.1:0');
  const context = await browser.newContext();
  const page = await context.newPage();
  const refused: string[] = [];
  page.on('console', (message) => {
    if (/Content Security Policy|TrustedHTML/.test(message.text())) refused.push(message.text());
  });
  // The daemon's own headers stay.
  await page.route(daemon.url, async (route) => {
    const response = await route.fetch();
    const harm = '<script>globalThis.harmed = 1</script><img src=x onerror="globalThis.harmed=2"></body>';
    await route.fulfill({ response, body: (await response.text()).replace('</body>', harm) });
  });
  await page.goto(daemon.url);
  await expect.poll(() => page.locator('.sentence').textContent()).toBe('No VM runs here.');
  expect(await page.evaluate('globalThis.harmed')).toBeUndefined();
  expect(refused.length).toBeGreaterThanOrEqual(2);
  // Nor does markup come in by a script of ours that would take it for text.
  expect(await page.evaluate(`try { document.body.innerHTML = '<img src=x>'; 'taken' } catch (error) { error.name }`)).toBe('TypeError');
  await context.close();
});

it('a daemon that is killed and started again is followed by the page that is open', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'xennuma-page-'));
  ends.push(() => rmSync(folder, { recursive: true }));
  const first = await serve('--listen', '127.0.0.1:0', '--state', folder);
  const { page } = await openPage(browser, first.url);
  await expect.poll(() => page.locator('.sentence').textContent()).toBe('No VM runs here.');
  const gone = new Promise((done) => first.child.once('close', done));
  first.child.kill('SIGKILL');
  await gone;
  const second = await serve('--listen', `127.0.0.1:${first.port}`, '--state', folder);
  xe(second, 'vm-start', `uuid=${create(second, 'afterwards')}`);
  await expect.poll(() => page.locator('#vms').textContent(), { timeout: 60_000 }).toContain('afterwards');
  await page.context().close();
});

it('works behind a proxy that adds a prefix', async () => {
  const daemon = await serve('--listen', '127.0.0.1:0');
  const proxy = createServer((incoming, answer) => {
    const path = incoming.url!.replace(/^\/xen\/one/, '');
    const onward = request(
      { host: '127.0.0.1', port: daemon.port, path, method: incoming.method, headers: incoming.headers },
      (response) => {
        answer.writeHead(response.statusCode!, response.headers);
        response.pipe(answer);
      },
    );
    incoming.pipe(onward);
    answer.once('close', () => onward.destroy());
    onward.on('error', () => answer.destroy());
  });
  await new Promise<void>((done) => proxy.listen(0, '127.0.0.1', done));
  ends.push(() => {
    proxy.closeAllConnections();
    proxy.close();
  });
  const { port } = proxy.address() as AddressInfo;
  const { page, faults } = await openPage(browser, `http://127.0.0.1:${port}/xen/one/`);
  await expect.poll(() => page.locator('.sentence').textContent()).toBe('No VM runs here.');
  xe(daemon, 'vm-start', `uuid=${create(daemon, 'behind')}`);
  await expect.poll(() => page.locator('#vms').textContent(), { timeout: 30_000 }).toContain('behind');
  expect(faults).toEqual([]);
  await page.context().close();
});

it('eight tabs are served', async () => {
  const daemon = await serve('--listen', '127.0.0.1:0');
  const tabs = await Promise.all(Array.from({ length: 8 }, () => openPage(browser, daemon.url)));
  for (const { page } of tabs) await expect.poll(() => page.locator('.sentence').textContent()).toBe('No VM runs here.');
  xe(daemon, 'vm-start', `uuid=${create(daemon, 'everywhere')}`);
  for (const { page, faults } of tabs) {
    await expect.poll(() => page.locator('#vms').textContent(), { timeout: 30_000 }).toContain('everywhere');
    expect(faults).toEqual([]);
    await page.context().close();
  }
});
