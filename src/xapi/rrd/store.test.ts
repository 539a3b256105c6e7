// Data sources as clients see them: over HTTP, by the API's messages, and after a restart.
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { SaxesParser } from 'saxes';
import { afterEach, describe, expect, it } from 'vitest';
import { cheapUser } from '../../../test/support/cheap-user.js';
import { type TestDaemon, testDaemon, testFront, vmRecord } from '../../../test/support/daemon.js';
import { GIB } from '../../base/units.js';
import { parseUsers } from '../calls/users.js';
import { pagesOf } from '../http/pages.js';
import type { WireFloat, WireStruct } from '../wire/values.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'xennuma-rrd-'));
  ends.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** The texts of an XML document, by the path of their element. */
function textsOf(document: string): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  const path: string[] = [];
  const parser = new SaxesParser();
  parser.on('opentag', ({ name }) => {
    path.push(name);
    found.set(path.join('/'), [...(found.get(path.join('/')) ?? []), '']);
  });
  parser.on('text', (text) => {
    const texts = found.get(path.join('/'));
    if (texts !== undefined) texts.push(`${texts.pop()!}${text}`);
  });
  parser.on('closetag', () => void path.pop());
  parser.write(document).close();
  return found;
}

interface Served {
  readonly daemon: TestDaemon;
  readonly get: (path: string, headers?: Record<string, string>) => Promise<{ status: number; type: string; text: string }>;
  /** Seconds go by, with a reading at the end of each five. */
  readonly pass: (seconds: number) => void;
  readonly close: () => Promise<void>;
}

const START_MS = 1_800_000_000_000;

async function serve(given: Parameters<typeof testDaemon>[0] = {}, startMs = START_MS): Promise<Served> {
  let nowMs = startMs;
  const daemon = await testDaemon({ nowMs: () => nowMs, ...given });
  const front = await testFront(daemon, { pages: pagesOf(daemon, null, given.users === undefined) });
  let open = true;
  const close = async (): Promise<void> => {
    if (!open) return;
    open = false;
    await front.close();
    await daemon.close();
  };
  ends.push(close);
  return {
    daemon,
    close,
    pass: (seconds) => {
      for (let i = 0; i < seconds / 5; i++) {
        nowMs += 5000;
        daemon.rrds.read();
      }
    },
    get: (path, headers = {}) =>
      new Promise((done, failed) => {
        const asking = request({ host: '127.0.0.1', port: front.port, path, headers }, (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => {
            text += chunk;
          });
          response.on('end', () => done({ status: response.statusCode!, type: response.headers['content-type'] ?? '', text }));
        });
        asking.on('error', failed);
        asking.end();
      }),
  };
}

async function running(daemon: TestDaemon, name = 'web'): Promise<{ ref: string; uuid: string }> {
  const ref = (await daemon.call('VM.create', vmRecord(name))) as string;
  await daemon.call('VM.start', ref, false, false);
  return { ref, uuid: (await daemon.call('VM.get_uuid', ref)) as string };
}

interface Updates {
  readonly meta: Readonly<Record<'start' | 'step' | 'end' | 'rows' | 'columns', string>> & { readonly legend: readonly string[] };
  readonly data: readonly { readonly t: string; readonly values: readonly string[] }[];
}

