// For a browser, in place of node:crypto: its own digests are asynchronous, and the code needs one
// at once. FIPS 180-4, section 6.2.
import { Buffer } from './buffer.js';

const PRIMES = firstPrimes(64);
const fraction = (value: number): number => ((value - Math.floor(value)) * 2 ** 32) | 0;
const ROUND = PRIMES.map((prime) => fraction(Math.cbrt(prime)));
const START = PRIMES.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)));

function firstPrimes(count: number): number[] {
  const primes: number[] = [];
  for (let value = 2; primes.length < count; value++) if (primes.every((prime) => value % prime !== 0)) primes.push(value);
  return primes;
}

const turn = (word: number, by: number): number => (word >>> by) | (word << (32 - by));

function sha256(message: Uint8Array): Uint8Array {
  const padded = new Uint8Array(Math.ceil((message.length + 9) / 64) * 64);
  padded.set(message);
  padded[message.length] = 0x80;
  const words = new DataView(padded.buffer);
  words.setUint32(padded.length - 8, Math.floor(message.length / 2 ** 29));
  words.setUint32(padded.length - 4, message.length << 3);
  const state = START.slice();
  for (let block = 0; block < padded.length; block += 64) addBlock(state, words, block);
  const digest = new Uint8Array(32);
  for (const [index, word] of state.entries()) new DataView(digest.buffer).setUint32(index * 4, word);
  return digest;
}

function addBlock(state: number[], words: DataView, block: number): void {
  const w: number[] = [];
  for (let t = 0; t < 64; t++) {
    if (t < 16) w.push(words.getInt32(block + t * 4));
    else {
      const [early, late] = [w[t - 15]!, w[t - 2]!];
      const s0 = turn(early, 7) ^ turn(early, 18) ^ (early >>> 3);
      const s1 = turn(late, 17) ^ turn(late, 19) ^ (late >>> 10);
      w.push((w[t - 16]! + s0 + w[t - 7]! + s1) | 0);
    }
  }
  let [a, b, c, d, e, f, g, h] = state as [number, number, number, number, number, number, number, number];
  for (let t = 0; t < 64; t++) {
    const one = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + ROUND[t]! + w[t]!) | 0;
    const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((word, index) => {
    state[index] = (state[index]! + word) | 0;
  });
}

/** SHA-256 alone. */
export function createHash(_algorithm: 'sha256') {
  let text = '';
  const hash = {
    update(more: string) {
      text += more;
      return hash;
    },
    digest: () => Buffer.from(sha256(new TextEncoder().encode(text))),
  };
  return hash;
}

export const randomUUID = (): string => globalThis.crypto.randomUUID();
