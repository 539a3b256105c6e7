// The doors under a toolstack: the interfaces to one host, and the capabilities of that host.
import type { VmKind } from '../../machine/vm.js';
import type { AffinityGroup } from '../../xenctrl/doors/inspection.js';
import type { Xenctrl } from '../../xenctrl/xenctrl.js';
import type { Xenguest } from '../../xenguest/xenguest.js';
import type { XenstoreConnection } from '../../xenstore/connection.js';
import type { DeviceModel } from './device-model.js';

/** Data of a domain that only the toolstack has. */
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
  /**
   * A VM can be suspended, and built again beside itself: only where there is no guest whose memory
   * would be lost.
   */
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
  /** Device model of HVM guests, on hosts that run guests. */
  readonly deviceModel?: DeviceModel;
  /** Event channels of a new domain, for the XenStore and the console ring. */
  readonly channels: (domid: number) => { readonly storePort: number; readonly consolePort: number };
  /**
   * Pages of one domain by node, where there is a shorter way than debug key 'u'; null = no such
   * domain.
   */
  readonly pagesByNode?: (domid: number) => readonly number[] | null;
  /** All vCPUs by their masks, where that takes no call for each vCPU of the host. */
  readonly affinityGroups?: () => readonly AffinityGroup[];
  /** The size of Domain-0 is an assumption (HostMap.domain0Assumed). */
  readonly domain0Assumed?: true;
  /** The host's description has no cores and sockets (HostMap.coresUnknown). */
  readonly coresUnknown?: true;
  /** Domains of other toolstacks, by domid, as far as their names are known. */
  readonly others?: ReadonlyMap<number, KnownDomain>;
}

export const EMBEDDED_CAPABILITIES: HostCapabilities = { outlivesProcess: false, loadsImages: false, runsGuests: false, suspend: true };
export const XEN_CAPABILITIES: HostCapabilities = { outlivesProcess: true, loadsImages: true, runsGuests: true, suspend: false };
