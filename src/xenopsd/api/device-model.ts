// The device model of an HVM guest: a process beside the guest that emulates its devices. Hosts
// that run guests have one behind this interface; the embedded host needs none.
import type { VmSpec } from '../../machine/vm.js';

/** Files that the builder loads for an HVM guest: paths on the host. */
export interface HvmImages {
  readonly loader: string;
  readonly firmware: string;
}

export interface DeviceModelRequest {
  readonly domid: number;
  readonly uuid: string;
  readonly vm: VmSpec;
  readonly memoryMib: number;
}

export interface DeviceModel {
  /** @throws InputError naming what this host does not have */
  images(vm: VmSpec): HvmImages;
  /**
   * For a domain that is built and paused.
   * @returns its process id, once it serves the domain
   * @throws DeviceModelError when it ends before that
   */
  start(request: DeviceModelRequest): Promise<number>;
  /**
   * Ends that of a domain, whichever process started it, and waits until it is gone: before, Xen
   * cannot take the domain apart. None is fine.
   */
  end(domid: number, uuid: string): Promise<void>;
  /** Domains for which there is one, among those of a VM. */
  domidsOf(uuid: string): readonly number[];
}

export class DeviceModelError extends Error {
  override readonly name = 'DeviceModelError';
}
