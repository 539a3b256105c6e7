// The quotas of the C daemon on what a guest keeps of its memory: the same requests to the real one
// and to ours, on the guest's own connection, with the same answers, the same sums, and silence at
// the same place.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { MESSAGE } from '../../src/xenstore/protocol/wire.js';
import { type Daemon, REAL, startOurs, startReal, WHY_NOT_REAL } from './daemons.js';
import { RawConnection } from './recorder.js';

const HOME = '/local/domain/1';
const ASK = 9;

async function guestOf({ folder, ours }: Daemon): Promise<RawConnection> {
  const socket = ours ? join(folder, 'domains/1') : join(folder, 'guest-1');
  while (!existsSync(socket)) await delay(10);
  return RawConnection.open(socket);
}

/** What a guest and domain 0 hear, a line for each request. */
async function quotaOf(daemon: Daemon): Promise<string[]> {
  const dom0 = await RawConnection.open(daemon.socket);
  await dom0.request(MESSAGE.introduce, '1\x001\x001\0');
  await dom0.request(MESSAGE.mkdir, `${HOME}\0`);
  await dom0.request(MESSAGE.setPermissions, `${HOME}\0n1\0`);
  const guest = await guestOf(daemon);
  const lines: string[] = [];
  const note = async (what: string, answer: string): Promise<void> => {
    const quota = (await dom0.request(MESSAGE.control, 'quota\x001\0')).payload;
    const charged = ['nodes', 'watches', 'transactions', 'memory'].map((name) => new RegExp(`^${name} *: *(\\d+)$`, 'm').exec(quota)?.[1]);
    // Which errno the daemon names for a write past the quota is left over from an earlier call;
    // ours says ENOMEM.
    const shown = what.startsWith('write past') && /^E[A-Z]+\0$/.test(answer) ? 'an error' : JSON.stringify(answer);
    lines.push(`${what}: ${shown}; nodes, watches, transactions, memory ${charged.join(' ')}`);
  };
  const ask = async (what: string, type: number, payload: string, tx = 0): Promise<string> => {
    guest.send(type, ASK, tx, payload);
    const answer = (await guest.until(ASK)).at(-1)!.payload;
    await note(what, answer);
    return answer;
  };
  const limit = (bytes: number) => dom0.request(MESSAGE.control, `quota\0set\0memory\0${bytes}\0`);

  await ask('empty node', MESSAGE.write, 'a\0');
  await ask('its value', MESSAGE.write, 'a\x0012345');
  await ask('its permissions', MESSAGE.setPermissions, 'a\0n1\0r2\0');
  await ask('a directory in a directory', MESSAGE.mkdir, 'b/c\0');
  await ask('watch', MESSAGE.watch, 'a\0token\0');
  await ask('watch by the whole path', MESSAGE.watch, `${HOME}/b\0t\0`);
  const tx = Number.parseInt(await ask('transaction', MESSAGE.transactionStart, '\0'), 10);
  const before = lines.length;
  await ask('write in it', MESSAGE.write, 'a\x001234567', tx);
  await ask('create in it', MESSAGE.mkdir, 'new\0', tx);
  await ask('remove in it', MESSAGE.rm, 'b\0', tx);
  // A transaction's copies have its number before their names: as many digits as the daemon's store
  // has seen changes.
  for (let at = before; at < lines.length; at++) lines[at] = lines[at]!.replace(/\d+$/, 'N');
  await ask('commit', MESSAGE.transactionEnd, 'T\0', tx);
  await ask('unwatch', MESSAGE.unwatch, 'a\0token\0');

  await limit(400);
  await ask('up to the quota', MESSAGE.write, `fill\0${'x'.repeat(80)}`);
  // 323 bytes with a value of 80: from 400 on it is refused.
  await ask('the last byte', MESSAGE.write, `fill\0${'x'.repeat(156)}`);
  await ask('write past the quota, by a byte', MESSAGE.write, `fill\0${'x'.repeat(157)}`);
  await ask('write past the quota, of a new node', MESSAGE.write, `more\0${'x'.repeat(200)}`);
  await ask('watch past the quota', MESSAGE.watch, `${'w'.repeat(300)}\0t\0`);
  const byDom0 = await dom0.request(MESSAGE.write, `${HOME}/fill\0${'x'.repeat(1000)}`);
  await note('write past the quota, by domain 0', byDom0.payload);

  // Below its current use: its requests are delayed until the quota allows more again.
  await limit(100);
  guest.send(MESSAGE.read, ASK, 0, 'a\0');
  const silent = await Promise.race([guest.until(ASK).then(() => 'answered'), delay(300, 'silent')]);
  lines.push(`over its quota: ${silent}`);
  await limit(2_621_440);
  return lines;
}

test.skipIf(!REAL)(`what a guest is charged for, and what comes of too much (${WHY_NOT_REAL})`, { timeout: 120_000 }, async () => {
  const [real, ours] = [await startReal('xenstored'), await startOurs('xenstored', { domainSockets: true })];
  try {
    const theirs = await quotaOf(real);
    expect(await quotaOf(ours)).toEqual(theirs);
    expect(theirs.at(-1)).toBe('over its quota: silent');
    expect(theirs.join('\n')).toContain('watch past the quota: "ENOMEM');
  } finally {
    await real.stop();
    await ours.stop();
  }
});

test.skipIf(process.platform !== 'linux')('a guest over its quota is answered once it is below again', { timeout: 60_000 }, async () => {
  const ours = await startOurs('xenstored', { domainSockets: true });
  try {
    const dom0 = await RawConnection.open(ours.socket);
    await dom0.request(MESSAGE.introduce, '1\x001\x001\0');
    await dom0.request(MESSAGE.mkdir, `${HOME}\0`);
    await dom0.request(MESSAGE.setPermissions, `${HOME}\0n1\0`);
    const guest = await guestOf(ours);
    await guest.request(MESSAGE.write, `a\0${'x'.repeat(500)}`);
    await dom0.request(MESSAGE.control, 'quota\0set\0memory\x00100\0');
    guest.send(MESSAGE.getDomainPath, ASK, 0, '1\0');
    expect((await dom0.request(MESSAGE.getDomainPath, '5\0')).payload).toBe('/local/domain/5\0');
    await dom0.request(MESSAGE.rm, `${HOME}/a\0`);
    expect((await guest.until(ASK)).at(-1)!.payload).toBe(`${HOME}\0`);
  } finally {
    await ours.stop();
  }
});
