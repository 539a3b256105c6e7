// XenStore paths: which are valid, and what a relative one means. Box of the chart: XenStore.
import { fail } from './failure.js';
import { ABSOLUTE_PATH_MAX, type Personality, RELATIVE_PATH_MAX } from './limits.js';

export interface StorePath {
  /** Absolute: "/local/domain/3/name", or an event's name: "@releaseDomain". */
  readonly text: string;
  /** Names from the root down; empty for "/". */
  readonly parts: readonly string[];
  /** Starts with '@': names an event (a node of the root for oxenstored). */
  readonly special: boolean;
}

const VALID_CHARACTERS = /^[A-Za-z0-9\-/_@]+$/;

/** "/local/domain/3": where the relative paths of domain 3 start. */
export function domainPathOf(domid: number): string {
  return `/local/domain/${domid}`;
}

/** "/a/b" of ["a", "b"]; "/" of []. */
export function textOf(parts: readonly string[], depth = parts.length): string {
  return depth === 0 ? '/' : `/${(depth === parts.length ? parts : parts.slice(0, depth)).join('/')}`;
}

/**
 * The path that a request of a connection means. Relative ones start at `base` (the connection's domain path).
 * Rules: docs/misc/xenstore.txt ("Paths"); tools/xenstore/xenstored_core.c is_valid_nodename, tools/ocaml/xenstored/store.ml Path.
 * @throws StoreFailure EINVAL for other characters than letters, digits and -/_@, an empty name, a '/' at the end, or too long a path
 */
export function parsePath(given: string, base: string, personality: Personality): StorePath {
  if (given === '/') return { text: '/', parts: [], special: false };
  if (!VALID_CHARACTERS.test(given) || given.endsWith('/') || given.includes('//')) fail('EINVAL');
  if (given.length > ABSOLUTE_PATH_MAX[personality]) fail('EINVAL');
  if (given.startsWith('@')) return { text: given, parts: [given], special: true };
  if (given.startsWith('/')) return { text: given, parts: given.slice(1).split('/'), special: false };
  if (given.length > RELATIVE_PATH_MAX) fail('EINVAL');
  const text = `${base}/${given}`;
  return { text, parts: text.slice(1).split('/'), special: false };
}
