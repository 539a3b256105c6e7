import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { InputError } from '../../base/errors.js';
import { fileImages } from './suspend-image.js';

const OWNER = { name: 'web', uuid: '01234567-89ab-4def-8123-456789abcdef' };
const GUEST = Buffer.from('the memory of a guest');
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'suspend-image-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const writeGuest = async (fd: number) => void writeSync(fd, GUEST);
const readGuest = async (fd: number) => {
  const bytes = Buffer.alloc(GUEST.length);
  readSync(fd, bytes);
  return bytes.toString();
};
const file = () => join(folder, readdirSync(folder)[0]!);

it('keeps a guest between the signature and headers of xenopsd, for its owner alone to read', async () => {
  const images = fileImages(folder);
  const bytes = await images.write(OWNER, writeGuest);
  const whole = readFileSync(file());
  expect(whole).toHaveLength(bytes);
  expect(statSync(file()).mode & 0o777).toBe(0o600);
  expect(whole.toString('latin1', 0, 15)).toBe('XenSavedDomv2-\n');
  // suspend_image.ml: header types 0xf (the toolstack's record), 0xf0 (libxc), 0xffff (the end).
  expect(whole.readBigUInt64BE(15)).toBe(0xfn);
  const recordBytes = Number(whole.readBigUInt64BE(23));
  expect(JSON.parse(whole.toString('utf8', 31, 31 + recordBytes))).toEqual(OWNER);
  expect(whole.readBigUInt64BE(31 + recordBytes)).toBe(0xf0n);
  expect(whole.subarray(47 + recordBytes, 47 + recordBytes + GUEST.length)).toEqual(GUEST);
  expect(whole.readBigUInt64BE(whole.length - 16)).toBe(0xffffn);
  expect(await images.read(OWNER, readGuest)).toBe(GUEST.toString());
});

it('a write that fails leaves nothing, and one that follows replaces what is there', async () => {
  const images = fileImages(folder);
  await expect(images.write(OWNER, () => Promise.reject(new RangeError('full')))).rejects.toThrow(RangeError);
  expect(readdirSync(folder)).toEqual([]);
  await images.write(OWNER, writeGuest);
  await images.write(OWNER, writeGuest);
  expect(readdirSync(folder)).toHaveLength(1);
  await images.remove(OWNER);
  await images.remove(OWNER);
  expect(readdirSync(folder)).toEqual([]);
});

it.each([
  ['is missing', () => rmSync(file())],
  ['is cut short before the end', () => truncateSync(file(), statSync(file()).size - 1)],
  ['is cut short in the first header', () => truncateSync(file(), 20)],
  ['is empty', () => truncateSync(file(), 0)],
  ['is something else', () => writeFileSync(file(), Buffer.alloc(4096))],
])('an image that %s is an error of its owner', async (_, damage) => {
  const images = fileImages(folder);
  await images.write(OWNER, writeGuest);
  damage();
  await expect(images.read(OWNER, readGuest)).rejects.toThrow(InputError);
});

it("another VM's image of the same name is refused before it is read", async () => {
  const images = fileImages(folder);
  await images.write({ ...OWNER, uuid: '11111111-89ab-4def-8123-456789abcdef' }, writeGuest);
  let read = false;
  const reading = images.read(OWNER, async () => {
    read = true;
  });
  await expect(reading).rejects.toThrow(/the guest of .*11111111/);
  expect(read).toBe(false);
  expect(existsSync(file())).toBe(true);
});
