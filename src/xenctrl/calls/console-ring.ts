// Reads Xen's console ring from a given moment on, as debug keys print their answers there.
import { SYSCTL } from '../../abi/commands.js';
import { DEBUG_KEYS_AT, READCONSOLE_AT, SYSCTL_AT } from '../../abi/layout.js';
import { writeU64 } from '../../abi/u64.js';
import { type CallBuffers, callError } from './call-buffers.js';

const AT = SYSCTL_AT.union;
const READ_BYTES = 64 * 1024;
/**
 * Another reader that clears the ring (`xl dmesg -c`) can remove the answer between the key and the
 * reading.
 */
const ATTEMPTS = 3;

export interface Printed {
  readonly text: string;
  /** The beginning was overwritten before it could be read: the answer is longer than the ring. */
  readonly headLost: boolean;
}

/**
 * Sends a debug key and reads what Xen printed meanwhile, other messages included. Other readers
 * are not disturbed.
 */
export class ConsoleReader {
  readonly #calls: CallBuffers;
  /** End of what was read so far; indexes are 32 bits wide and wrap. */
  #index = 0;

  constructor(calls: CallBuffers) {
    this.#calls = calls;
  }

  pressKey(key: string): Printed {
    for (let attempt = 1; ; attempt++) {
      this.#readOn();
      const from = this.#index;
      this.#sendKeys(key);
      const text = this.#readOn();
      const printed = (this.#index - from) >>> 0;
      if (text.length === printed || attempt === ATTEMPTS) return { text, headLost: text.length < printed };
    }
  }

  #sendKeys(keys: string): void {
    const text = this.#calls.buffer('text', READ_BYTES);
    text.bytes.set(Buffer.from(keys, 'latin1'));
    const view = this.#calls.startSysctl(SYSCTL.debug_keys);
    writeU64(view, AT + DEBUG_KEYS_AT.keys, text.address);
    view.setUint32(AT + DEBUG_KEYS_AT.count, keys.length, true);
    const result = this.#calls.sysctl();
    if (result < 0) throw callError(result, `xc_send_debug_keys("${keys}")`);
  }

  /** Everything from the last index on, one character a byte. */
  #readOn(): string {
    const text = this.#calls.buffer('text', READ_BYTES);
    const parts: string[] = [];
    for (;;) {
      const view = this.#calls.startSysctl(SYSCTL.readconsole);
      view.setUint8(AT + READCONSOLE_AT.incremental, 1);
      view.setUint32(AT + READCONSOLE_AT.index, this.#index, true);
      writeU64(view, AT + READCONSOLE_AT.buffer, text.address);
      view.setUint32(AT + READCONSOLE_AT.count, READ_BYTES, true);
      const result = this.#calls.sysctl();
      if (result < 0) throw callError(result, 'xc_readconsolering');
      const count = view.getUint32(AT + READCONSOLE_AT.count, true);
      this.#index = view.getUint32(AT + READCONSOLE_AT.index, true);
      if (count === 0) return parts.join('');
      parts.push(Buffer.from(text.bytes.subarray(0, count)).toString('latin1'));
    }
  }
}
