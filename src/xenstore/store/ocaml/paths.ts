// Paths as oxenstored checks them.
// Sources: tools/ocaml/xenstored/utils.ml path_validate, store.ml Path.of_string (Xen 4.17).
import { fail } from '../failure.js';

const NAME = /^[A-Za-z0-9_\-@]+$/;
const NAMES = /^(?:\/[A-Za-z0-9_\-@]+)+$/;
const DOMAIN_PREFIX = /^\/local\/domain\/[+-]?\d[\d_]*\//;

/** Names from the root down; [] is "/". */
export type Parts = readonly string[];

/** Absolute: '/' and '@' stay, others start at the client's home. */
export function absolute(path: string, home: string): string {
  if (path === '') fail('EINVAL');
  return path.startsWith('/') || path.startsWith('@') ? path : `${home}/${path}`;
}

/**
 * The node that a request means. "@x" is an ordinary node of the root, whatever it is made of.
 * @throws StoreFailure EINVAL
 */
export function partsOf(path: string, home: string, maxBytes: number): Parts {
  const full = absolute(path, home);
  if (full.length > maxBytes) {
    const prefix = DOMAIN_PREFIX.exec(full)?.[0].length ?? 0;
    if (full.length - prefix > maxBytes) fail('EINVAL');
  }
  return split(full);
}

/**
 * @throws StoreFailure EINVAL for an empty name or other characters than letters, digits and -_@
 */
export function split(full: string): Parts {
  if (full === '/') return [];
  if (full.startsWith('@')) return [full];
  if (!NAMES.test(full)) fail('EINVAL');
  return full.slice(1).split('/');
}

export function textOf(parts: Parts): string {
  return `/${parts.join('/')}`;
}

/**
 * As `split` reads it: a name that no other path can say ("@x/y", one node of the root) stands
 * without its slash.
 */
export function plainText(parts: Parts): string {
  return parts.length === 1 && !NAME.test(parts[0]!) ? parts[0]! : textOf(parts);
}
