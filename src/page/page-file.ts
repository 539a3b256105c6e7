// The page as HTML: one file that opens from disk, with its data, or the frame that the daemon
// serves. Nothing in it may run but what stands here: script and style are named by their hashes.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_FOLDER } from '../base/own-package.js';
import type { PageData } from './page-data.js';

export interface PageAssets {
  readonly script: string;
  readonly style: string;
}

const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='7' height='16' fill='%230b62a8'/%3E%3Crect x='9' width='7' height='16' fill='%23c2410c'/%3E%3C/svg%3E";

/** Svelte makes its templates through this policy of Trusted Types. */
const TRUSTED_TYPES = "require-trusted-types-for 'script'; trusted-types svelte-trusted-html";

/** @throws Error when the program was built without its page */
export function pageAssets(): PageAssets {
  const read = (name: string): string => readFileSync(join(PACKAGE_FOLDER, 'dist/page', name), 'utf8');
  return { script: read('app.js'), style: read('app.css') };
}

/** Content-Security-Policy of the page that the daemon serves. */
export const DAEMON_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  TRUSTED_TYPES,
].join('; ');

/** The frame: its paths are relative, so that a proxy may add a prefix that ends in '/'. */
export function daemonPage(): string {
  return html('<link rel="stylesheet" href="page/app.css">', '<script defer src="page/app.js"></script>');
}

/** One file with data, script and style. It asks no server for anything. */
export function pageFile(data: PageData, { script, style }: PageAssets): string {
  const code = inScript(script);
  const policy = [
    "default-src 'none'",
    `script-src '${sha256(code)}'`,
    `style-src '${sha256(style)}'`,
    'img-src data:',
    "connect-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    TRUSTED_TYPES,
  ].join('; ');
  return html(
    `<meta http-equiv="Content-Security-Policy" content="${policy}">\n<style>${style}</style>`,
    `<script type="application/json" id="xennuma-data">${jsonInScript(data)}</script>\n<script>${code}</script>`,
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

/** JSON that stays data whatever its texts hold, lone surrogates included. */
function jsonInScript(data: PageData): string {
  return JSON.stringify(data).replace(/[<>&\u2028\u2029]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
