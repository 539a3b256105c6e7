import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { landingNote, placement } from '../../../test/support/flow-records.js';
import { machine, vm as small, toolstackOn } from '../../../test/support/toolstack.js';
import { InputError } from '../../base/errors.js';
import type { LastBuild, VmMetadata } from '../api/metadata.js';
import { readBuild } from './build-files.js';
import { FileMetadata } from './file-metadata.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'xennuma-state-'));
});
afterEach(() => rm(folder, { recursive: true }));

const vm = (name: string, change: Partial<VmMetadata> = {}): VmMetadata => ({
  uuid: '01234567-89ab-8def-8123-456789abcdef',
  phase: 'halted',
  domid: null,
  pending: [],
  ...change,
  spec: {
    name,
    kind: 'pvh',
    vcpusMax: 2,
    vcpusAtStartup: 1,
    memoryStaticMaxBytes: 2 ** 30,
    memoryTargetBytes: 2 ** 29,
    vcpusParams: { mask: '1,2' },
    ...change.spec,
  },
});

async function reopened(): Promise<readonly VmMetadata[]> {
  const store = await FileMetadata.open(folder);
  const vms = await store.load();
  await store.close();
  return vms;
}

it('gives a new process the VMs in the order in which they were added, with their last state', async () => {
  const store = await FileMetadata.open(folder);
  const vms = [
    vm('zebra'),
    vm('a/b\0c'),
    vm('ü'.repeat(200), { spec: { ...vm('x').spec, name: 'ü'.repeat(200), boot: { kernel: '/k', cmdline: '' } } }),
  ];
  for (const one of vms) await store.save(one);
  const starting = vm('zebra', { phase: 'starting', pending: [7], domid: 3 });
  await store.save(starting);
  await store.close();
  expect(await reopened()).toEqual([starting, vms[1], vms[2]]);
});

it('forgets a VM that was removed, and one added again comes last', async () => {
  const store = await FileMetadata.open(folder);
  for (const name of ['a', 'b']) await store.save(vm(name));
  await store.remove('a');
  await store.remove('never there');
  await store.save(vm('a'));
  await store.close();
  expect((await reopened()).map((one) => one.spec.name)).toEqual(['b', 'a']);
});

it('leaves the old state or the new one: unfinished files are ignored', async () => {
  const store = await FileMetadata.open(folder);
  await store.save(vm('a'));
  await store.close();
  const [file] = await readdir(folder);
  await writeFile(join(folder, `${file}.new`), '{"format":1,"posi');
  expect(await reopened()).toEqual([vm('a')]);
  expect(await readdir(folder)).toEqual([file]);
});

it.each([
  ['', 'JSON'],
  ['{', 'JSON'],
  ['[]', 'object'],
  ['{"format":2}', 'format'],
])('says which file is damaged: %j', async (text, word) => {
  const path = join(folder, `${'0'.repeat(32)}.json`);
  await writeFile(path, text);
  const error: unknown = await reopened().catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(InputError);
  expect(String(error)).toContain(path);
  expect(String(error)).toContain(word);
});

it('refuses numbers that no VM has, and the file of another VM', async () => {
  const store = await FileMetadata.open(folder);
  await store.save(vm('a'));
  await store.close();
  const [file] = await readdir(folder);
  const text = await readFile(join(folder, file!), 'utf8');
  for (const [from, to] of [
    ['"vcpusMax":2', '"vcpusMax":0'],
    ['"vcpusMax":2', '"vcpusMax":8193'],
    ['"domid":null', '"domid":32752'],
    ['"phase":"halted"', '"phase":"dreaming"'],
    ['"name":"a"', '"name":"b"'],
  ] as const) {
    await writeFile(join(folder, file!), text.replace(from, to));
    await expect(reopened(), to).rejects.toThrow(InputError);
  }
});

it('belongs to one process at a time', async () => {
  const store = await FileMetadata.open(folder);
  await expect(FileMetadata.open(`${folder}/.`)).rejects.toThrow('another xennuma owns this state folder');
  await store.close();
  await (await FileMetadata.open(folder)).close();
});

