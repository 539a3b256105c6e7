// Several doors of one daemon, one of which cannot be opened.
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { testDaemon } from '../../../test/support/daemon.js';
import { openFronts } from './fronts.js';
import { pagesOf } from './pages.js';

it('where one cannot be opened, none is, and the error names the path', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fronts-'));
  const daemon = await testDaemon();
  try {
    const common = {
      daemon,
      address: '127.0.0.1',
      tls: null,
      loopbackNamesOnly: true,
      failed: () => {},
      pages: pagesOf(daemon, null, true),
    };
    const [first, taken] = [join(folder, 'first'), join(folder, 'taken')];
    mkdirSync(taken);
    const port = await freePort();
    const opening = openFronts([
      { ...common, port },
      { ...common, port: 0, path: first },
      { ...common, port: 0, path: taken },
    ]);
    await expect(opening).rejects.toThrow(/cannot listen at this socket: EISDIR/);
    await expect(opening).rejects.toMatchObject({ place: { file: taken } });
    expect(readdirSync(folder)).toEqual(['taken']);
    // The port is free again.
    const other = createServer();
    await new Promise<void>((done, failed) => other.once('error', failed).listen(port, '127.0.0.1', done));
    other.close();
  } finally {
    await daemon.close();
    rmSync(folder, { recursive: true });
  }
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}
