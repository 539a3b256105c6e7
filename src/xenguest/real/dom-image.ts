// One struct xc_dom_image of the library: its fields by name, memory that the library frees with
// it, and its calls. A failed call throws with the library's own message.
import koffi from 'koffi';
import { errnoName } from '../../base/errors.js';
import { strerror } from '../failwith.js';
import { XenguestError } from '../xenguest.js';
import type { DomImageLayout } from './dom-image-layout.js';
import type { Libxenguest, Pointer } from './libraries.js';

type Field = Exclude<keyof DomImageLayout, 'sizeBytes'>;

/** xc_error: code as int, then a message of 1024 bytes (xenctrl.h). */
const LAST_ERROR_BYTES = 4 + 1024;

/** A handle of libxenctrl: opens and closes it, and turns failures into xenguest's messages. */
export class XcInterface {
  readonly lib: Libxenguest;
  readonly handle: bigint;

  /** @throws XenguestError when there is no Xen, or no permission */
  constructor(lib: Libxenguest) {
    this.lib = lib;
    const handle = lib.xc_interface_open(null, null, 0);
    if (handle === null || handle === 0n) throw new XenguestError(`xenguest: xc_interface_open: ${errnoText(lib.errno())}`);
    this.handle = handle;
  }

  /**
   * Throws unless `status` is 0. Call it right after the library call, before another changes the
   * error.
   */
  check(call: string, status: number): void {
    if (status !== 0) throw this.#failure(call);
  }

  /** @returns the pointer, never NULL */
  pointer(call: string, pointer: Pointer): bigint {
    if (pointer === null || pointer === 0n) throw this.#failure(call);
    return pointer;
  }

  /** XenServer's xenguest.patch, failwith_oss_xc: the library's last error, otherwise errno. */
  #failure(call: string): XenguestError {
    const errno = this.lib.errno();
    const last = Buffer.from(koffi.view(this.lib.xc_get_last_error(this.handle), LAST_ERROR_BYTES));
    const code = last.readInt32LE(0);
    const end = last.indexOf(0, 4);
    const message = last.toString('utf8', 4, end === -1 ? last.length : end);
    this.lib.xc_clear_last_error(this.handle);
    const text = code === 0 ? errnoText(errno) : `[${code}] ${message}`;
    return new XenguestError(`xenguest: ${call}: ${text.replace(/\s+/g, ' ').trim()}`, errnoName(code === 0 ? errno : code) ?? null);
  }

  close(): void {
    this.lib.xc_interface_close(this.handle);
  }
}

function errnoText(errno: number): string {
  const name = errnoName(errno);
  return `[${errno}] ${name === undefined ? `Unknown error ${errno}` : strerror(name)}`;
}

export class DomImage {
  readonly dom: bigint;
  readonly #xc: XcInterface;
  readonly #view: DataView;
  readonly #layout: DomImageLayout;

  constructor(xc: XcInterface, cmdline: string, features: string | null) {
    this.#xc = xc;
    this.#layout = xc.lib.layout;
    this.dom = xc.pointer('xc_dom_allocate', xc.lib.xc_dom_allocate(xc.handle, cmdline, features));
    this.#view = new DataView(koffi.view(this.dom, this.#layout.sizeBytes));
  }

  setU8(field: Field, value: number): void {
    this.#view.setUint8(this.#layout[field], value);
  }
  setU32(field: Field, value: number): void {
    this.#view.setUint32(this.#layout[field], value, true);
  }
  setU64(field: Field, value: number | bigint): void {
    this.#view.setBigUint64(this.#layout[field], BigInt(value), true);
  }
  getU64(field: Field): bigint {
    return this.#view.getBigUint64(this.#layout[field], true);
  }

  /** Copies bytes into memory that xc_dom_release frees. */
  allocate(bytes: Uint8Array): bigint {
    const pointer = this.#xc.pointer('xc_dom_malloc', this.#xc.lib.xc_dom_malloc(this.dom, bytes.length));
    new Uint8Array(koffi.view(pointer, bytes.length)).set(bytes);
    return pointer;
  }

  /**
   * acpi_modules[0]: put at `guestAddress` by xc_dom_build_image; its address goes to the guest in
   * hvm_start_info.
   */
  setAcpiModule(bytes: Uint8Array, guestAddress: number): void {
    const data = this.allocate(bytes);
    const at = this.#layout.acpiModules;
    this.#view.setBigUint64(at, data, true);
    this.#view.setUint32(at + 8, bytes.length, true);
    this.#view.setBigUint64(at + 16, BigInt(guestAddress), true);
  }

  /** system_firmware_module: hvmloader finds it by its own means, and needs no guest address. */
  setFirmware(bytes: Uint8Array): void {
    const at = this.#layout.systemFirmware;
    this.#view.setBigUint64(at, this.allocate(bytes), true);
    this.#view.setUint32(at + 8, bytes.length, true);
  }

  /** xc_dom_p2m: machine frame of a PV guest's frame. */
  pvMachineFrame(pfn: bigint): bigint {
    const size = this.getU64('p2mSize');
    if (pfn >= size) throw new XenguestError(`xenguest: xc_dom_p2m: frame ${pfn} is past the ${size} of the domain`);
    return new DataView(koffi.view(this.getU64('pvP2m') + 8n * pfn, 8)).getBigUint64(0, true);
  }

  release(): void {
    this.#xc.lib.xc_dom_release(this.dom);
  }
}
