import { expect, test } from 'vitest';
import { createXenstore } from './in-process.js';

for (const personality of ['xenstored', 'oxenstored'] as const) {
  test(`${personality}: a transaction is unseen until its commit, and its watch events come then`, async () => {
    const connection = createXenstore({ personality }).connect(0);
    const events = (await connection.watch('/vm', 'token'))[Symbol.asyncIterator]();
    expect((await events.next()).value).toEqual({ path: '/vm', token: 'token' });
    const tx = await connection.transactionStart();
    await connection.write('/vm/a', 'v', tx);
    await expect(connection.read('/vm/a')).rejects.toMatchObject({ errno: 'ENOENT' });
    await connection.transactionEnd(tx, true);
    expect(await connection.read('/vm/a')).toBe('v');
    expect((await events.next()).value).toEqual({ path: '/vm/a', token: 'token' });
  });

  test(`${personality}: two blind creates in one directory`, async () => {
    const connection = createXenstore({ personality }).connect(0);
    await connection.mkdir('/d');
    const [first, second] = [await connection.transactionStart(), await connection.transactionStart()];
    await connection.write('/d/a', '1', first);
    await connection.write('/d/b', '2', second);
    await connection.transactionEnd(first, true);
    const end = connection.transactionEnd(second, true);
    if (personality === 'xenstored') await expect(end).rejects.toMatchObject({ errno: 'EAGAIN' });
    else await expect(end).resolves.toBeUndefined();
  });
}
