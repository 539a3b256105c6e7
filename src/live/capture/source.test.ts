// Sources of a host's texts: archives of other programs, folders, and ssh, which a test program
// replaces.

import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { zipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DUMP, INFO, LIST } from '../../../test/support/listings.js';
import { anonymous } from './anonymous.js';
import { ARCHIVE_LIMITS, readArchive } from './archive/archive.js';
import { readFolder } from './archive/folder.js';
import { readCapture } from './captured-host.js';
import { textsOf } from './source.js';
import { SshError, sshTarget } from './ssh.js';
import { packCapture } from './write-capture.js';

const OLD_DUMP = DUMP.replace('Node 0: 0', 'Node 0: 262144').replace('Node 1: 262144', 'Node 1: 0');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'xennuma-source-'));
  const report = join(folder, 'report', 'bug-report-20260101');
  mkdirSync(join(report, 'var', 'log', 'xen'), { recursive: true });
  writeFileSync(join(report, 'xl_info_n.out'), INFO);
  writeFileSync(join(report, 'xl_list.out'), LIST);
  writeFileSync(join(report, 'xl_dmesg.out'), DUMP);
  writeFileSync(join(report, 'var', 'log', 'xen', 'hypervisor.log'), OLD_DUMP);
  writeFileSync(join(report, 'xensource.log'), 'Jan  1 00:00:00 host xapi: nothing of ours\n'.repeat(1000));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const stdin = async () => new Uint8Array();
const options = { memory: true, stdin };

it.each(['little', 'big'])("reads UTF-16, %s end first, as PowerShell's > writes it", async (order) => {
  const bytes = Buffer.from(`\ufeff${INFO}${LIST}`.replaceAll('\n', '\r\n'), 'utf16le');
  const file = join(folder, `${order}.txt`);
  writeFileSync(file, order === 'little' ? bytes : bytes.swap16());
  const { live } = readCapture(await textsOf(file, options));
  expect(live.map.domains.map(({ name }) => name)).toEqual(['Domain-0', 'payroll']);
});
/** The comment of a zip is its last part, after its length. */
function withComment(zip: Uint8Array, comment: string): Uint8Array {
  return Buffer.concat([zip.subarray(0, -2), Uint8Array.of(comment.length, 0), Buffer.from(comment)]);
}

const pagesOf = (texts: Parameters<typeof readCapture>[0]) => readCapture(texts).live.map.domains.find(({ domid }) => domid === 5)?.pages;

