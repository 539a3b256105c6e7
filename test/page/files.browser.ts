// Files that are opened on the page: dropped, chosen or pasted, and read in the browser alone.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { zipSync } from 'fflate';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatList } from '../../src/base/bitset.js';
import { packCapture } from '../../src/live/capture/write-capture.js';
import { DUMP, INFO, LIST, VCPUS } from '../support/listings.js';
import { HOSTILE_NAMES } from '../support/random-maps.js';
import { xennuma } from '../xennuma.js';
import { axeViolations, openBrowser, openPage, overflow } from './browser.js';
import { type Daemon, Daemons } from './daemons.js';

let browser: Browser;
let daemon: Daemon;
const daemons = new Daemons();
const folder = mkdtempSync(join(tmpdir(), 'xennuma-page-'));
beforeAll(async () => {
  browser = await openBrowser();
  daemon = await daemons.serve('--listen', '127.0.0.1:0');
});
afterAll(async () => {
  daemons.end();
  await browser.close();
  rmSync(folder, { recursive: true });
});

interface Dropped {
  readonly name: string;
  readonly bytes: string | Uint8Array;
}

/** As a hand drops them: an event of the browser with files in it. */
async function drop(page: Page, ...files: Dropped[]): Promise<void> {
  const packed = files.map(({ name, bytes }) => [name, Buffer.from(bytes).toString('base64')]);
  await page.evaluate(`
    const transfer = new DataTransfer();
    for (const [name, text] of ${JSON.stringify(packed)})
      transfer.items.add(new File([Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0))], name));
    for (const type of ['dragover', 'drop'])
      document.body.dispatchEvent(new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
  `);
}

async function paste(page: Page, selector: string, text: string): Promise<void> {
  await page.evaluate(`
    const clipboardData = new DataTransfer();
    clipboardData.setData('text/plain', ${JSON.stringify(text)});
    document.querySelector('${selector}').dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
  `);
}

const badge = (page: Page) => page.locator('.badge').textContent();
const names = async (page: Page) => (await page.locator('#vms tbody th').allTextContents()).map((name) => name.trim()).sort();
const PAYROLL = '1 of 1 VM is not on one node';

