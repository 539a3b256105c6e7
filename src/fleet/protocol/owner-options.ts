// What an owner needs of its host and of its connection.
import type { LightMap } from './entries.js';

/** The host's own figures. */
export interface HostFigures
  extends Pick<LightMap, 'nodes' | 'vms' | 'drifted' | 'draining' | 'watched' | 'runs' | 'tags' | 'undecided' | 'cpuPercent'> {
  /** Claims that the host's VMs were started for. */
  readonly started: ReadonlySet<string>;
}

export interface OwnerOptions {
  readonly host: string;
  /** A token that no other process has had. */
  readonly name: string;
  /** Placers renew their lease within this time. */
  readonly leaseMs: number;
  readonly marginMs: number;
  readonly figures: () => HostFigures;
  readonly send: (subject: string, text: string) => void;
  /** A claim that nobody used any more, before others may use its memory. */
  readonly freed?: (id: string) => void;
  /** A daemon with a greater epoch, or one that was first, has the host. */
  readonly replaced?: (by: { readonly epoch: number; readonly owner: string }) => void;
}