describe('/rrd_updates', () => {
  it('tells where the memory of a running VM is, by node, under the names that tools of xapi look for', async () => {
    const { daemon, get, pass } = await serve();
    const { ref, uuid } = await running(daemon);
    pass(10);
    const { type, text } = await get('/rrd_updates?start=-10&host=true&json=true&cf=AVERAGE&interval=5');
    expect(type).toBe('application/json');
    const { meta, data } = JSON.parse(text) as Updates;
    const newest = new Map(meta.legend.map((name, column) => [name, Number(data[0]!.values[column])]));
    const metrics = (await daemon.call('VM.get_metrics', ref)) as string;
    const actual = Number(await daemon.call('VM_metrics.get_memory_actual', metrics));
    expect(newest.get(`AVERAGE:vm:${uuid}:memory`)).toBe(actual);
    const byNode = [0, 1, 2, 3].map((node) => newest.get(`AVERAGE:vm:${uuid}:memory_numa_node_${node}`)!);
    expect(byNode.reduce((sum, bytes) => sum + bytes, 0)).toBe(actual);
    expect(newest.get(`AVERAGE:vm:${uuid}:numa_nodes`)).toBe(byNode.filter((bytes) => bytes > 4096 * 4096).length);
    const host = (await daemon.call('host.get_uuid', daemon.objects.host)) as string;
    expect(newest.get(`AVERAGE:host:${host}:memory_total_kib`)).toBeGreaterThan((60 * GIB) / 1024);
    expect(meta).toMatchObject({
      step: '5',
      end: String(START_MS / 1000 + 10),
      rows: String(data.length),
      columns: String(meta.legend.length),
    });
    expect(
      data.map(({ t }) => Number(t)),
      'the newest first',
    ).toEqual(data.map(({ t }) => Number(t)).sort((a, b) => b - a));
  });

  it('is XML unless JSON is wanted, and tells only of the VMs asked for', async () => {
    const { daemon, get, pass } = await serve();
    const one = await running(daemon, 'one');
    await running(daemon, 'two');
    pass(5);
    const { type, text } = await get(`/rrd_updates?start=-5&vm_uuid=${one.uuid}`);
    expect(type).toBe('text/xml');
    const texts = textsOf(text);
    const legend = texts.get('xport/meta/legend/entry')!;
    expect(legend.every((entry) => entry.startsWith(`AVERAGE:vm:${one.uuid}:`))).toBe(true);
    const rows = Number(texts.get('xport/meta/rows')![0]);
    expect(texts.get('xport/data/row/t')).toHaveLength(rows);
    expect(texts.get('xport/data/row/v')).toHaveLength(rows * legend.length);
    expect((await get('/rrd_updates?start=-5', { accept: 'application/json' })).type).toBe('application/json');
    expect((await get('/rrd_updates?start=-5&json=true', { accept: 'text/xml' })).type).toBe('text/xml');
  });

  it('says what is wrong with a query', async () => {
    const { get, pass } = await serve();
    pass(5);
    expect(await get('/rrd_updates')).toMatchObject({ status: 400, text: expect.stringContaining('start=') as unknown });
    expect(await get('/rrd_updates?start=x')).toMatchObject({ status: 400 });
    expect(await get('/rrd_updates?start=0&host=true&cf=MAX')).toMatchObject({
      status: 404,
      text: expect.stringContaining('MAX') as unknown,
    });
    expect(await get('/rrd_updates?start=0&vm_uuid=none')).toMatchObject({ status: 404 });
    expect(await get('/vm_rrd?uuid=none')).toMatchObject({ status: 404 });
  });

  it.each(['/rrd_updates?start=-5&host=true', '/rrd_updates?start=x', '/host_rrd?json', '/vm_rrd?uuid=none'])(
    'a task that %s names ends with the answer, as clients expect that make one for each request',
    async (path) => {
      const { daemon, get, pass } = await serve();
      pass(5);
      const task = (await daemon.call('task.create', 'figures', '')) as string;
      await get(`${path}&task_id=${task}`);
      expect(await daemon.call('task.get_status', task)).toBe('success');
      expect((await get(`${path}&task_id=${task}`)).status).toBe((await get(path)).status);
    },
  );

  it('a reader ends no task of another user', async () => {
    const users = parseUsers([cheapUser('root', 'admin', 'secret'), cheapUser('eye', 'read-only', 'seen')].join('\n'), 'users');
    const { daemon, get, pass } = await serve({ users: () => users });
    pass(5);
    const task = daemon.tasks.own('figures', '', daemon.objects.host, 'user root');
    await daemon.database.flushed();
    const as = (user: string) => get(`/host_rrd?json&task_id=${task}`, { authorization: `Basic ${btoa(user)}` });
    expect((await as('eye:seen')).status).toBe(200);
    expect(daemon.tasks.isClients(task)).toBe(true);
    await as('root:secret');
    expect(daemon.tasks.isClients(task)).toBe(false);
  });

  it('is for those who may log in: by session_id in the URL, as clients of xapi give it', async () => {
    const { get } = await serve({ users: () => new Map() });
    expect((await get('/rrd_updates?start=0&host=true')).status).toBe(401);
    expect((await get('/rrd_updates?start=0&host=true&session_id=OpaqueRef:none')).status).toBe(401);
    const open = await serve();
    expect((await open.get(`/host_rrd?session_id=${open.daemon.session}`)).status).toBe(200);
  });
});

