// The states of a host in the answers of the fleet.
import type { PicturedHost } from './picture.js';

export const HOST_STATES = ['up', 'draining', 'watched', 'starting', 'away'] as const;
export type HostState = (typeof HOST_STATES)[number];

/** @param away hosts that do not answer now */
export function stateOfHost({ name, map }: PicturedHost, away: ReadonlySet<string>): HostState {
  if (away.has(name)) return 'away';
  if (map === null) return 'starting';
  if (map.watched) return 'watched';
  return map.draining ? 'draining' : 'up';
}