it('makes the folder, and says so when it cannot', async () => {
  const deep = join(folder, 'a', 'b');
  await (await FileMetadata.open(deep)).close();
  expect(await readdir(join(folder, 'a'))).toEqual(['b']);
  await writeFile(join(folder, 'file'), '');
  for (const path of ['/proc/xennuma', join(folder, 'file', 'x'), join(folder, 'file')]) {
    await expect(FileMetadata.open(path).then((store) => store.load())).rejects.toThrow(InputError);
  }
});

describe('how a VM was last built', () => {
  const build: LastBuild = {
    operation: 'start',
    domid: 5,
    failure: null,
    title: 'start a',
    entries: [
      { kind: 'node', node: 'numa_placement', values: placement({ nodes: [0], cpus: null }) },
      { kind: 'edge', edge: 'numa_placement -> XEN_VCPUAFFINITY_SOFT', inferred: false },
      { kind: 'note', topic: 'landed', values: landingNote({ pages: [0, 0, 256, 0] }) },
      { kind: 'surprise', code: 'memory-spilled', values: { domid: 5, nodes: [2], pages: 256, affinity: [0] } },
    ],
  };

  it('is there for any process, the newest of it, and goes with the VM', async () => {
    expect(await readBuild(folder, 'a')).toBeNull();
    expect(await readBuild(join(folder, 'nowhere'), 'a')).toBeNull();
    const store = await FileMetadata.open(folder);
    await store.save(vm('a'));
    await store.save(vm('a'), build);
    expect(await readBuild(folder, 'a')).toEqual(build);
    const failed: LastBuild = {
      ...build,
      domid: null,
      failure: { step: 'VM.build', message: 'no memory', errno: 'ENOMEM', kind: 'not-enough-memory', neededBytes: 2, freeBytes: 1 },
      entries: [],
    };
    await store.save(vm('a'), failed);
    expect(await readBuild(folder, 'a')).toEqual(failed);
    expect((await store.load()).map(({ spec }) => spec.name)).toEqual(['a']);
    await store.remove('a');
    expect(await readdir(folder)).toEqual([]);
    await store.close();
  });

  it('that is damaged is one clear error, and takes nothing else with it', async () => {
    const store = await FileMetadata.open(folder);
    await store.save(vm('a'));
    await store.save(vm('a'), build);
    const path = join(folder, (await readdir(folder)).find((name) => name.endsWith('.build'))!);
    const whole = JSON.parse(await readFile(path, 'utf8'));
    for (const bad of [
      '',
      '{',
      'null',
      JSON.stringify({ ...whole, name: 'b' }),
      JSON.stringify({ ...whole, operation: 'dance' }),
      JSON.stringify({ ...whole, entries: [{ kind: 'note', topic: 'weather', values: {} }] }),
    ]) {
      await writeFile(path, bad);
      await expect(readBuild(folder, 'a')).rejects.toThrow(InputError);
    }
    expect(await store.load()).toHaveLength(1);
    await store.close();
  });

  it('is kept by a toolstack for each start, failed ones too, and not for what builds nothing', async () => {
    const store = await FileMetadata.open(folder);
    const toolstack = await toolstackOn(machine([2048, 2048], 2), { metadata: store });
    await toolstack.add(small('fits', 1, 64));
    await toolstack.add(small('huge', 1, 64 * 1024));
    const started = await toolstack.start('fits');
    await toolstack.pause('fits');
    const lastBuild = await readBuild(folder, 'fits');
    expect(lastBuild).toMatchObject({ operation: 'start', domid: started.domid, failure: null, title: 'start fits' });
    expect(lastBuild!.entries).toEqual(started.record.entries);
    const failed = await toolstack.start('huge');
    expect(await readBuild(folder, 'huge')).toMatchObject({ domid: null, failure: failed.failure });
    await store.close();
  });
});
