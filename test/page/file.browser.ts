// The page as one file, opened from disk.
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HostMap } from '../../src/map/host-map.js';
import { pageData } from '../../src/page/page-data.js';
import { pageAssets, pageFile } from '../../src/page/page-file.js';
import { profileOf } from '../../src/xenopsd/api/profiles.js';
import { HOSTILE_NAMES, hostMaps } from '../support/random-maps.js';
import { xennuma } from '../xennuma.js';
import { itIsAccessible, openBrowser, openPage, WROTE } from './browser.js';

const KB = 1000;
let browser: Browser;
const folder = mkdtempSync(join(tmpdir(), 'xennuma-page-'));
const dozen = join(folder, 'dozen.html');

beforeAll(async () => {
  browser = await openBrowser();
  const words = ['show', '--host', 'examples/hosts/epyc-7763-nps4.yaml', '--vms', 'examples/vms/dozen.yaml', '--policy', 'best_effort'];
  expect(xennuma([...words, '--html', dozen])).toMatchObject({ code: 0, err: WROTE });
});
afterAll(async () => {
  await browser.close();
  rmSync(folder, { recursive: true });
});

/** Hosts as a page on disk. */
function written(...maps: HostMap[]): string {
  const hosts = maps.map((map) => ({ map, notes: [], profile: profileOf('xapi-25.6'), policy: 'best_effort' as const }));
  const file = join(folder, 'maps.html');
  writeFileSync(file, pageFile(pageData('file', '1', null, hosts), pageAssets()));
  return pathToFileURL(file).href;
}

const address = () => pathToFileURL(dozen).href;

