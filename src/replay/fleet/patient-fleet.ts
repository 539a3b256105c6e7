// A light fleet that puts off what nobody has to know yet. Replays choose hosts by the sizes of
// VMs, so where on its host a VM lies can be worked out later, for many starts and stops of one
// host after the other: its memory is then in the processor's cache, however many hosts there are.
// A start that could fail is never put off.

import { HostQueues } from './host-queues.js';
import type { HostType } from './host-type.js';
import { type Flavour, LightFleet, type LightVm } from './light-fleet.js';
import type { ReplayPolicy } from './policies.js';

/** Starts and stops to put off, at most: for each host, and of all hosts. */
const WAITING_PER_HOST = 64;
const LEAST_WAITING = 2 ** 14;
const MOST_WAITING = 2 ** 18;

/** VMs are numbers below `vms`. */
export class PatientFleet {
  readonly #fleet: LightFleet;
  readonly #queues: HostQueues;
  readonly #mostWaiting: number;
  /** By host: its free pages after all that it has to do. */
  readonly #free: Float64Array;
  readonly #flavours: (vm: number) => Flavour;
  readonly #vms: (LightVm | undefined)[];

  /** @param flavours of VMs that were started */
  constructor(type: HostType, policy: ReplayPolicy, hosts: number, { vms, flavours }: { vms: number; flavours: (vm: number) => Flavour }) {
    this.#fleet = new LightFleet(type, policy, hosts);
    this.#queues = new HostQueues(hosts);
    this.#mostWaiting = Math.min(MOST_WAITING, Math.max(LEAST_WAITING, WAITING_PER_HOST * hosts));
    this.#free = Float64Array.from({ length: hosts }, (_, host) => this.#fleet.hostFree(host));
    this.#flavours = flavours;
    this.#vms = new Array<undefined>(vms).fill(undefined);
  }

  flavour(vcpus: number, memoryBytes: number): Flavour {
    return this.#fleet.flavour(vcpus, memoryBytes);
  }

  /** Free pages of a node, after `settle`. */
  freePages(host: number, node: number): number {
    return this.#fleet.freePages(host, node);
  }

  /** Whether it is time to settle. */
  get full(): boolean {
    return this.#queues.size >= this.#mostWaiting;
  }

  /** @returns false when the start fails */
  start(host: number, vm: number): boolean {
    const flavour = this.#flavours(vm);
    if (this.#free[host]! >= flavour.safePages) this.#queues.push(host, vm);
    else {
      this.#work(host);
      const started = this.#fleet.start(host, flavour);
      if (started === null) return false;
      this.#vms[vm] = started;
    }
    this.#free[host]! -= flavour.pages;
    return true;
  }

  stop(host: number, vm: number): void {
    this.#queues.push(host, ~vm);
    this.#free[host]! += this.#flavours(vm).pages;
  }

  /** Does all that was put off. */
  settle(): void {
    this.#queues.drainAll((host) => this.#work(host));
  }

  /** After `settle`, also when it was stopped, until it is forgotten. */
  vm(vm: number): LightVm {
    return this.#vms[vm]!;
  }

  /** Pages of guest memory of each VM that is known. */
  guestPages(): number[] {
    return this.#vms.flatMap((vm) => (vm === undefined ? [] : [vm.pages.reduce((sum, here) => sum + here, 0)]));
  }

  forget(vm: number): void {
    this.#vms[vm] = undefined;
  }

  #work(host: number): void {
    const count = this.#queues.drain(host, (item) => {
      if (item < 0) {
        this.#fleet.stop(this.#vms[~item]!);
        return;
      }
      const started = this.#fleet.start(host, this.#flavours(item));
      if (started === null) throw new Error(`a start on host ${host} failed that had enough memory`);
      this.#vms[item] = started;
    });
    if (count > 0 && this.#fleet.hostFree(host) !== this.#free[host]) {
      throw new Error(`host ${host} has ${this.#fleet.hostFree(host)} free pages, expected ${this.#free[host]}`);
    }
  }
}
