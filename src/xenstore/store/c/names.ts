// Names of nodes as the C daemon checks and derives them.
// Source: tools/xenstore/xenstored_core.c canonicalize, is_valid_nodename, get_parent (Xen 4.17).

const VALID_CHARACTERS = /^[A-Za-z0-9\-/_@]+$/;
const DOMAIN_PREFIX = /^\/local\/domain\/[ \t\n\v\f\r]*[+-]?\d{1,5}\//;

/**
 * Absolute name that a client means: relative ones start at its home. Special names ("@...") stay.
 */
export function canonical(name: string, home: string): string {
  return name.startsWith('/') || name.startsWith('@') ? name : `${home}/${name}`;
}

/**
 * Letters, digits and -/_@, no empty part, no '/' at the end, not too long behind a
 * "/local/domain/N/".
 */
export function isValidName(name: string, maxBytes: number): boolean {
  if (!name.startsWith('/') || (name.length > 1 && name.endsWith('/')) || name.includes('//')) return false;
  if (name.length > maxBytes) {
    const prefix = DOMAIN_PREFIX.exec(name)?.[0].length ?? 0;
    if (name.length > prefix + maxBytes) return false;
  }
  return VALID_CHARACTERS.test(name);
}

/**
 * "/a" of "/a/b"; "/" of "/a"; also of names that are not valid, which the daemon asks for as well.
 */
export function parentOf(name: string): string {
  const slash = name.lastIndexOf('/');
  return slash < 1 ? '/' : name.slice(0, slash);
}

export function lastPart(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1);
}

export function childOf(parent: string, child: string): string {
  return parent === '/' ? `/${child}` : `${parent}/${child}`;
}
