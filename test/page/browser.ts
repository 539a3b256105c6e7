// A real browser for tests of the page, and what they look at: errors, refusals of the policy, and
// axe's judgement.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { expect, it } from 'vitest';

/** What `--html FILE` says on standard error. */
export const WROTE: unknown = expect.stringMatching(/^wrote [^\n]*\n$/);

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/**
 * As root in a container Chromium has no sandbox of its own, and little shared memory. It opens
 * files and this machine only.
 */
export function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  });
}

export interface Watched {
  readonly page: Page;
  /** Errors of scripts, of the console and of the policy, and requests that went elsewhere. */
  readonly faults: string[];
}

export async function openPage(browser: Browser, address: string, options: BrowserContextOptions = {}): Promise<Watched> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const faults: string[] = [];
  const origin = new URL(address).origin;
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(`console: ${message.text()}`);
  });
  page.on('request', (request) => {
    const to = new URL(request.url());
    if (to.protocol !== 'data:' && to.origin !== origin) faults.push(`request: ${request.url()}`);
  });
  await page.goto(address);
  return { page, faults };
}

/**
 * Violations that axe finds, with the elements. It runs by the debugger: the policy allows no
 * script of others.
 */
export async function axeViolations(page: Page): Promise<string[]> {
  if (!(await page.evaluate(`typeof axe === 'object'`))) await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> } };
    const { violations } = await axe.run();
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`);
  });
}

/** Columns by which the page is wider than its window. */
export function overflow(page: Page): Promise<number> {
  return page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth') as Promise<number>;
}

/**
 * In both colours and at three widths: axe finds no fault, and the page is not wider than its
 * window.
 */
export async function expectAccessible(page: Page): Promise<void> {
  for (const width of [1280, 390, 320]) {
    await page.setViewportSize({ width, height: 900 });
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await axeViolations(page), `${colorScheme}, ${width} pixels`).toEqual([]);
      expect(await overflow(page), `${colorScheme}, ${width} pixels`).toBe(0);
    }
  }
}

/**
 * Defines a test in both colours and at three widths.
 * @param open opens the page that is judged, and waits until it is drawn
 */
export function itIsAccessible(open: (options: BrowserContextOptions) => Promise<Page>): void {
  it('has no fault that axe finds, in light and dark colours at 1280, 390 and 320 pixels, and is not wider than its window', async () => {
    const page = await open({});
    await expectAccessible(page);
    await page.context().close();
  });
}
