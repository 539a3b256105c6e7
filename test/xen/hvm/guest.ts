// What the tests of HVM guests share: a guest with the rig's firmware and a disk, and its console
// as people use it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { closeSync, openSync, truncateSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MIB } from '../../../src/base/units.js';
import type { VmSpec } from '../../../src/machine/vm.js';
import { type Bench, start, vm } from '../guests/host.js';

const rig = resolve(process.env.RIG_SHARE ?? '/nonexistent', '../../..');
export const FIRMWARE = `${rig}/images/bios`;
export const SAYS = /firmware: up\r\nfirmware: the disk has a boot sector\r\n/;
const SIGNATURE_AT = 510;

/** A disk with a boot sector. */
export function makeDisk(file: string): string {
  const disk = openSync(file, 'w');
  writeSync(disk, Buffer.from([0x55, 0xaa]), 0, 2, SIGNATURE_AT);
  closeSync(disk);
  truncateSync(file, MIB);
  return file;
}

export function hvm(name: string, change: Partial<VmSpec> = {}): VmSpec {
  const { boot: _, ...spec } = vm(name, 'hvm', 1, 256, change);
  // A comma ends a value of QEMU's options.
  return { ...spec, firmware: FIRMWARE, disks: [{ file: makeDisk(`/tmp/xennuma-hvm,${name}`), format: 'raw' }] };
}

/** A small one, as an emulated Xen scrubs what it leaves: for starts that are repeated. */
export const smallHvm = (name: string): VmSpec => hvm(name, { memoryStaticMaxBytes: 32 * MIB, memoryTargetBytes: 32 * MIB });

export const startHvm = (one: Bench, name: string, change: Partial<VmSpec> = {}) => start(one, hvm(name, change));

/**
 * Sends letters to the guest's firmware by `xennuma console`, which stays attached until `done`:
 * QEMU looks once a second whether somebody is at the other end, and reads nothing before.
 */
export async function firmware(name: string, letters: string, done: (said: string) => boolean): Promise<string> {
  const console_ = spawn('node', ['dist/xennuma.js', 'console', name], { stdio: ['pipe', 'pipe', 'inherit'] });
  // The command may end with letters of its input unread.
  for (const stream of [console_.stdin, console_.stdout]) stream.on('error', () => {});
  let said = '';
  let ended = false;
  console_.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString('latin1');
  });
  console_.on('close', () => {
    ended = true;
  });
  console_.stdin.write(letters);
  for (let look = 0; !done(said); look++) {
    assert.ok(look < 6000 && !ended, `the firmware of ${name} said: ${JSON.stringify(said)}`);
    await sleep(100);
  }
  console_.stdin.end();
  while (!ended) await sleep(50);
  return said;
}
