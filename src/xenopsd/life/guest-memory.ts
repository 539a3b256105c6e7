// The memory of guests between domains: kept in a file while a VM is suspended, or copied from one
// domain to the next (xen-api, ocaml/xenopsd/xc/xenops_server_xen.ml, VM.save and VM.restore).
import { InputError } from '../../base/errors.js';
import { withErrnoName } from '../../base/files/errno-names.js';
import type { FlowRecord } from '../../flow/record.js';
import type { SaveArguments } from '../../xenguest/guest-streams.js';
import { type GuestStreams, XenguestError } from '../../xenguest/xenguest.js';
import type { GuestImages } from '../api/guest-images.js';
import type { HostDoors } from '../api/host-doors.js';
import { type RestoreGuest, StepError } from '../start/start-run.js';
import type { Domains } from './domains.js';
import { SUSPENDED_ITSELF } from './guest-ending.js';
import type { GuestRequests } from './guest-requests.js';
import type { KnownVm } from './registry.js';

export class GuestMemory {
  readonly #doors: HostDoors;
  readonly #domains: Domains;
  readonly #images: GuestImages | undefined;
  readonly #requests: GuestRequests;

  /** @param images undefined = none can be kept */
  constructor(doors: HostDoors, domains: Domains, images: GuestImages | undefined, requests: GuestRequests) {
    this.#doors = doors;
    this.#domains = domains;
    this.#images = images;
    this.#requests = requests;
  }

  /** Guests have a memory here that a new domain must be filled with. */
  get isReal(): boolean {
    return this.#doors.xenguest.streams !== undefined;
  }

  /** @throws InputError when the VM's memory cannot be kept, whatever its state */
  mustBeKeepable(vm: KnownVm): void {
    if (!this.isReal || this.#images === undefined) {
      throw new InputError('no memory of guests can be kept here', { path: vm.name }, 'stop the VM');
    }
    this.mustBeMovable(vm);
  }

  /** @throws InputError for a guest whose devices would have to be kept as well */
  mustBeMovable({ name, spec }: KnownVm): void {
    if (spec.kind !== 'hvm') return;
    throw new InputError(
      `VM '${name}' has a device model, whose state cannot be kept`,
      { path: name },
      'stop it, or reboot it: it is placed anew',
    );
  }

  /**
   * Suspends the guest and keeps it in a file, durably.
   * @throws StepError; the guest then runs on
   */
  async save(vm: KnownVm, domid: number, record: FlowRecord): Promise<void> {
    try {
      const bytes = await this.#images!.write(vm, (fd) =>
        this.#streams().save(saveArguments(vm, domid, false), fd, () => this.#requests.ask(vm, domid, 'suspend')),
      );
      record.note('suspended', { domid, bytes });
    } catch (error) {
      await this.callOff(vm, domid, record);
      throw asStep(error);
    }
  }

  /** Of the file. */
  restoring(vm: KnownVm, record: FlowRecord): RestoreGuest {
    return async (args, run) => {
      try {
        const result = await this.#images!.read(vm, (fd) => this.#streams().restore(args, fd, run));
        record.note('restored', { domid: args.domid, from: null });
        return result;
      } catch (error) {
        if (error instanceof InputError) throw new StepError('xenguest', `${error.place.file}: ${error.message}`, { cause: error });
        throw error;
      }
    };
  }

  /** Of the VM's domain, which is suspended in the end, and for its caller to destroy. */
  moving(vm: KnownVm, from: number, record: FlowRecord): RestoreGuest {
    return async (args, run) => {
      const result = await this.#streams().move(saveArguments(vm, from, true), () => this.#requests.ask(vm, from, 'suspend'), args, run);
      record.note('restored', { domid: args.domid, from });
      return result;
    };
  }

  /**
   * A guest that has suspended itself runs on; any other is left alone. Never throws, as what went
   * wrong before is what counts.
   * @returns false = the guest is still suspended, and it is to be tried again
   */
  async callOff(vm: KnownVm, domid: number, record: FlowRecord): Promise<boolean> {
    const { xc, xs, xenguest } = this.#doors;
    try {
      if (xenguest.streams === undefined || !this.#domains.isOurs(vm, domid)) return true;
      if (xc.domainInfo(domid)!.shutdown !== SUSPENDED_ITSELF) return true;
      await xenguest.streams.resume(domid);
      await xs.resume(domid);
      record.note('suspend called off', { domid, failure: null });
      return true;
    } catch (error) {
      record.note('suspend called off', { domid, failure: error instanceof Error ? error.message : String(error) });
      return false;
    }
  }

  /** What is kept of it, if anything. @throws StepError where its file cannot be removed */
  async forget(vm: KnownVm): Promise<void> {
    try {
      await this.#images?.remove(vm);
    } catch (error) {
      throw asStep(error);
    }
  }

  #streams(): GuestStreams {
    return this.#doors.xenguest.streams!;
  }
}

function saveArguments({ spec }: KnownVm, domid: number, live: boolean): SaveArguments {
  return { mode: spec.kind === 'pv' ? 'save' : 'hvm_save', domid, live };
}

function asStep(error: unknown): unknown {
  if (error instanceof XenguestError) return new StepError('VM.save', error.message, { cause: error, kind: { kind: 'builder' } });
  const isOfFiles = error instanceof Error && 'syscall' in error;
  withErrnoName(error);
  return isOfFiles ? new StepError('VM.save', error.message, { cause: error }) : error;
}
