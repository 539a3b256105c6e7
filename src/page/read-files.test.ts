import { gzipSync } from 'node:zlib';
import { zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { DUMP, INFO, LIST, VCPUS } from '../../test/support/listings.js';
import { ARCHIVE_LIMITS } from '../live/capture/archive/archive.js';
import { readFiles } from './read-files.js';

const file = (name: string, text: string | Uint8Array) => ({
  name,
  bytes: typeof text === 'string' ? new TextEncoder().encode(text) : text,
});
const HOST = 'nodes: [{ memory: 8GiB, cpus: 0-3 }, { memory: 8GiB, cpus: 4-7 }]\n';
const VMS = 'vms: [{ name: one, vcpus: 2, memory: 1GiB }]\n';
const other = INFO.replace('beta', 'gamma');

describe('files that are opened on the page', () => {
  it('are one host when they are parts of one, in any order', async () => {
    const { captured } = await readFiles([file('d', DUMP), file('l', LIST), file('i', INFO), file('v', VCPUS)]);
    expect(captured!.map(({ live }) => live.map.name)).toEqual(['beta']);
    expect(captured![0]!.live.map.domains.find(({ domid }) => domid === 5)).toMatchObject({ name: 'payroll', pages: [0, 262_144] });
  });

  it('are a host for each archive, and for each text that has one', async () => {
    const names = async (...files: Parameters<typeof readFiles>[0]) => (await readFiles(files)).captured!.map(({ live }) => live.map.name);
    expect(await names(file('a.zip', zipSync({ a: Buffer.from(INFO) })), file('b.gz', gzipSync(other)))).toEqual(['beta', 'gamma']);
    expect(await names(file('a', INFO + LIST), file('b', other + LIST))).toEqual(['beta', 'gamma']);
    expect(await names(file('a.gz', gzipSync(INFO)), file('b', other))).toEqual(['beta', 'gamma']);
  });

  it('are a description with its VMs, in any order', async () => {
    for (const files of [
      [file('h', HOST), file('v', VMS)],
      [file('v', VMS), file('h', HOST)],
    ]) {
      const { described } = await readFiles(files);
      expect(described!.host.nodes.map(({ memoryBytes }) => memoryBytes)).toEqual([8 * 2 ** 30, 8 * 2 ** 30]);
      expect(described!.vms.map(({ name }) => name)).toEqual(['one']);
    }
    // A host that Xen's tools print, and VMs to start there.
    expect((await readFiles([file('i', INFO), file('v', VMS)])).described!.host.name).toBe('beta');
  });

  it('are refused with their place, and what to do', async () => {
    const refusal = (...files: Parameters<typeof readFiles>[0]) => readFiles(files).then(String, String);
    expect(await refusal(file('h.yaml', HOST.replace('8GiB', '8Gi8')))).toMatch(/^h\.yaml:1: nodes\[0\]\.memory: /);
    expect(await refusal(file('v.yaml', VMS))).toMatch(/expected a description of the host, got none/);
    expect(await refusal(file('a', INFO), file('b', INFO + LIST), file('c', LIST))).toMatch(/^c/);
    expect(await refusal(file('notes.txt', 'hello\n'))).toMatch(/^notes\.txt: /);
    expect(await refusal(file('h.yaml', HOST), file('a.gz', gzipSync(INFO)))).toMatch(
      /^h\.yaml: expected captures or descriptions, got both/,
    );
    expect(await refusal()).toMatch(/no file/);
  });

  it('are bounded in number, in bytes, and in what an archive unpacks to', async () => {
    const zip = zipSync({ a: Buffer.from(INFO), b: new Uint8Array(100_000) });
    const limits = { ...ARCHIVE_LIMITS, files: 1, fileBytes: zip.length, totalBytes: INFO.length + 100_000 };
    expect((await readFiles([file('a.zip', zip)], limits)).captured).toHaveLength(1);
    await expect(readFiles([file('a.zip', zip)], { ...limits, totalBytes: limits.totalBytes - 1 })).rejects.toThrow('found more');
    await expect(readFiles([file('a.zip', zip)], { ...limits, fileBytes: zip.length - 1 })).rejects.toThrow('expected at most 1 files');
    await expect(readFiles([file('a', INFO), file('b', LIST)], limits)).rejects.toThrow('got 2');
  });
});
