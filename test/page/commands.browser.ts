// Every command that the page offers is copied by its button and run in a shell, as a reader would:
// `xe` on the daemon of that page, `xl` on the host that was read. What it was offered for is gone.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { FarHosts, farFiles } from '../support/far-hosts.js';
import { root, xennuma } from '../xennuma.js';
import { openBrowser, openPage, WROTE } from './browser.js';
import { type Daemon, Daemons } from './daemons.js';

let browser: Browser;
const folder = mkdtempSync(join(tmpdir(), 'xennuma-page-'));
const daemons = new Daemons();
beforeAll(async () => {
  browser = await openBrowser();
});
afterEach(() => daemons.end());
afterAll(async () => {
  await browser.close();
  rmSync(folder, { recursive: true });
});

const CLIPBOARD = { permissions: ['clipboard-read', 'clipboard-write'] };
const LONG = { timeout: 30_000 };

/** What its button copies, of a command that is shown. */
async function copied(line: Locator): Promise<string> {
  await line.getByRole('button', { name: 'Copy' }).click();
  await expect.poll(() => line.getByRole('status').textContent()).toBe('Copied');
  const text = (await line.page().evaluate('navigator.clipboard.readText()')) as string;
  expect(text).toBe(await line.locator('code').textContent());
  return text;
}

/** The commands of a part of the page, in their order. */
async function copiedFrom(part: Locator): Promise<string[]> {
  const texts: string[] = [];
  for (const line of await part.locator('.line').all()) texts.push(await copied(line));
  return texts;
}

/** A shell whose only `xe` is that of the daemon. */
function shellOf({ port }: Daemon): (command: string) => void {
  const bin = join(folder, `bin-${port}`);
  mkdirSync(bin);
  const words = `'${process.execPath}' '${root}/dist/xennuma.js' xe -s 127.0.0.1 -p ${port} -u root -pw secret`;
  writeFileSync(join(bin, 'xe'), `#!/bin/sh\nexec ${words} "$@"\n`);
  chmodSync(join(bin, 'xe'), 0o755);
  return (command) => {
    const { status, stderr } = spawnSync('sh', ['-c', command], {
      encoding: 'utf8',
      env: { ...process.env, PATH: `${bin}:/usr/bin:/bin` },
    });
    expect({ command, status, stderr }).toEqual({ command, status: 0, stderr: '' });
  };
}

const remarks = (page: Page) => page.locator('section[aria-labelledby=host-name] ol > li');

it('the commands of each VM to look at bring it onto one node', async () => {
  const daemon = await daemons.serve('--listen', '127.0.0.1:0');
  for (const name of ['one', "it's `two`", 'three']) daemons.xe(daemon, 'vm-start', `uuid=${daemons.create(daemon, name)}`);
  const { page, faults } = await openPage(browser, daemon.url, CLIPBOARD);
  const run = shellOf(daemon);
  for (const left of [3, 2, 1]) {
    await expect.poll(() => remarks(page).count(), LONG).toBe(left);
    const commands = await copiedFrom(remarks(page).first());
    expect(commands.every((command) => command.startsWith('xe '))).toBe(true);
    expect(commands.length).toBeGreaterThan(0);
    for (const command of commands) run(command);
  }
  await expect.poll(() => page.locator('.sentence').textContent(), LONG).toBe('All 3 VMs are on one node each.');
  expect(faults).toEqual([]);
  await page.context().close();
});

it('the calls of a plan make the host what was planned', async () => {
  const daemon = await daemons.serve('--listen', '127.0.0.1:0');
  for (const name of ['a', "b's"]) daemons.xe(daemon, 'vm-start', `uuid=${daemons.create(daemon, name)}`);
  const change = { policy: 'best_effort', hostMask: '0,1,2,3,4,5', masks: { a: '2,3', "b's": '4,5' } };
  const address = (of: object) => `${daemon.url}#view=plan&change=${encodeURIComponent(JSON.stringify(of))}`;
  const { page } = await openPage(browser, address(change), CLIPBOARD);
  const run = shellOf(daemon);
  const calls = page.locator('section[aria-labelledby=calls-title]');
  for (const of of [change, { ...change, hostMask: null, masks: { a: null, "b's": '6' } }]) {
    await page.goto(address(of));
    await expect.poll(() => calls.locator('code').count(), LONG).toBe(of === change ? 4 : 3);
    for (const command of await copiedFrom(calls)) run(command);
    await page.reload();
    await expect.poll(() => page.locator('#calls-title').textContent(), LONG).toBe('No calls to make');
  }
  await page.context().close();
});