describe('on the page of a daemon', () => {
  it('a capture is shown as the command shows it, and nothing is sent anywhere', async () => {
    const capture = await packCapture(INFO + LIST + VCPUS + DUMP, new Date(0));
    writeFileSync(join(folder, 'beta.tgz'), capture);
    const shown = JSON.parse(xennuma(['show', '--from', join(folder, 'beta.tgz'), '--json']).out);
    const { page, faults } = await openPage(browser, daemon.url);
    await expect.poll(() => badge(page)).toBe('embedded Xen');
    const sent: string[] = [];
    page.on('request', (request) => sent.push(`${request.method()} ${new URL(request.url()).pathname}`));
    await drop(page, { name: 'beta.tgz', bytes: capture });
    await expect.poll(() => badge(page), { timeout: 30_000 }).toBe('file');
    expect(await page.locator('header').textContent()).toContain('beta.tgz');
    expect(await page.locator('.sentence').textContent()).toContain(PAYROLL);
    expect(await names(page)).toEqual(['Domain-0', ...shown.vms.map(({ name }: { name: string }) => name)].sort());
    // The reader's own script, and nothing else.
    expect(sent).toEqual(['GET /page/reader.js']);
    expect(await axeViolations(page)).toEqual([]);
    // What is known of a VM's request, and a plan, come from the same worker.
    await page.getByRole('button', { name: 'payroll' }).first().click();
    await page.getByRole('button', { name: 'What if?' }).click();
    await expect.poll(() => page.locator('#beside-title').count(), { timeout: 30_000 }).toBe(1);
    await page.getByRole('button', { name: 'Close the files' }).click();
    await expect.poll(() => badge(page)).toBe('embedded Xen');
    expect(faults).toEqual([]);
    await page.context().close();
  });

  it('a host and VMs that are chosen are started as plan starts them', async () => {
    const files = ['examples/hosts/epyc-7763-nps4.yaml', 'examples/vms/dozen.yaml'];
    const { vms } = JSON.parse(xennuma(['plan', '--host', files[0]!, '--vms', files[1]!, '--json']).out);
    const { page, faults } = await openPage(browser, daemon.url);
    await page.getByLabel(/^Open files/).setInputFiles(files);
    await expect.poll(() => page.locator('header').textContent(), { timeout: 60_000 }).toContain('dozen.yaml');
    await expect.poll(() => page.locator('#vms tbody tr').count()).toBeGreaterThan(12);
    for (const { name, domid, pagesByNode } of vms as { name: string; domid: number; pagesByNode: number[] }[]) {
      await page.goto(`${daemon.url}#vm=${domid}`);
      await expect.poll(() => page.locator('#selected-title').textContent()).toBe(name);
      const nodes = formatList(pagesByNode.flatMap((pages, node) => (pages > 0 ? [node] : [])));
      const cells = await page.locator('#vms tbody tr', { hasText: name }).first().locator('td').allTextContents();
      expect(
        cells.map((text) => text.trim()),
        name,
      ).toContain(nodes);
    }
    expect(faults).toEqual([]);
    await page.context().close();
  });

  it('a pasted text is read, but not one that goes into a field', async () => {
    const { page, faults } = await openPage(browser, daemon.url);
    await page.getByRole('searchbox').waitFor();
    await paste(page, 'input[type=search]', INFO + LIST + VCPUS + DUMP);
    expect(await badge(page)).toBe('embedded Xen');
    await paste(page, 'main', INFO + LIST + VCPUS + DUMP);
    await expect.poll(() => badge(page), { timeout: 30_000 }).toBe('file');
    expect(await page.locator('header').textContent()).toContain('pasted text');
    expect(faults).toEqual([]);
    await page.context().close();
  });

  it('an error says where, in which file, and what to do; the page stays what it was', async () => {
    const { page, faults } = await openPage(browser, daemon.url);
    await expect.poll(() => badge(page)).toBe('embedded Xen');
    const zeros = new Uint8Array(513 * 2 ** 20);
    for (const [file, said] of [
      [{ name: 'host.yaml', bytes: 'name: h\nnodes:\n  - memory: 8Gi8\n    cpus: 0-3\n' }, /^host\.yaml:3: nodes\[0\]\.memory: /],
      [{ name: 'cut.tgz', bytes: gzipSync(INFO.repeat(9)).subarray(0, 60) }, /^cut\.tgz: the archive is damaged: /],
      [{ name: 'bomb.zip', bytes: zipSync({ zeros }, { level: 1 }) }, /^bomb\.zip: expected at most 512 MiB in the archive, found more; /],
      [{ name: 'picture.png', bytes: Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10) }, /^picture\.png: /],
    ] as const) {
      await drop(page, file);
      await expect.poll(() => page.getByRole('alert').textContent(), { timeout: 60_000 }).toMatch(said);
      expect(await badge(page)).toBe('embedded Xen');
      await page.getByRole('button', { name: 'Close', exact: true }).click();
    }
    await drop(page, { name: 'beta.txt', bytes: INFO + LIST + VCPUS + DUMP });
    await expect.poll(() => badge(page), { timeout: 30_000 }).toBe('file');
    expect(faults).toEqual([]);
    await page.context().close();
  });
});

it('opens files on a page that is one file itself, with hostile names as text, at 320 pixels', async () => {
  const own = join(folder, 'own.html');
  expect(xennuma(['show', '--host', 'examples/hosts/two-nodes.yaml', '--html', own])).toMatchObject({ code: 0 });
  const vms = HOSTILE_NAMES.filter((name) => name !== '').map((name) => ({ name, vcpus: 1, memory: '64MiB' }));
  const { page, faults } = await openPage(browser, pathToFileURL(own).href, { viewport: { width: 320, height: 800 }, colorScheme: 'dark' });
  await expect.poll(() => badge(page)).toBe('embedded Xen');
  await drop(page, { name: '<img src=x onerror=alert(1)>.txt', bytes: INFO + LIST.replace('payroll', '<b>pay</b>') + VCPUS + DUMP });
  await expect.poll(() => badge(page), { timeout: 30_000 }).toBe('file');
  expect(await page.locator('header').textContent()).toContain('<img src=x onerror=alert(1)>.txt');
  expect(await overflow(page)).toBe(0);
  await drop(page, { name: 'h.yaml', bytes: 'nodes: [{ memory: 8GiB, cpus: 0-3 }]\n' }, { name: 'v.json', bytes: JSON.stringify({ vms }) });
  // Names that no VM of a description may have are refused with their place, the others are text.
  await expect.poll(async () => (await badge(page)) === 'embedded Xen' || (await page.getByRole('alert').count()) === 1).toBe(true);
  expect(await page.locator('img, b').count()).toBe(0);
  expect(faults).toEqual([]);
  await page.context().close();
});
