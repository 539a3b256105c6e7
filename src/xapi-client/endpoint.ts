// The address of a XAPI host, from a URL or a host name, and how its certificate is checked.
import { InputError } from '../base/errors.js';

export interface Endpoint {
  readonly secure: boolean;
  readonly host: string;
  readonly port: number;
  /** Certificates in PEM to trust; the system's own when it is not given. */
  readonly ca?: string;
  /** Accept any certificate. */
  readonly insecure: boolean;
}

export const ENDPOINT_MEND = 'give the URL of a pool coordinator or of xennuma serve, such as https://xcp-1 or http://127.0.0.1:8080';

/** @throws InputError when it is not an http or https URL that names a host only */
export function parsePoolUrl(text: string, trust: { readonly ca?: string; readonly insecure?: boolean } = {}): Endpoint {
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`;
  let url: URL;
  try {
    url = new URL(withScheme);
  } catch {
    throw new InputError(`expected a URL, got ${JSON.stringify(text.slice(0, 200))}`, { path: '--pool' }, ENDPOINT_MEND);
  }
  const fault = (message: string) => new InputError(message, { path: '--pool' }, ENDPOINT_MEND);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw fault(`expected https or http, got ${url.protocol.slice(0, -1)}`);
  if (url.username !== '' || url.password !== '') throw fault('a user and password do not belong in the URL; use -u and -pwf');
  if (url.hostname === '' || (url.pathname !== '/' && url.pathname !== '') || url.search !== '' || url.hash !== '') {
    throw fault(`the URL must name a host only, without a path: ${JSON.stringify(text.slice(0, 200))}`);
  }
  const secure = url.protocol === 'https:';
  return {
    secure,
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? usualPort(secure) : Number(url.port),
    insecure: trust.insecure === true,
    ...(trust.ca === undefined ? {} : { ca: trust.ca }),
  };
}

const usualPort = (secure: boolean) => (secure ? 443 : 80);

export function endpointUrl(endpoint: Endpoint): string {
  const host = endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host;
  const usual = usualPort(endpoint.secure);
  return `${endpoint.secure ? 'https' : 'http'}://${host}${endpoint.port === usual ? '' : `:${endpoint.port}`}`;
}
