import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  constants,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FILE_CALLS } from './file-calls.js';
import { checkOwnFile, checkOwnFolder, makeOwnFolder, openOwnFile, readOwnFile } from './own-file.js';

const WRITE = constants.O_WRONLY | constants.O_CREAT;
const isRoot = process.geteuid!() === 0;
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'xennuma-own-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('a file of this process', () => {
  it('is made private, and read again', () => {
    const file = join(folder, 'a');
    const fd = openOwnFile(file, WRITE);
    FILE_CALLS.write(fd, Buffer.from('text'), null);
    FILE_CALLS.close(fd);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readOwnFile(file, 4)?.toString()).toBe('text');
    expect(readOwnFile(join(folder, 'none'), 4)).toBeNull();
  });

  it('that is a planted link, a pipe or a folder is refused, without waiting and without a change', () => {
    const [target, link, pipe, dangling] = ['target', 'link', 'pipe', 'dangling'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
      string,
    ];
    writeFileSync(target, 'precious');
    symlinkSync(target, link);
    symlinkSync(join(folder, 'made'), dangling);
    spawnSync('mkfifo', [pipe]);
    for (const path of [link, pipe, dangling, folder]) {
      expect(() => openOwnFile(path, WRITE), path).toThrow('it is not a regular file');
      expect(() => readOwnFile(path, 4), path).toThrow('it is not a regular file');
      expect(() => checkOwnFile(path), path).toThrow('it is not a regular file');
    }
    expect(readFileSync(target, 'utf8')).toBe('precious');
    expect(existsSync(join(folder, 'made'))).toBe(false);
  });

  it.each([0o622, 0o666])('that others may write is refused: mode %i', (mode) => {
    const file = join(folder, 'a');
    writeFileSync(file, '');
    chmodSync(file, mode);
    expect(() => openOwnFile(file, WRITE)).toThrow('others may write it');
  });

  it('with another name, a hard link, is refused and not changed', () => {
    const [file, other] = [join(folder, 'a'), join(folder, 'b')];
    writeFileSync(file, 'precious');
    linkSync(file, other);
    expect(() => openOwnFile(file, WRITE)).toThrow('it has 2 names (hard links)');
    expect(() => checkOwnFile(file)).toThrow('it has 2 names (hard links)');
    expect(readFileSync(other, 'utf8')).toBe('precious');
  });

  it.skipIf(!isRoot)('of another user is refused', () => {
    const file = join(folder, 'a');
    writeFileSync(file, '');
    chownSync(file, 65_534, 65_534);
    expect(() => openOwnFile(file, WRITE)).toThrow('belongs to user 65534');
  });
});

describe('a folder of this process', () => {
  it('is made with its parents, private; one that is there stays as it is', () => {
    const path = join(folder, 'a/b');
    makeOwnFolder(path);
    expect(statSync(path).mode & 0o777).toBe(0o700);
    chmodSync(path, 0o755);
    makeOwnFolder(path);
    expect(statSync(path).mode & 0o777).toBe(0o755);
  });

  it('whose path leads through a folder that is not there is made where its files will be', () => {
    makeOwnFolder(`${folder}/none/../made/`);
    expect(statSync(join(folder, 'made')).isDirectory()).toBe(true);
    expect(existsSync(join(folder, 'none'))).toBe(false);
  });

  it('is refused where it is a file or a link, or others may write', () => {
    const file = join(folder, 'a');
    writeFileSync(file, '');
    expect(() => makeOwnFolder(file)).toThrow('it is not a folder');
    expect(() => makeOwnFolder(join(file, 'b'))).toThrow(/ENOTDIR/);
    const open = join(folder, 'open');
    mkdirSync(open);
    for (const mode of [0o777, 0o770, 0o720]) {
      chmodSync(open, mode);
      expect(() => checkOwnFolder(open)).toThrow('others may write');
    }
    chmodSync(open, 0o755);
    const [link, dangling] = [join(folder, 'link'), join(folder, 'dangling')];
    symlinkSync(open, link);
    symlinkSync(join(folder, 'none'), dangling);
    for (const path of [link, `${link}/`, join(link, '.'), dangling]) {
      expect(() => checkOwnFolder(path), path).toThrow('it is a symbolic link');
      expect(() => makeOwnFolder(path), path).toThrow('it is a symbolic link');
    }
    expect(existsSync(join(folder, 'none'))).toBe(false);
    if (isRoot) {
      const foreign = join(folder, 'foreign');
      mkdirSync(foreign, { mode: 0o700 });
      chownSync(foreign, 65_534, 65_534);
      expect(() => checkOwnFolder(foreign)).toThrow('belongs to user 65534');
    }
  });
});