describe('archives', () => {
  it.each([
    ['tgz', ['-czf']],
    ['tar.bz2', ['-cjf']],
    ['tar', ['-cf']],
  ])('a status report as %s, recognised by its entries; the newest dump counts', async (ending, words) => {
    const file = join(folder, `report.${ending}`);
    execFileSync('tar', ['-C', join(folder, 'report'), ...words, file, '.']);
    expect(pagesOf(await textsOf(file, options))).toEqual([0, 262_144]);
  });

  it('a status report as zip, and as a folder', async () => {
    const zip = zipSync({
      'a/info': Buffer.from(INFO),
      'a/list': Buffer.from(LIST),
      'a/dmesg': Buffer.from(DUMP),
      'b.log': Buffer.from(OLD_DUMP),
    });
    expect(pagesOf(await readArchive(zip, 'report.zip'))).toEqual([0, 262_144]);
    expect(pagesOf(await readFolder(join(folder, 'report')))).toEqual([0, 262_144]);
  });

  it('a capture as we write it, and one gzip text', async () => {
    expect(pagesOf(await readArchive(await packCapture(INFO + LIST + DUMP, new Date(0)), 'host.tgz'))).toEqual([0, 262_144]);
    expect(pagesOf(await readArchive(gzipSync(INFO + LIST + DUMP), 'host.gz'))).toEqual([0, 262_144]);
  });

  it('does not follow symbolic links of a folder', async () => {
    const linked = join(folder, 'linked');
    mkdirSync(linked);
    writeFileSync(join(linked, 'info'), INFO);
    symlinkSync(join(folder, 'report'), join(linked, 'more'));
    expect((await readFolder(linked)).map(({ file }) => file)).toEqual([join(linked, 'info')]);
  });

  it('refuses a damaged archive, an empty one, and one beyond the limits', async () => {
    const whole = gzipSync(INFO.repeat(50));
    await expect(readArchive(whole.subarray(0, whole.length - 20), 'cut.gz')).rejects.toThrow('the archive is damaged');
    const packed = execFileSync('bzip2', ['-c'], { input: INFO.repeat(50) });
    expect(await readArchive(packed, 'two.bz2')).toHaveLength(1);
    for (const bytes of [packed.subarray(0, packed.length - 5), packed.with(60, packed[60]! ^ 1)])
      await expect(readArchive(bytes, 'cut.bz2')).rejects.toThrow('the archive is damaged');
    // Streams in a row are one, as bzip2 has it.
    const [two] = await readArchive(Buffer.concat([packed, packed]), 'two.bz2');
    expect(two?.text).toBe(INFO.repeat(100));
    await expect(readArchive(zipSync({ readme: Buffer.from('hello') }), 'other.zip')).rejects.toThrow('found none');
  });

  describe('that are cut off are damaged, wherever it is', () => {
    const files = { 'a/info': INFO, 'a/list': LIST, 'a/readme': 'x'.repeat(512), 'a/dmesg': DUMP };
    const entries = Object.fromEntries(Object.entries(files).map(([name, text]) => [name, Buffer.from(text)]));
    const tarOf = (...words: string[]) => {
      const at = mkdtempSync(join(folder, 'tar-'));
      mkdirSync(join(at, 'a'));
      for (const [name, bytes] of Object.entries(entries)) writeFileSync(join(at, name), bytes);
      return execFileSync('tar', ['-C', at, '-c', ...words, 'a']);
    };
    // An end record, its comment and what is in the entries may look alike.
    const zips: [string, Uint8Array][] = [
      ['a zip', zipSync(entries)],
      ['a zip without compression', zipSync(entries, { level: 0 })],
      ['a zip with a comment', withComment(zipSync(entries), 'taken on Monday')],
      ['a zip with a zip in it', zipSync({ 'b.zip': zipSync(entries, { level: 0 }), ...entries }, { level: 0 })],
    ];

    it.each(zips)('%s, at every byte', async (_, whole) => {
      expect(pagesOf(await readArchive(whole, 'whole'))).toEqual([0, 262_144]);
      for (let length = 4; length < whole.length; length++) {
        await expect(readArchive(whole.subarray(0, length), 'cut.zip'), `${length} of ${whole.length}`).rejects.toThrow(
          'the archive is damaged',
        );
      }
    });

    it.each([
      ['tar', 'gnu'],
      ['tar', 'posix'],
      ['tar', 'ustar'],
    ])('a %s of the format %s, before its end blocks', async (_, format) => {
      const whole = tarOf(`--format=${format}`);
      expect(pagesOf(await readArchive(whole, 'whole'))).toEqual([0, 262_144]);
      const content = whole.findLastIndex((byte) => byte !== 0) + 1;
      const blocks = Math.ceil(content / 512);
      for (let length = 512; length <= content; length += 37) {
        await expect(readArchive(whole.subarray(0, length), 'cut.tar'), `${length} of ${content}`).rejects.toThrow(
          'the archive is damaged',
        );
      }
      for (let block = 1; block <= blocks; block++) {
        await expect(readArchive(whole.subarray(0, 512 * block), 'cut.tar'), `block ${block}`).rejects.toThrow('the archive is damaged');
      }
      expect(pagesOf(await readArchive(whole.subarray(0, 512 * (blocks + 2)), 'short.tar'))).toEqual([0, 262_144]);
      await expect(readArchive(gzipSync(whole.subarray(0, 512 * blocks)), 'cut.tgz')).rejects.toThrow('the archive is damaged');
    });

    it('a zip as Info-ZIP and others write it is whole', async () => {
      // The end of a central directory with more entries than its 16 bits count (ZIP64).
      const zip = zipSync(entries);
      const end = zip.length - 22;
      const many = zip
        .with(end + 8, 0xff)
        .with(end + 9, 0xff)
        .with(end + 10, 0xff)
        .with(end + 11, 0xff);
      expect(pagesOf(await readArchive(many, 'many.zip'))).toEqual([0, 262_144]);
    });
  });

  it('counts entries and bytes, of all entries and of one', async () => {
    const three = zipSync({ a: Buffer.from(INFO), b: Buffer.from(LIST), c: Buffer.from(DUMP) });
    const bytes = INFO.length + LIST.length + DUMP.length;
    const limits = { ...ARCHIVE_LIMITS, entries: 3, totalBytes: bytes };
    expect(await readArchive(three, 'x.zip', limits)).toHaveLength(3);
    await expect(readArchive(three, 'x.zip', { ...limits, entries: 2 })).rejects.toThrow('expected at most 2 entries');
    await expect(readArchive(three, 'x.zip', { ...limits, totalBytes: bytes - 1 })).rejects.toThrow('in the archive, found more');
    const chars = { ...ARCHIVE_LIMITS, textChars: bytes };
    expect(await readArchive(three, 'x.zip', chars)).toHaveLength(3);
    await expect(readArchive(three, 'x.zip', { ...chars, textChars: bytes - 1 })).rejects.toThrow(
      'MiB of listings in the archive, found more',
    );
    const long = gzipSync(INFO + ' '.repeat(10_000));
    expect((await readArchive(long, 'x.gz', { ...ARCHIVE_LIMITS, entryBytes: INFO.length }))[0]!.text).toBe(INFO);
  });
});

