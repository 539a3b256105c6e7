// The parts of Xen that a host's rings need: event channels, grants, and the page of dom0's own
// ring. Libraries: libxenevtchn and libxengnttab, whose interfaces are stable.
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { InputError } from '../../../base/errors.js';
import { PAGE_BYTES } from '../../../base/units.js';

/** A page that is shared with a domain. */
export interface SharedPage {
  readonly memory: ArrayBuffer;
  release(): void;
}

export interface RingDoors {
  /** Readable when a port is pending. */
  readonly fd: number;
  /** Dom0's kernel: its page, and its port. */
  dom0(): { readonly page: SharedPage; readonly port: number };
  /** The page that a domain's builder granted. @throws Error when it cannot be mapped */
  map(domid: number): SharedPage;
  /** @returns our port. @throws Error */
  bind(domid: number, port: number): number;
  /** Xen says on this port that some domain shut down, or is going. */
  bindDomainExceptions(): number;
  unbind(port: number): void;
  notify(port: number): void;
  /** The next pending port, not masked any more; call it only while `fd` is readable. */
  pending(): number;
}

/** VIRQ_DOM_EXC (xen/include/public/xen.h). */
const DOMAIN_EXCEPTIONS = 3;
/** GNTTAB_RESERVED_XENSTORE (xen/include/public/grant_table.h). */
const STORE_GRANT = 1;
const READ_WRITE = 3;
const MAP_SHARED = 1;
const DOM0_PAGE = '/proc/xen/xsd_kva';
const DOM0_PORT = '/proc/xen/xsd_port';

/** @throws InputError where there is no Xen, or its libraries are missing */
export function hostRingDoors(): RingDoors {
  try {
    return openDoors();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const mend = "start it in dom0 as root, with Xen's libraries (Debian: libxenevtchn1, libxengnttab1) and /proc/xen mounted";
    throw new InputError(`the rings of a host cannot be served: ${why}`, {}, mend);
  }
}

function openDoors(): RingDoors {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  const events = koffi.load('libxenevtchn.so.1');
  const grants = koffi.load('libxengnttab.so.1');
  const mmap = koffi.load('libc.so.6').func('intptr_t mmap(intptr_t address, size_t size, int protection, int flags, int fd, long offset)');
  const checked = (call: string, result: number): number => {
    if (result < 0) throw new Error(`${call}: errno ${koffi.errno()}`);
    return result;
  };
  const opened = (call: string, handle: unknown): unknown => {
    if (Number(handle) === 0) throw new Error(`${call}: errno ${koffi.errno()}`);
    return handle;
  };
  const events_ = opened('xenevtchn_open', events.func('uintptr_t xenevtchn_open(uintptr_t, unsigned int)')(0, 0));
  const grants_ = opened('xengnttab_open', grants.func('uintptr_t xengnttab_open(uintptr_t, unsigned int)')(0, 0));
  const bind = events.func('int xenevtchn_bind_interdomain(uintptr_t, uint32_t, uint32_t)');
  const bindVirq = events.func('int xenevtchn_bind_virq(uintptr_t, unsigned int)');
  const unbind = events.func('int xenevtchn_unbind(uintptr_t, uint32_t)');
  const notify = events.func('int xenevtchn_notify(uintptr_t, uint32_t)');
  const pending = events.func('int xenevtchn_pending(uintptr_t)');
  const unmask = events.func('int xenevtchn_unmask(uintptr_t, uint32_t)');
  const mapGrant = grants.func('uintptr_t xengnttab_map_grant_ref(uintptr_t, uint32_t, uint32_t, int)');
  const unmapGrant = grants.func('int xengnttab_unmap(uintptr_t, uintptr_t, uint32_t)');
  const view = (address: unknown) => koffi.view(BigInt(address as number), PAGE_BYTES) as ArrayBuffer;
  return {
    fd: checked('xenevtchn_fd', events.func('int xenevtchn_fd(uintptr_t)')(events_)),
    dom0() {
      const port = Number(readFileSync(DOM0_PORT, 'utf8'));
      const file = openSync(DOM0_PAGE, 'r+');
      try {
        const address = mmap(0, PAGE_BYTES, READ_WRITE, MAP_SHARED, file, 0);
        if (Number(address) === -1) throw new Error(`mmap of ${DOM0_PAGE}: errno ${koffi.errno()}`);
        return { page: { memory: view(address), release: () => {} }, port };
      } finally {
        closeSync(file);
      }
    },
    map(domid) {
      const address = opened('xengnttab_map_grant_ref', mapGrant(grants_, domid, STORE_GRANT, READ_WRITE));
      return { memory: view(address), release: () => unmapGrant(grants_, address, 1) };
    },
    bind: (domid, port) => checked('xenevtchn_bind_interdomain', bind(events_, domid, port)),
    bindDomainExceptions: () => checked('xenevtchn_bind_virq', bindVirq(events_, DOMAIN_EXCEPTIONS)),
    unbind: (port) => unbind(events_, port),
    notify: (port) => notify(events_, port),
    pending() {
      const port = checked('xenevtchn_pending', pending(events_));
      checked('xenevtchn_unmask', unmask(events_, port));
      return port;
    },
  };
}
