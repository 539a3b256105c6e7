// The page as HTML: one file that opens from disk, with its data, or the frame that the daemon
// serves. Only the script and style inside it may run: the policy names them by their hashes.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { PACKAGE_FOLDER } from '../base/own-package.js';
import type { PageData } from './page-data.js';
import type { PageRun } from './page-run.js';
import type { PageWorkload } from './page-workload.js';

export interface PageAssets {
  readonly script: string;
  readonly style: string;
  /** The embedded host, for plans. */
  readonly worker: string;
  /** Reads files that are opened on the page. */
  readonly reader: string;
  /** Fields of VMs and hosts, a module; of a daemon's page only. */
  readonly settings: string;
}

/**
 * Two bars, blue and orange, 32 x 32. A PNG: Chromium reads the icon again at each change of the
 * address, and makes a document of its own for an SVG each time.
 */
const ICON =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAACAAAAAgAgMAAAAOFJJnAAAACVBMVEUAAAALYqjCQQzwdnyFAAAAAXRSTlMAQObYZgAAABZJREFUeNpjCA0NDeBatWoVwygDGwMA10Vq4VnqP3oAAAAASUVORK5CYII=';

/** Policies of Trusted Types: of Svelte's templates, and of the one worker. */
const TRUSTED_TYPES = "require-trusted-types-for 'script'; trusted-types svelte-trusted-html xennuma-worker";

/** @throws Error when the program was built without its page */
export function pageAssets(): PageAssets {
  const read = (name: string): string => readFileSync(join(PACKAGE_FOLDER, 'dist/page', name), 'utf8');
  return {
    script: read('app.js'),
    style: read('app.css'),
    worker: read('worker.js'),
    reader: read('reader.js'),
    settings: read('settings.js'),
  };
}

/** Content-Security-Policy of the page that the daemon serves. */
export const DAEMON_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  TRUSTED_TYPES,
].join('; ');

/** The frame: its paths are relative, so that a proxy may add a prefix that ends in '/'. */
export function daemonPage(): string {
  return html('<link rel="stylesheet" href="page/app.css">', '<script defer src="page/app.js"></script>');
}

/** What the page reads when it is needed; index = host. */
export interface PageParts {
  /** Runs of the VMs, by domid: thousands of sentences that are much alike. */
  readonly runs?: readonly ReadonlyMap<number, readonly PageRun[]>[];
  /** null = nothing to plan with. */
  readonly workloads?: readonly (PageWorkload | null)[];
}

/** Most of one file; where the data alone needs it, the file is without the reader of others. */
const FILE_BYTES_MOST = 700_000;
/** Room for what is in every file: the policy, the icon, the frame. */
const FRAME_BYTES = 2000;

/** One file with data, script and style. It asks no server for anything. */
export function pageFile(
  data: PageData,
  { script, style, worker, reader }: Omit<PageAssets, 'settings'>,
  { runs = [], workloads = [] }: PageParts = {},
): string {
  const code = inScript(script);
  const plans = workloads.some((workload) => workload !== null);
  const others = [
    dataScript(data),
    packed('xennuma-workloads', plans ? JSON.stringify(workloads) : ''),
    packed('xennuma-worker', worker),
  ].join('');
  const room = FILE_BYTES_MOST - FRAME_BYTES - Buffer.byteLength(others + code + style);
  const parts = others + packedRuns(runs, Math.min(room, RUNS_BYTES_MOST));
  const last = packed('xennuma-reader', reader);
  const reads = Buffer.byteLength(parts + last + code + style) < FILE_BYTES_MOST - FRAME_BYTES;
  const policy = [
    "default-src 'none'",
    `script-src '${sha256(code)}'`,
    `style-src '${sha256(style)}'`,
    'img-src data:',
    "connect-src 'none'",
    // The workers' text stands in this file; they come under the same policy.
    'worker-src blob:',
    "base-uri 'none'",
    "form-action 'none'",
    TRUSTED_TYPES,
  ].join('; ');
  return html(
    `<meta http-equiv="Content-Security-Policy" content="${policy}">\n<style>${style}</style>`,
    `${parts}${reads ? last : ''}<script>${code}</script>`,
  );
}

function html(head: string, end: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>xennuma</title>
<link rel="icon" href="${ICON}">
${head}
</head>
<body>
<div id="page"><noscript>This page needs JavaScript. The same as text: xennuma show</noscript></div>
${end}
</body>
</html>
`;
}

const sha256 = (text: string): string => `sha256-${createHash('sha256').update(text, 'utf8').digest('base64')}`;

/** Code in which neither the end of the script nor the start of a comment can be read. */
function inScript(code: string): string {
  return code.replace(/<(?=\/script|script|!--)/gi, '\\x3c');
}

/** Data past so many characters is packed: a large host is mostly zeros. */
const PLAIN_MOST = 100_000;

function dataScript(data: PageData): string {
  const text = JSON.stringify(data);
  if (text.length > PLAIN_MOST) return packed('xennuma-packed', text);
  return `<script type="application/json" id="xennuma-data">${jsonInScript(text)}</script>\n`;
}

/** JSON that stays data whatever its texts hold, lone surrogates included. */
function jsonInScript(text: string): string {
  return text.replace(/[<>&\u2028\u2029]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Most of a file that the runs may take. */
const RUNS_BYTES_MOST = 300_000;
/** Longest text of a step or a sentence: all of it, or less where that is too much for one file. */
const LONGEST = [Number.POSITIVE_INFINITY, 1000, 300, 200, 100, 50, 0];

/** As much of the runs as there is room for; what is cut ends in "...", and `explain` has it. */
function packedRuns(runs: NonNullable<PageParts['runs']>, most: number): string {
  if (runs.every(({ size }) => size === 0)) return '';
  let script = '';
  for (const longest of LONGEST) {
    const cut = (text: string): string => (text.length <= longest ? text : `${text.slice(0, longest)}...`);
    const shorter = (run: PageRun): PageRun => ({
      ...run,
      sentences: run.sentences.map(cut),
      steps: run.steps.map((step) => ({ ...step, values: step.values === '' ? '' : cut(step.values) })),
    });
    const hosts = runs.map((ofHost) => Object.fromEntries([...ofHost].map(([vm, ones]) => [vm, ones.map(shorter)])));
    script = packed('xennuma-runs', JSON.stringify(hosts));
    if (script.length <= most) break;
  }
  return script;
}

/** A text for the page alone, as base64 of DEFLATE: it holds nothing that HTML could read. */
function packed(id: string, text: string): string {
  return text === '' ? '' : `<script type="text/plain" id="${id}">${deflateRawSync(text, { level: 9 }).toString('base64')}</script>\n`;
}
