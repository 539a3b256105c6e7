// The web pages that may call the API: those of this server's own origin, and those of configured
// origins, for which browsers get the headers that they require (fetch.spec.whatwg.org, CORS
// protocol). xapi allows every origin (api_server.ml, http_svr.ml respond_to_options).
import type { IncomingMessage, ServerResponse } from 'node:http';
import { InputError } from '../../base/errors.js';

/** How long a browser may remember the answer to its question. */
const REMEMBER_SECONDS = 600;

/** @throws InputError for a URL that is no origin */
export function parseOrigin(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const web = url !== null && (url.protocol === 'http:' || url.protocol === 'https:');
  if (!web || url.username !== '' || url.search !== '' || url.hash !== '' || url.pathname !== '/') {
    throw new InputError(
      `'${text}' is not an origin`,
      { path: '--origin' },
      'write scheme, host and port only: https://admin.example:8443',
    );
  }
  return url.origin;
}

/** @param host of the Host header */
export function isSameOrigin(origin: string, host: string): boolean {
  try {
    return new URL(origin).host === new URL(`http://${host}`).host || new URL(origin).host === new URL(`https://${host}`).host;
  } catch {
    return false;
  }
}

/** For every answer to a page of an allowed origin, errors included. */
export function allowOrigin(origin: string, response: ServerResponse): void {
  response.setHeader('access-control-allow-origin', origin);
  response.setHeader('access-control-expose-headers', 'etag, www-authenticate');
}

/**
 * The answer to OPTIONS: what the path takes and, for a page of an allowed origin, that it may send
 * what it asks to send.
 */
export function answerOptions(request: IncomingMessage, response: ServerResponse, methods: string, allowed: boolean): void {
  const { headers } = request;
  if (allowed) {
    const requested = headers['access-control-request-headers'];
    response.setHeader('access-control-allow-methods', methods);
    response.setHeader('access-control-allow-headers', requested === undefined ? 'X-Requested-With' : `${requested}, X-Requested-With`);
    response.setHeader('access-control-max-age', REMEMBER_SECONDS);
    // A page of the internet that calls a machine of the own network.
    if (headers['access-control-request-private-network'] === 'true') response.setHeader('access-control-allow-private-network', 'true');
  }
  response.writeHead(204, { allow: methods }).end();
}