describe('whole databases', () => {
  it('of a VM that is halted: what it was while it ran', async () => {
    const { daemon, get, pass } = await serve();
    const { ref, uuid } = await running(daemon);
    pass(20);
    await daemon.call('VM.hard_shutdown', ref);
    pass(20);
    expect((await get(`/rrd_updates?start=-30&json&vm_uuid=${uuid}`)).status, 'it does not run').toBe(404);
    const whole = JSON.parse((await get(`/vm_rrd?uuid=${uuid}&json=true`)).text) as {
      ds: { name: string }[];
      rra: { pdp_per_row: string; database: string[][] }[];
    };
    const column = whole.ds.findIndex(({ name }) => name === 'memory');
    const known = whole.rra[0]!.database.map((row) => row[column]!).filter((value) => value !== 'NaN');
    expect(known).toHaveLength(4);
    expect(whole.rra.map(({ pdp_per_row: points, database }) => [Number(points), database.length])).toEqual([
      [1, 120],
      [12, 120],
      [720, 168],
      [17280, 366],
    ]);
    const texts = textsOf((await get(`/vm_rrd?uuid=${uuid}`)).text);
    expect([texts.get('rrd/version'), texts.get('rrd/step')]).toEqual([['0003'], ['5']]);
    expect(texts.get('rrd/ds/name')).toEqual(whole.ds.map(({ name }) => name));
    expect(texts.get('rrd/rra/database/row/v')!.slice(0, 120 * whole.ds.length)).toEqual(whole.rra[0]!.database.flat());
    await daemon.call('VM.destroy', ref);
    pass(5);
    expect((await get(`/vm_rrd?uuid=${uuid}`)).status, 'gone with its VM').toBe(404);
  });
});

describe('data sources by the API', () => {
  it('are listed, asked, forgotten, and recorded again', async () => {
    const { daemon, pass } = await serve();
    const { ref } = await running(daemon);
    pass(5);
    const enabled = async () => {
      const all = (await daemon.call('VM.get_data_sources', ref)) as WireStruct[];
      return new Map(all.map((one) => [one.name_label, one.enabled]));
    };
    expect((await enabled()).get('memory_numa_node_0')).toBe(true);
    expect(((await daemon.call('VM.query_data_source', ref, 'memory')) as WireFloat).value).toBeGreaterThan(GIB);
    await daemon.call('VM.forget_data_source_archives', ref, 'memory');
    pass(5);
    expect((await enabled()).get('memory')).toBe(false);
    await expect(daemon.call('VM.query_data_source', ref, 'memory')).rejects.toMatchObject({ code: 'INTERNAL_ERROR' });
    // Inventions are not remembered.
    await daemon.call('VM.forget_data_source_archives', ref, 'invented');
    expect((await enabled()).has('invented')).toBe(false);
    await daemon.call('VM.record_data_source', ref, 'memory');
    pass(5);
    expect((await enabled()).get('memory')).toBe(true);
    await expect(daemon.call('VM.record_data_source', ref, 'nothing')).rejects.toMatchObject({ code: 'INTERNAL_ERROR' });
    expect(
      ((await daemon.call('host.query_data_source', daemon.objects.host, 'running_domains')) as WireFloat).value,
      'with Domain-0',
    ).toBe(2);
  });
});

