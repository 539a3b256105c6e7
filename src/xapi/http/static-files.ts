// A folder of files served by GET, as a host serves XO Lite (ocaml/xapi/fileserver.ml of xen-api
// e2ee48d6). No file outside of the folder is served, wherever links in it lead.
import { constants } from 'node:fs';
import { open, realpath, stat } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { InputError } from '../../base/errors.js';
import { refuse } from './refuse.js';

const INDEX = 'index.html';
const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.gif': 'image/gif',
  '.htm': 'text/html; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.jpeg': 'image/jpeg',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.md': 'text/markdown; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.pdf': 'application/pdf',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
  '.webp': 'image/webp',
  '.woff': 'font/woff',
  '.woff2': 'font/woff2',
  '.xml': 'application/xml',
};

/** Serves one GET or HEAD. */
export type StaticFiles = (request: IncomingMessage, response: ServerResponse, url: URL) => Promise<void>;

/** @throws InputError for what is no folder, or cannot be read */
export async function openStaticFiles(folder: string): Promise<StaticFiles> {
  const root = await realpath(folder).catch(() => null);
  if (root === null || !(await stat(root)).isDirectory()) {
    throw new InputError(`'${folder}' is no folder that can be read`, { path: '--www' }, 'name the folder that has index.html');
  }
  return (request, response, url) => serveFile(root, request, response, url);
}

async function serveFile(root: string, request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
  const names = namesOf(url.pathname);
  if (names === null) return refuse(response, 403, 'outside of the folder');
  // Hidden files are not meant for visitors, but for version control and editors.
  if (names.some((name) => name.startsWith('.') && name !== '.well-known')) return refuse(response, 404, 'there is nothing here');
  const found = await realpath(join(root, ...names)).catch(() => null);
  if (found === null) return refuse(response, 404, 'there is nothing here');
  if (found !== root && !found.startsWith(root.endsWith(sep) ? root : root + sep)) return refuse(response, 403, 'outside of the folder');
  if (!(await stat(found)).isDirectory()) {
    return url.pathname.endsWith('/') ? refuse(response, 404, 'there is nothing here') : send(found, request, response);
  }
  // Names in a page are relative to its folder, for which the browser needs the slash.
  if (!url.pathname.endsWith('/')) {
    response.writeHead(301, { location: `${url.pathname.replace(/^\/+/, '/')}/${url.search}`, 'content-length': 0 }).end();
    return;
  }
  const index = await realpath(join(found, INDEX)).catch(() => null);
  if (index === null) return refuse(response, 404, 'there is nothing here');
  if (!index.startsWith(root.endsWith(sep) ? root : root + sep)) return refuse(response, 403, 'outside of the folder');
  return send(index, request, response);
}

/** The path's parts, decoded; null for one that no browser sends. */
function namesOf(path: string): string[] | null {
  try {
    const names = decodeURIComponent(path)
      .split('/')
      .filter((name) => name !== '' && name !== '.');
    return names.some((name) => name === '..' || /[\0\\]/.test(name)) ? null : names;
  } catch {
    return null;
  }
}

/** @param file without links in its path */
async function send(file: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(() => null);
  if (handle === null) return refuse(response, 404, 'there is nothing here');
  try {
    const { size, mtime, mtimeMs, ino } = await handle.stat().then((found) => (found.isFile() ? found : Promise.reject(new NoFile())));
    const etag = `"${ino.toString(36)}-${size.toString(36)}-${Math.trunc(mtimeMs).toString(36)}"`;
    const modified = mtime.toUTCString();
    // no-cache: a browser keeps the file, and asks each time whether it is still the same.
    const validators = { etag, 'last-modified': modified, 'cache-control': 'no-cache' };
    if (isKnown(request, etag, mtimeMs)) {
      response.writeHead(304, validators).end();
      return;
    }
    const type = TYPES[extname(file).toLowerCase()] ?? 'application/octet-stream';
    response.writeHead(200, { 'content-type': type, 'content-length': size, 'x-content-type-options': 'nosniff', ...validators });
    if (request.method === 'HEAD' || size === 0) response.end();
    // No more than was announced, if the file grows meanwhile.
    else await pipeline(handle.createReadStream({ end: size - 1, autoClose: false }), response);
  } catch (error) {
    if (error instanceof NoFile) refuse(response, 404, 'there is nothing here');
    // The client has left, or the file became shorter: the connection cannot go on.
    else response.destroy();
  } finally {
    await handle.close();
  }
}

class NoFile extends Error {}

/** If-None-Match takes precedence (RFC 9110, 13.2.2). */
function isKnown({ headers }: IncomingMessage, etag: string, mtimeMs: number): boolean {
  const tags = headers['if-none-match'];
  if (tags !== undefined) return tags === '*' || tags.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
  const since = Date.parse(headers['if-modified-since'] ?? '');
  return !Number.isNaN(since) && Math.trunc(mtimeMs / 1000) * 1000 <= since;
}
