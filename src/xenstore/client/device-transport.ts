// A client over /dev/xen/xenbus: the kernel's own connection to the store of dom0, or of the domain
// that this runs in. Source: Linux, drivers/xen/xenbus/xenbus_dev_frontend.c.
import { constants, type FileHandle, open } from 'node:fs/promises';
import { Frames } from '../protocol/frames.js';
import { encodeMessage, MESSAGE } from '../protocol/wire.js';
import type { Transport, TransportEvents } from './transport.js';

const READ_BYTES = 64 * 1024;
/**
 * The kernel's buffer for one message holds its header as well (union u of struct
 * xenbus_file_priv).
 */
const MESSAGE_MAX_BYTES = 4096;
/** Id of the request whose reply ends a waiting read. */
const WAKE_REQUEST = 0xffffffff;

/** What is needed of the device: as FileHandle has it. */
export interface Device {
  read(buffer: Buffer, offset: number, length: number, position: null): Promise<{ bytesRead: number }>;
  write(buffer: Buffer, offset: number, length: number, position: null): Promise<{ bytesWritten: number }>;
  close(): Promise<void>;
}

/** @throws the system's own error (ENOENT, EACCES) when there is no such device for us */
export async function connectDevice(path: string): Promise<Transport> {
  const handle: FileHandle = await open(path, constants.O_RDWR);
  return new DeviceTransport(handle);
}

export class DeviceTransport implements Transport {
  readonly #device: Device;
  readonly #frames = new Frames();
  #writing: Promise<void> = Promise.resolve();
  #closing = false;
  #failure: Error | undefined;
  #events: TransportEvents | undefined;

  constructor(device: Device) {
    this.#device = device;
  }

  start(events: TransportEvents): void {
    this.#events = events;
    void this.#readAll(events);
  }

  send(message: Buffer): void {
    this.#writing = this.#writing.then(async () => {
      try {
        if (message.length > MESSAGE_MAX_BYTES) return this.#refused(message, 'E2BIG');
        await this.#writeAll(message);
      } catch (error) {
        this.#failure ??= error as Error;
        // The kernel has dropped what it had of the message: no reply will come.
        this.#refused(message, 'EIO');
      }
    });
  }

  #refused(message: Buffer, errno: string): void {
    this.#events?.message(MESSAGE.error, message.readUInt32LE(4), Buffer.from(`${errno}\0`));
  }

  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    if (this.#events === undefined) {
      void this.#device.close().catch(() => {});
      return;
    }
    // A read of the device waits in the kernel and cannot be called off: the reply to one more
    // request ends it.
    this.send(encodeMessage(MESSAGE.getDomainPath, WAKE_REQUEST, 0, '0\0'));
  }

  async #readAll(events: TransportEvents): Promise<void> {
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    try {
      while (!this.#closing) {
        const { bytesRead } = await this.#device.read(buffer, 0, buffer.length, null);
        if (bytesRead === 0) break;
        this.#frames.push(buffer.subarray(0, bytesRead), (type, requestId, payload) => {
          if (!this.#closing && requestId !== WAKE_REQUEST) events.message(type, requestId, payload);
        });
      }
    } catch (error) {
      this.#failure ??= error as Error;
    }
    await this.#writing;
    await this.#device.close().catch(() => {});
    events.closed(this.#closing ? undefined : (this.#failure ?? new Error('the device ended')));
  }

  async #writeAll(message: Buffer): Promise<void> {
    for (let at = 0; at < message.length; ) {
      const { bytesWritten } = await this.#device.write(message, at, message.length - at, null);
      at += bytesWritten;
    }
  }
}