describe('a restart', () => {
  it('keeps what was recorded; the time between is unknown', async () => {
    const state = folder();
    const first = await serve({ state });
    first.daemon.rrds.start();
    first.pass(20);
    await first.close();
    expect(statSync(join(state, 'rrd.json.gz')).mode & 0o077).toBe(0);
    // Longer than the heartbeat of 300 s, shorter than the finest archive.
    const second = await serve({ state }, START_MS + 400_000);
    second.pass(10);
    const { rra } = JSON.parse((await second.get('/host_rrd?json')).text) as { rra: { database: string[][] }[] };
    const known = rra[0]!.database.map((row) => row[0] !== 'NaN');
    const gap = (400 - 20 + 5) / 5;
    expect(known.slice(-(4 + gap + 1))).toEqual([...[true, true, true, true], ...new Array<boolean>(gap).fill(false), true]);
    expect(readdirSync(state).filter((name) => name.endsWith('.new'))).toEqual([]);
  });

  it('reads the file of earlier versions, in which every source has its own archives', async () => {
    const state = folder();
    const first = await serve({ state });
    await first.close();
    const uuid = (await first.daemon.call('host.get_uuid', first.daemon.objects.host)) as string;
    const info = { name: 'memory_free_kib', description: 'Free', units: 'KiB', min: 0, max: null, standard: true };
    const row = { sum: 0, known: 0, unknown: 0 };
    const archives = [[[7, 3]], [], [], []].map((runs) => ({ runs, row }));
    const step = START_MS / 5000;
    const content = { version: 1, host: { step, series: [{ info, archives }] }, vms: {} };
    writeFileSync(join(state, 'rrd.json.gz'), gzipSync(JSON.stringify(content)), { mode: 0o600 });
    const second = await serve({ state }, START_MS);
    const known = () =>
      second.daemon.rrds
        .of({ host: uuid })!
        .series()
        .find((one) => one.info.name === info.name)!;
    expect(known().track.archives[0]!.ring.newest(3)).toEqual([7, 7, 7]);
    second.pass(5);
    expect(known().track.archives[0]!.ring.newest(3).slice(0, 2)).toEqual([7, 7]);
    expect(known().info, 'described anew').toMatchObject({ description: 'Total amount of free memory', max: Number.POSITIVE_INFINITY });
  });

  it.each([
    { series: [[0, 1]], tracks: [] },
    { series: [[9, 0]], tracks: [{ archives: [0, 1, 2, 3].map(() => ({ runs: [], row: { sum: 0, known: 0, unknown: 0 } })) }] },
  ])('a series that names no description or no track is damage, too: %j', async (broken) => {
    const state = folder();
    const info = { name: 'a', description: '', units: '', type: 'GAUGE', min: 0, max: null, standard: true };
    const content = { version: 2, host: { step: 0, ...broken }, vms: {}, sources: [info] };
    writeFileSync(join(state, 'rrd.json.gz'), gzipSync(JSON.stringify(content)), { mode: 0o600 });
    const said: string[] = [];
    await serve({ state, log: { info() {}, error() {}, warn: (_values: object, message: string) => void said.push(message) } });
    expect(said).toEqual([expect.stringContaining('rrd.json.gz')]);
  });

  it('goes on with new databases when the file is damaged, and says so', async () => {
    const state = folder();
    writeFileSync(join(state, 'rrd.json.gz'), 'garbage');
    const said: string[] = [];
    const log = { info() {}, error() {}, warn: (_values: object, message: string) => void said.push(message) };
    const { pass, get } = await serve({ state, log });
    expect(said).toEqual([expect.stringContaining('rrd.json.gz')]);
    pass(5);
    expect((await get('/rrd_updates?start=-5&host=true')).status).toBe(200);
  });
});