describe('ssh', () => {
  /**
   * Puts a program named ssh first in the path. It runs the script in a shell with the test's own
   * xl.
   */
  async function withSsh<T>(ssh: string, work: () => Promise<T>): Promise<T> {
    const bin = mkdtempSync(join(folder, 'bin-'));
    writeFileSync(join(bin, 'ssh'), `#!/bin/sh\necho "$*" >> ${bin}/calls\n${ssh}\n`);
    chmodSync(join(bin, 'ssh'), 0o755);
    const path = process.env.PATH;
    process.env.PATH = `${bin}:${path}`;
    try {
      return await work();
    } finally {
      process.env.PATH = path;
    }
  }

  const far = () => {
    const there = mkdtempSync(join(folder, 'far-'));
    writeFileSync(join(there, 'info'), INFO);
    writeFileSync(join(there, 'list'), LIST);
    writeFileSync(join(there, 'dump'), DUMP);
    const xl = `#!/bin/sh\ncase "$1 $2" in "info -n") cat ${there}/info;; "list -n") cat ${there}/list;; "debug-keys u") touch ${there}/asked;; dmesg*) [ -e ${there}/asked ] && cat ${there}/dump; exit 0;; *) exit 1;; esac\n`;
    writeFileSync(join(there, 'xl'), xl);
    chmodSync(join(there, 'xl'), 0o755);
    return there;
  };

  it('runs one script there, over one connection, and reads what it prints', async () => {
    const there = far();
    // Other tests open connections at the same time, in the common folder.
    const { TMPDIR } = process.env;
    process.env.TMPDIR = mkdtempSync(join(folder, 'tmp-'));
    const texts = await withSsh(
      `for last; do :; done\n[ "$last" = "sh -s" ] || exit 0\necho "Welcome to beta"\nPATH=${there}:$PATH exec sh -s`,
      () => textsOf('ssh://root@beta:2222', options),
    );
    expect(pagesOf(texts)).toEqual([0, 262_144]);
    expect(texts[0]!.text).not.toContain('Welcome');
    expect(readdirSync(tmpdir())).toEqual([]);
    if (TMPDIR === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = TMPDIR;
  });

  it("sends no debug key without memory, and repeats ssh's own message when it fails", async () => {
    const there = far();
    const texts = await withSsh(`PATH=${there}:$PATH exec sh -s`, () => textsOf('ssh://beta', { ...options, memory: false }));
    expect(pagesOf(texts)).toEqual([0, 0]);
    expect(readdirSync(there)).not.toContain('asked');
    const refused = withSsh('echo "Permission denied (publickey)." >&2; exit 255', () => textsOf('ssh://beta', options));
    await expect(refused).rejects.toThrow('beta cannot be reached by ssh: Permission denied (publickey).');
    await expect(withSsh('echo hello; exit 0', () => textsOf('ssh://beta', options))).rejects.toThrow(SshError);
  });

  it.each(['ssh://', 'ssh://-oProxyCommand=x', 'ssh://a b', 'ssh://a:0', 'ssh://a:70000', 'ssh://a/path', 'ssh://-l@a'])(
    'refuses %s',
    (text) => {
      expect(() => sshTarget(text)).toThrow('expected ssh://[user@]host[:port]');
    },
  );
});

it('a capture without names gives the same placement', () => {
  const uuid = '0b1c2d3e-0000-4000-8000-000000000007';
  const store = `/local/domain/5/name = "payroll"\n/local/domain/5/vm = "/vm/${uuid}"\n/local/domain/5/device/vbd/1/params = "/dev/vg/payroll-secret"\n`;
  const text = anonymous(INFO + LIST + DUMP + store, ['beta', 'payroll', 'Domain-0']);
  expect(text).not.toMatch(/payroll|beta|secret|0b1c2d3e/);
  const [open, closed] = [INFO + LIST + DUMP + store, text].map((one) => readCapture([{ file: 'x', text: one }]).live);
  expect(closed!.map.domains.map(({ pages, vcpus }) => ({ pages, vcpus }))).toEqual(
    open!.map.domains.map(({ pages, vcpus }) => ({ pages, vcpus })),
  );
  expect(closed!.uuids.has(5)).toBe(true);
});
