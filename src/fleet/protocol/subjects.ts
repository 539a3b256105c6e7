// Subjects of the fleet's stream, and the names in them. A subject's parts are whole tokens, since
// the permissions of NATS match whole tokens only.
//   h.HOST.m                        the host's light map, by its owner
//   h.HOST.r.PLACER.PROCESS-NUMBER  a claim on the host, by a process of the placer; its deletion
//   h.HOST.o.EPOCH.OWNER            a daemon that became, or tried to become, the host's owner

/** All that the stream keeps. */
export const STREAM_SUBJECTS = 'h.>';

/** Greatest epoch of an owner: nine digits. */
export const MOST_EPOCH = 999_999_999;

const TOKEN = /^[A-Za-z0-9_-]{1,64}$/;

export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

/** A host's name as a token: a dot would be two tokens. */
export function hostToken(name: string): string {
  const token = name.replace(/[^A-Za-z0-9_-]/g, '_').slice(0, 64);
  return token === '' ? 'host' : token;
}

export const mapSubject = (host: string): string => `h.${host}.m`;
/** @param id PLACER.PROCESS-NUMBER */
export const claimSubject = (host: string, id: string): string => `h.${host}.r.${id}`;
export const ownerSubject = (host: string, epoch: number, owner: string): string => `h.${host}.o.${epoch}.${owner}`;

export type Place =
  | { readonly kind: 'map'; readonly host: string }
  | { readonly kind: 'claim'; readonly host: string; readonly id: string; readonly process: string }
  | { readonly kind: 'owner'; readonly host: string; readonly epoch: number; readonly owner: string };

/** The process that made a claim: PLACER.PROCESS. It holds the lease. */
export function processOf(id: string): string {
  const end = id.lastIndexOf('-');
  return end < 0 ? id : id.slice(0, end);
}

/** null = none of the fleet's. */
export function placeOf(subject: string): Place | null {
  const [h, host, kind, first, second, more] = subject.split('.');
  if (h !== 'h' || host === undefined || !isToken(host) || more !== undefined) return null;
  if (kind === 'm' && first === undefined) return { kind: 'map', host };
  if (first === undefined || second === undefined || !isToken(first) || !isToken(second)) return null;
  if (kind === 'r') return { kind: 'claim', host, id: `${first}.${second}`, process: processOf(`${first}.${second}`) };
  if (kind === 'o' && /^[1-9]\d{0,8}$/.test(first)) return { kind: 'owner', host, epoch: Number(first), owner: second };
  return null;
}