it('the moves of running VMs leave nothing to move', async () => {
  const daemon = await daemons.serve('--listen', '127.0.0.1:0');
  for (const name of ['a', "b's"]) daemons.xe(daemon, 'vm-start', `uuid=${daemons.create(daemon, name)}`);
  const { page } = await openPage(browser, `${daemon.url}#view=plan`, CLIPBOARD);
  const report = page.locator('section[aria-labelledby=report-title]');
  await page.getByRole('button', { name: 'Find moves' }).click(LONG);
  await report.waitFor(LONG);
  const commands = await copiedFrom(report);
  expect(commands).toHaveLength(6);
  const run = shellOf(daemon);
  for (const command of commands) run(command);
  await page.reload();
  await page.getByRole('button', { name: 'Find moves' }).click(LONG);
  await expect.poll(() => report.textContent(), LONG).toContain('There is nothing to move.');
  expect(await report.locator('.line').count()).toBe(0);
  await page.goto(daemon.url);
  await expect.poll(() => page.locator('.sentence').textContent(), LONG).toBe('All 2 VMs are on one node each.');
  await page.context().close();
});

it('the commands of settings that are not saved save them', async () => {
  const daemon = await daemons.serve('--listen', '127.0.0.1:0');
  const uuid = daemons.create(daemon, 'plain');
  const draft = {
    'name-label': "it's <b>$(renamed)</b>; `x`",
    'VCPUs-max': '4',
    'memory-static-max': '2GiB',
    'memory-dynamic-max': '2GiB',
    'VCPUs-params': { mask: '4,5', weight: '128' },
    tags: { 'gold & more': '' },
  };
  const { page } = await openPage(
    browser,
    `${daemon.url}#view=settings&of=${uuid}&draft=${encodeURIComponent(JSON.stringify(draft))}`,
    CLIPBOARD,
  );
  const changes = page.locator('.changes');
  await expect.poll(() => changes.locator('code').count(), LONG).toBe(6);
  const run = shellOf(daemon);
  for (const command of await copiedFrom(changes)) run(command);
  await page.reload();
  await page.getByLabel('name-label', { exact: true }).waitFor(LONG);
  await expect.poll(() => changes.locator('code').count()).toBe(0);
  expect(daemons.xe(daemon, 'vm-param-get', `uuid=${uuid}`, 'param-name=name-label')).toBe(draft['name-label']);
  await page.context().close();
});

it('the commands for a host that was read by ssh are right on that host', async () => {
  const hosts = new FarHosts(join(folder, 'far'));
  hosts.add('beta', farFiles('beta'));
  const file = join(folder, 'beta.html');
  const show = (): void => {
    const env = { PATH: hosts.path };
    expect(xennuma(['show', '--from', 'ssh://root@beta', '--html', file], { env })).toMatchObject({ code: 0, err: WROTE });
  };
  show();
  const { page } = await openPage(browser, pathToFileURL(file).href, CLIPBOARD);
  const web = remarks(page).filter({ hasText: 'web' });
  const [command, ...others] = await copiedFrom(web);
  expect(others).toEqual([]);
  const FAR = join(folder, 'far', 'beta');
  const ran = spawnSync('sh', ['-c', command!], { encoding: 'utf8', env: { FAR, PATH: `${FAR}/bin:/usr/bin:/bin` } });
  expect(ran).toMatchObject({ status: 0, stderr: '' });
  show();
  await page.reload();
  await page.locator('.sentence').waitFor();
  expect(await web.count()).toBe(0);
  await page.context().close();
});
