// The server on Node's own sockets, as on a machine without koffi; the tests of server.test.ts run
// on epoll.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { connectXenstore } from '../../src/xenstore/client/connect.js';
import { startOurs } from './daemons.js';

for (const personality of ['xenstored', 'oxenstored'] as const) {
  test(`${personality}: state, watches, guests, kill -9 and the end, without koffi`, { timeout: 120_000 }, async () => {
    const daemon = await startOurs(personality, { state: true, domainSockets: true, koffi: false });
    const xs = await connectXenstore({ path: daemon.socket, reconnect: false });
    const events = (await xs.watch('/a', 'w'))[Symbol.asyncIterator]();
    await events.next();
    await xs.write('/a/b', '1');
    expect((await events.next()).value).toEqual({ path: '/a/b', token: 'w' });
    await xs.introduce(3, 1n, 1);
    const guest = await connectXenstore({ path: join(daemon.folder, 'domains/3'), reconnect: false });
    await expect(guest.write('/a/b', '2')).rejects.toMatchObject({ errno: 'EACCES' });
    await daemon.kill();
    const again = await startOurs(personality, { state: true, folder: daemon.folder, koffi: false });
    const back = await connectXenstore({ path: again.socket, reconnect: false });
    expect(await back.read('/a/b')).toBe('1');
    await back.close();
    await again.stop();
    expect(existsSync(again.socket)).toBe(false);
  });
}
