// A fake Xen for tests, with pages, ports and domains of its own.

import { PAGE_BYTES } from '../../../base/units.js';
import { encodeMessage } from '../../protocol/wire.js';
import type { RingDoors } from './doors.js';

export const RING = 1024;
export const HEADER = 16;
export const EXCEPTIONS = 999;

export class FakeXen {
  readonly pages = new Map<number, ArrayBuffer>();
  readonly states = new Map<number, 'lives' | 'shut down' | 'gone'>();
  readonly released: number[] = [];
  readonly unbound: number[] = [];
  /** Released pages, as they were then: nothing may write there any more. */
  readonly gone: [ArrayBuffer, Buffer][] = [];
  readonly pending: number[] = [];
  readonly notified: number[] = [];
  /** Called for each page that is mapped. */
  mapped: (domid: number) => void = () => {};
  /** Each binding: domain and its port. */
  readonly bound: [number, number][] = [];

  doors(): RingDoors {
    const page = (domid: number) => {
      const memory = new ArrayBuffer(PAGE_BYTES);
      this.pages.set(domid, memory);
      this.mapped(domid);
      return { memory, release: () => this.#release(domid, memory) };
    };
    return {
      fd: 1,
      dom0: () => ({ page: page(0), port: 1 }),
      map: page,
      // Our port is the domain's number, so that the test can name it.
      bind: (domid, port) => {
        this.bound.push([domid, port]);
        return domid + 100;
      },
      bindDomainExceptions: () => EXCEPTIONS,
      unbind: (port) => this.unbound.push(port),
      notify: (port) => this.notified.push(port),
      pending: () => this.pending.shift()!,
    };
  }

  #release(domid: number, memory: ArrayBuffer): void {
    this.released.push(domid);
    this.gone.push([memory, Buffer.from(memory.slice(0))]);
  }

  send(domid: number, type: number, payload: string): void {
    const page = this.pages.get(domid)!;
    const words = new Uint32Array(page);
    for (const byte of encodeMessage(type, 7, 0, payload)) new Uint8Array(page)[words[513]!++ % RING] = byte;
    this.pending.push(domid + 100);
  }

  /** The messages that wait for the domain: type and payload. */
  received(domid: number): [number, string][] {
    const page = this.pages.get(domid)!;
    const words = new Uint32Array(page);
    const bytes: number[] = [];
    while (words[514] !== words[515]) bytes.push(new Uint8Array(page)[RING + (words[514]!++ % RING)]!);
    const all = Buffer.from(bytes);
    const messages: [number, string][] = [];
    for (let at = 0; at < all.length; at += HEADER + all.readUInt32LE(at + 12)) {
      messages.push([all.readUInt32LE(at), all.toString('latin1', at + HEADER, at + HEADER + all.readUInt32LE(at + 12))]);
    }
    return messages;
  }
}
