// The flow with its keys in a daemon: `xennuma run --xenstore SOCKET` against ours and against
// Debian's two, read by Debian's clients.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { connectXenstore } from '../../src/xenstore/client/connect.js';
import { root, xennuma } from '../xennuma.js';
import { client, type Daemon, REAL, startOurs, startReal, WHY_NOT_REAL } from './daemons.js';

const CHART = join(root, 'examples/scenarios/chart.yaml');
/** Any domain that the scenario may make: the C daemon refuses owners that Xen does not know. */
const MOST_DOMAINS = 64;

interface Answer {
  readonly asExpected: boolean;
  readonly vms: readonly { readonly name: string; readonly domid: number | null; readonly hard: readonly string[] }[];
}

const running: Daemon[] = [];
afterAll(async () => {
  for (const daemon of running) await daemon.stop();
});

const start: Readonly<Record<'ours' | 'real', (personality: 'xenstored' | 'oxenstored') => Promise<Daemon>>> = {
  ours: (personality) => startOurs(personality),
  real: async (personality) => {
    const daemon = await startReal(personality);
    for (let domid = 1; domid <= MOST_DOMAINS; domid++) writeFileSync(join(daemon.folder, 'domains', String(domid)), '');
    return daemon;
  },
};

for (const personality of ['xenstored', 'oxenstored'] as const) {
  for (const whose of ['ours', 'real'] as const) {
    test.skipIf(whose === 'real' && !REAL)(
      `${whose} ${personality}: the chart's scenario, twice, as on the embedded store (${WHY_NOT_REAL})`,
      async () => {
        const daemon = await start[whose](personality);
        running.push(daemon);
        const embedded = xennuma(['run', CHART, '--json', '--personality', personality]);
        for (const round of ['first', 'again']) {
          const { code, out, err } = xennuma(['run', CHART, '--json', '--xenstore', daemon.socket]);
          expect({ round, code, err }).toEqual({ round, code: 0, err: '' });
          expect(JSON.parse(out)).toEqual(JSON.parse(embedded.out));
        }
        const xs = await connectXenstore({ path: daemon.socket });
        const { vms } = JSON.parse(embedded.out) as Answer;
        const up = vms.filter(({ domid }) => domid !== null);
        expect(up.length).toBeGreaterThan(3);
        for (const { name, domid } of up) {
          expect(await xs.read(`/local/domain/${domid}/name`)).toBe(name);
          expect(await xs.isIntroduced(domid!)).toBe(true);
        }
        expect((await xs.directory('/local/domain')).sort()).toEqual(['0', ...up.map(({ domid }) => String(domid))].sort());
        await xs.close();
      },
    );
  }
}

test.skipIf(!REAL)(`Debian's xenstore-ls and xenstore-read show the flow's keys (${WHY_NOT_REAL})`, async () => {
  const daemon = await startOurs('oxenstored');
  running.push(daemon);
  const { vms } = JSON.parse(xennuma(['run', CHART, '--json', '--xenstore', daemon.socket]).out) as Answer;
  const listed = await client(daemon.socket, 'xenstore-ls', ['-f', '/local/domain']);
  expect(listed.code).toBe(0);
  for (const { name, domid } of vms) {
    if (domid !== null) expect(listed.out).toContain(`/local/domain/${domid}/name = "${name}"\n`);
  }
  // The mask "12,13" of 16 CPUs, a digit a CPU, as VM.create writes it (xenops_server_xen.ml
  // 1300-1370).
  const { domid } = vms.find(({ name }) => name === 'spill')!;
  for (const vcpu of [0, 1]) {
    const read = await client(daemon.socket, 'xenstore-read', [`/local/domain/${domid}/platform/vcpu/${vcpu}/affinity`]);
    expect(read).toEqual({ code: 0, out: '0000000000001100\n', err: '' });
  }
});

test('a store with domains of another host is left alone', async () => {
  const daemon = await startOurs('xenstored');
  running.push(daemon);
  const xs = await connectXenstore({ path: daemon.socket });
  await xs.write('/local/domain/7/name', 'theirs');
  const { code, err } = xennuma(['run', CHART, '--xenstore', daemon.socket]);
  expect(code).toBe(2);
  expect(err).toContain('domains of another host (7)');
  expect(await xs.read('/local/domain/7/name')).toBe('theirs');
  expect(await xs.directory('/')).not.toContain('vm');
  await xs.close();
});

test('a socket that is not there, one that nobody serves, and a personality beside a socket', () => {
  const folder = mkdtempSync(join(tmpdir(), 'xennuma-flow-'));
  mkdirSync(join(folder, 'empty'));
  writeFileSync(join(folder, 'file'), '');
  for (const [words, said] of [
    [['--xenstore', join(folder, 'none')], 'no XenStore here'],
    [['--xenstore', join(folder, 'file')], 'does not answer'],
    [['--xenstore', join(folder, 'file'), '--personality', 'xenstored'], 'got both'],
  ] as const) {
    const { code, err } = xennuma(['run', CHART, ...words]);
    expect({ said, code }).toEqual({ said, code: 2 });
    expect(err).toContain(said);
    expect(err.trim().split('\n')).toHaveLength(1);
  }
  rmSync(folder, { recursive: true });
});
