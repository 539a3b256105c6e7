// What stands under a toolstack: the doors to one host, and what that host can do.
import type { VmKind } from '../../machine/vm.js';
import type { Xenctrl } from '../../xenctrl/xenctrl.js';
import type { Xenguest } from '../../xenguest/xenguest.js';
import type { XenstoreConnection } from '../../xenstore/connection.js';

/** What a toolstack knows of a domain and Xen does not. */
export interface KnownDomain {
  readonly name: string;
  /** Absent = not known. */
  readonly kind?: VmKind;
}

/** Where hosts differ in what a toolstack may expect of them. */
export interface HostCapabilities {
  /**
   * Domains go on when this process ends: what is kept of VMs must be durable, and uuids are seen
   * by others.
   */
  readonly outlivesProcess: boolean;
  /** The builder loads what the guest boots, so a VM must say what that is. */
  readonly loadsImages: boolean;
  /** Guests run, so they may shut themselves down. */
  readonly runsGuests: boolean;
  /** A VM can be suspended: only where there is no guest whose memory would have to be saved. */
  readonly suspend: boolean;
}

/** The two doors and the builder behind which the host stands. */
export interface HostDoors {
  /** For display; code asks `can`. */
  readonly kind: 'embedded' | 'xen';
  readonly can: HostCapabilities;
  readonly name: string;
  readonly xc: Xenctrl;
  readonly xs: XenstoreConnection;
  readonly xenguest: Xenguest;
  /** Event channels of a new domain, for the XenStore and the console ring. */
  readonly channels: (domid: number) => { readonly storePort: number; readonly consolePort: number };
  /**
   * Pages of one domain by node, where there is a shorter way than debug key 'u'; null = no such
   * domain.
   */
  readonly pagesByNode?: (domid: number) => readonly number[] | null;
  /** The size of Domain-0 is an assumption (HostMap.domain0Assumed). */
  readonly domain0Assumed?: true;
  /** Domains of other toolstacks, by domid, as far as their names are known. */
  readonly others?: ReadonlyMap<number, KnownDomain>;
}

export const EMBEDDED_CAPABILITIES: HostCapabilities = { outlivesProcess: false, loadsImages: false, runsGuests: false, suspend: true };
export const XEN_CAPABILITIES: HostCapabilities = { outlivesProcess: true, loadsImages: true, runsGuests: true, suspend: false };
