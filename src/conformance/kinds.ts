// The kinds of cases, by name. A new kind is one entry here.
import type { Personality } from '../xenstore/store/limits.js';
import type { ConformancePlayer } from './player.js';

export interface KindOptions {
  /** The real XenStore daemon to act as; given exactly if the kind lists personalities. */
  readonly personality: string | undefined;
  /** The host of the cases. */
  readonly on: string;
}

export interface Kind {
  readonly summary: string;
  /** Values of --personality, which must be given; absent: the kind has none. */
  readonly personalities?: readonly string[];
  /** Values of --on; the first is the default. */
  readonly on: readonly [string, ...string[]];
  readonly create: (options: KindOptions) => Promise<ConformancePlayer>;
}

export const KINDS: Readonly<Record<string, Kind>> = {
  planner: {
    summary: "xenopsd's NUMA planner, as of 90ef043c and of e2ee48d6",
    on: ['embedded'],
    create: async () => (await import('./planner.js')).createPlannerPlayer(),
  },
  hypercalls: {
    summary: 'scenarios of hypercalls: affinity, pools, hotplug, claims, memory',
    on: ['embedded', 'xen'],
    create: async ({ on }) =>
      on === 'xen'
        ? (await import('./hypercalls/hypercalls-on-xen.js')).createLiveHypercallsPlayer()
        : (await import('./hypercalls/hypercalls.js')).createHypercallsPlayer(),
  },
  libxl: {
    summary: "xl's automatic placement of PV guests",
    on: ['embedded'],
    create: async () => (await import('./libxl/libxl.js')).createLibxlPlayer(),
  },
  'libxl-memory': {
    summary: 'the memory that libxl wants for a guest: free memory, maximum and paging pool',
    on: ['embedded'],
    create: async () => (await import('./libxl/libxl-memory.js')).createLibxlMemoryPlayer(),
  },
  'xl-config': {
    summary: "xl's reading of guest configs",
    on: ['embedded'],
    create: async () => (await import('./xl-config.js')).createXlConfigPlayer(),
  },
  xenstore: {
    summary: 'raw conversations with the C xenstored or with oxenstored',
    personalities: ['xenstored', 'oxenstored'],
    on: ['embedded'],
    create: async ({ personality }) => (await import('./xenstore.js')).createXenstorePlayer(personality as Personality),
  },
};