describe('the dozen on an EPYC', () => {
  it('says in its first sentence how many VMs are not on one node, and names the worst', async () => {
    const { page, faults } = await openPage(browser, address());
    await expect
      .poll(() => page.locator('.sentence').textContent())
      .toMatch(/^1 of 12 VMs is not on one node; about 48 GiB is read across nodes\.$/);
    expect(await page.locator('ol li').allTextContents()).toEqual([expect.stringMatching(/^\s*warehouse\s+Its memory is on nodes 6-7/)]);
    expect(await page.locator('.badge').textContent()).toBe('embedded Xen');
    expect(faults).toEqual([]);
    await page.context().close();
  });

  itIsAccessible(async (options) => {
    const { page } = await openPage(browser, `${address()}#vm=8&node=6`, options);
    await page.locator('#vms').waitFor();
    return page;
  });

  it('is the same to a screen reader: sockets, and nodes as buttons that say what the picture shows', async () => {
    const { page } = await openPage(browser, `${address()}#node=6`);
    await page.locator('#vms').waitFor();
    const tree = await page.locator('section[aria-labelledby=map-title]').ariaSnapshot();
    expect(tree).toContain('- group "Socket 0":');
    // 96 GiB of warehouse lie on nodes 6 and 7 alike; both are pressed or not as chosen.
    expect(tree).toMatch(/- button "Node 6 .*15\.\d+ GiB of 64 GiB free, 32 CPUs, 1 VM" \[pressed\]/);
    expect(tree).toMatch(/- button "Node 7 .*15\.\d+ GiB of 64 GiB free, 32 CPUs, 1 VM"/);
    expect(tree.match(/- button "Node \d /g)).toHaveLength(8);
    await page.context().close();
  });

  it('is worked by keyboard alone: a node, a VM, the search and the order', async () => {
    const { page } = await openPage(browser, address());
    const node = page.getByRole('button', { name: /^Node 6/ });
    await node.focus();
    await page.keyboard.press('Enter');
    expect(await node.getAttribute('aria-pressed')).toBe('true');
    expect(page.url()).toContain('#node=6');
    await page.getByRole('searchbox').focus();
    await page.keyboard.type('web');
    await expect.poll(() => page.locator('#vms tbody tr').count()).toBe(4);
    await page.getByRole('columnheader', { name: 'VM' }).getByRole('button').focus();
    await page.keyboard.press('Space');
    expect(
      await page
        .locator('#vms tbody th')
        .allTextContents()
        .then((names) => names.map((name) => name.trim())),
    ).toEqual(['web-1', 'web-2', 'web-3', 'web-4']);
    await page.locator('#vms tbody button').first().focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => page.locator('#selected-title').textContent()).toBe('web-1');
    await page.context().close();
  });

  it('has its whole view in its address', async () => {
    const { page } = await openPage(browser, `${address()}#vm=8&q=ware&sort=name`);
    await expect.poll(() => page.locator('#selected-title').textContent()).toBe('warehouse');
    expect(await page.getByRole('searchbox').inputValue()).toBe('ware');
    expect(await page.locator('#vms tbody tr').count()).toBe(1);
    await page.context().close();
  });

  it('refuses a script that somebody put into the file', async () => {
    const file = join(folder, 'injected.html');
    writeFileSync(
      file,
      readFileSync(dozen, 'utf8').replace(
        '</body>',
        '<script>globalThis.harmed = 1</script><img src=x onerror="globalThis.harmed=2"></body>',
      ),
    );
    const { page, faults } = await openPage(browser, pathToFileURL(file).href);
    await page.locator('.sentence').waitFor();
    expect(await page.evaluate('globalThis.harmed')).toBeUndefined();
    expect(faults.filter((fault) => /Content Security Policy/.test(fault)).length).toBeGreaterThanOrEqual(2);
    await page.context().close();
  });
});

it('hostile names are text', async () => {
  const [map] = fc.sample(hostMaps({ nodesMost: 4, domainsMost: 0 }), { seed: 3, numRuns: 1 }) as [HostMap];
  const domains = HOSTILE_NAMES.map((name, index) => ({
    ...({ domid: index + 1, name, kind: 'pvh', state: 'running', pool: 0, vcpus: [], nodeAffinity: [], autoNodeAffinity: null } as const),
    pages: map.nodes.map(() => 100_000),
  }));
  const { page, faults } = await openPage(browser, written({ ...map, domains }));
  await page.locator('#vms').waitFor();
  expect(await page.evaluate('globalThis.harmed')).toBeUndefined();
  expect(await page.locator('#vms img, #vms script').count()).toBe(0);
  expect(await page.locator('#vms').textContent()).toContain('<img src=x onerror="globalThis.harmed=1">');
  expect(faults).toEqual([]);
  await page.context().close();
});

it('500 hosts at random in one file, each with a node and a VM chosen, bring no error and no report', { timeout: 300_000 }, async () => {
  const maps = fc.sample(hostMaps(), { seed: 11, numRuns: 500 });
  const { page, faults } = await openPage(browser, written(...maps));
  // Many hosts open at their list.
  await page.locator('#hosts').waitFor();
  for (const [host, { nodes, domains }] of maps.entries()) {
    const route = `#host=${host}&node=${host % nodes.length}&vm=${host % Math.max(1, domains.length)}`;
    await page.evaluate(`location.hash = ${JSON.stringify(route)}; new Promise((done) => requestAnimationFrame(() => setTimeout(done)))`);
    expect(await page.getByRole('button', { name: /^Node \d+/ }).count()).toBe(nodes.length);
    // The other views, of each fifth host: its starts are not recorded, and there is no plan.
    if (host % 5 !== 0) continue;
    for (const [view, title] of [
      ['why', '#why-title'],
      ['plan', '#plan-title'],
    ]) {
      await page.evaluate(`location.hash = ${JSON.stringify(`${route}&view=${view}`)}; new Promise((done) => setTimeout(done))`);
      expect(await page.locator(title!).count()).toBe(1);
    }
  }
  expect(faults).toEqual([]);
  await page.context().close();
});

describe('64 nodes of 64 CPUs with 1,000 VMs', () => {
  const cpus = Array.from({ length: 4096 }, (_, id) => ({ id, node: id >> 6, core: id >> 1, socket: id >> 9, online: true, pool: 0 }));
  const onNode = Array.from({ length: 64 }, (_, node) => cpus.filter((cpu) => cpu.node === node).map(({ id }) => id));
  const map: HostMap = {
    name: 'large',
    hypervisor: 'embedded Xen 4.17',
    cpus,
    nodes: onNode.map((_, id) => ({ id, memoryBytes: 2 ** 38, freePages: 2 ** 20, claimedPages: 0 })),
    distances: onNode.map((_, from) => onNode.map((__, to) => (from === to ? 10 : 20))),
    domains: Array.from({ length: 1000 }, (_, index) => ({
      ...({
        domid: index,
        name: `vm-${index}`,
        kind: 'pvh',
        state: 'running',
        pool: 0,
        nodeAffinity: [index % 64],
        autoNodeAffinity: true,
      } as const),
      vcpus: [0, 1, 2, 3].map((id) => ({
        id,
        online: true,
        hard: cpus.map((cpu) => cpu.id),
        soft: onNode[(index + (index % 10 === 0 ? 1 : 0)) % 64]!,
      })),
      pages: onNode.map((__, node) => (node === index % 64 ? 2 ** 20 : 0)),
    })),
  };

  it('is less than 700 KB, shows all nodes, and only the rows in sight', async () => {
    const { page, faults } = await openPage(browser, written(map));
    await page.locator('#vms').waitFor();
    expect(statSync(join(folder, 'maps.html')).size).toBeLessThan(700 * KB);
    expect(await page.getByRole('button', { name: /^Node \d+/ }).count()).toBe(64);
    expect(await page.locator('#vms tbody tr').count()).toBeLessThan(100);
    await page.locator('#vms').evaluate((element) => element.scrollTo(0, element.scrollHeight));
    await expect.poll(() => page.locator('#vms tbody th').last().textContent()).not.toContain('vm-0');
    expect(faults).toEqual([]);
    await page.context().close();
  });

  it('shows other rows in the same elements while its table scrolls, and leaves the focus on no row that is another one', async () => {
    const { page, faults } = await openPage(browser, `${written(map)}#sort=name`);
    const table = page.locator('#vms');
    await table.waitFor();
    const scrollTo = async (top: number, row: number) => {
      await table.evaluate((element, to) => element.scrollTo(0, to), top);
      await table.locator(`tr[aria-rowindex="${row}"]`).waitFor();
    };
    const ROW = 34;
    await scrollTo(100 * ROW, 117);
    await page.evaluate("globalThis.known = new Set(document.querySelectorAll('#vms tbody tr'))");
    await page.getByRole('button', { name: 'vm-110', exact: true }).focus();
    // vm-N is in row N + 2: the first one is that of the heads.
    await scrollTo(103 * ROW, 129);
    expect(await page.evaluate("[...document.querySelectorAll('#vms tbody tr')].filter((row) => !globalThis.known.has(row)).length")).toBe(
      0,
    );
    // Read at once: the elements change their rows.
    const shown = await table.evaluate((element) =>
      [...element.querySelectorAll('tbody tr[aria-rowindex]')].map((row) => ({
        index: Number(row.getAttribute('aria-rowindex')),
        name: row.querySelector('th')!.textContent!.trim(),
      })),
    );
    expect(shown.length).toBeGreaterThan(16);
    expect(shown).toEqual(shown.map((_, at) => ({ index: shown[0]!.index + at, name: `vm-${shown[0]!.index + at - 2}` })));
    expect(await page.evaluate('document.activeElement.textContent.trim()')).toBe('vm-110');
    await scrollTo(500 * ROW, 510);
    expect(await page.evaluate('document.activeElement.id')).toBe('vms');
    expect(faults).toEqual([]);
    await page.context().close();
  });

  it('marks the row of the chosen VM and no other, wherever the table is', async () => {
    const { page, faults } = await openPage(browser, `${written(map)}#sort=name&vm=110`);
    const table = page.locator('#vms');
    await table.waitFor();
    const marked = () =>
      table.evaluate((element) => ({
        rows: [...element.querySelectorAll('tr.chosen th')].map((cell) => cell.textContent!.trim()),
        pressed: [...element.querySelectorAll('[aria-pressed=true]')].map((button) => button.textContent!.trim()),
      }));
    const of = (...names: string[]) => ({ rows: names, pressed: names });
    const scrollTo = async (row: number) => {
      await table.evaluate((element, to) => element.scrollTo(0, to), row * 34);
      await table.locator(`tr[aria-rowindex="${row + 4}"]`).waitFor();
    };
    await scrollTo(105);
    await expect.poll(marked).toEqual(of('vm-110'));
    await scrollTo(500);
    await expect.poll(marked).toEqual(of());
    await scrollTo(108);
    await expect.poll(marked).toEqual(of('vm-110'));
    await page.getByRole('button', { name: 'vm-112', exact: true }).click();
    await expect.poll(marked).toEqual(of('vm-112'));
    await page.getByRole('searchbox').first().fill('vm-11');
    await expect.poll(marked).toEqual(of('vm-112'));
    await page.getByRole('searchbox').first().fill('');
    await scrollTo(108);
    await page.getByRole('button', { name: 'vm-112', exact: true }).click();
    await expect.poll(marked).toEqual(of());
    expect(faults).toEqual([]);
    await page.context().close();
  });

  it('draws for another VM only the nodes that it changes, and no cell of the distances', async () => {
    const { page, faults } = await openPage(browser, `${written(map)}#vm=1`);
    await page.locator('#vms').waitFor();
    const pairs = page.locator('path.vms');
    const box = async (row: number, column: number) =>
      page.locator('section[aria-labelledby=distances-title] tbody tr').nth(row).locator('td').nth(column).boundingBox();
    const isOver = (one: { x: number; y: number }, other: { x: number; y: number }) =>
      Math.abs(one.x - other.x) < 4 && Math.abs(one.y - other.y) < 4;
    await expect.poll(async () => isOver((await pairs.boundingBox())!, (await box(1, 1))!)).toBe(true);
    await page.evaluate(`{
      globalThis.drawn = new Set();
      globalThis.changes = 0;
      const { clearRect } = CanvasRenderingContext2D.prototype;
      CanvasRenderingContext2D.prototype.clearRect = function (...area) {
        globalThis.drawn.add(this.canvas.closest('button').querySelector('strong').textContent);
        return clearRect.apply(this, area);
      };
      new MutationObserver((records) => { globalThis.changes += records.length; })
        .observe(document.querySelector('section[aria-labelledby=distances-title] table'), { subtree: true, childList: true, attributes: true, characterData: true });
      location.hash = '#vm=2';
    }`);
    await expect.poll(async () => isOver((await pairs.boundingBox())!, (await box(2, 2))!)).toBe(true);
    expect(await page.evaluate('[...globalThis.drawn].sort()')).toEqual(['Node 1', 'Node 2']);
    expect(await page.evaluate('globalThis.changes')).toBe(0);
    expect(faults).toEqual([]);
    await page.context().close();
  });

  it('has the address of each choice at once, and changes it for a held key no more often than browsers allow', async () => {
    const { page } = await openPage(browser, written(map));
    await page.locator('#vms').waitFor();
    const choose = (nodes: readonly number[]) =>
      page.evaluate(`for (const node of [${nodes}]) document.querySelectorAll('.sockets button')[node].click(); location.hash`);
    expect(await choose([3, 4])).toBe('#node=4');
    await page.evaluate('history.back()');
    await expect.poll(() => page.url()).toContain('#node=3');
    await expect.poll(() => page.getByRole('button', { name: /^Node 3 / }).getAttribute('aria-pressed')).toBe('true');
    await page.evaluate(`{
      globalThis.changes = 0;
      for (const name of ['pushState', 'replaceState']) {
        const change = history[name].bind(history);
        history[name] = (...words) => (globalThis.changes++, change(...words));
      }
    }`);
    await choose([...Array.from({ length: 700 }, (_, at) => at % 7), 7]);
    await expect.poll(() => page.url()).toContain('#node=7');
    // Safari allows 100 in ten seconds.
    expect(await page.evaluate('globalThis.changes')).toBeLessThan(100);
    expect(await page.getByRole('button', { name: /^Node 3 / }).getAttribute('aria-pressed')).toBe('false');
    await page.context().close();
  });
});
