// What somebody else put in the place of the daemons' own files: links, pipes, files of others. The
// daemon says so at start, does not wait, and changes nothing there.
import { spawnSync } from 'node:child_process';
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { AuditLog } from '../../src/xapi/calls/audit-log.js';
import { parseUsers, userLine } from '../../src/xapi/calls/users.js';
import { changeUsersFile, followUsersFile, readUsersFile } from '../../src/xapi/calls/users-file.js';
import { StateFolder } from '../../src/xapi/model/disk/sqlite.js';
import { FileMetadata } from '../../src/xenopsd/store/file-metadata.js';
import { createEngine } from '../../src/xenstore/in-process.js';
import { JournalFile } from '../../src/xenstore/server/journal-file.js';
import { claimSocketPath } from '../../src/xenstore/server/socket-file.js';
import { testDaemon } from '../support/daemon.js';
import { xennuma } from '../xennuma.js';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});
function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'xennuma-planted-'));
  folders.push(path);
  return path;
}

/** Opens the file, as its owner does at start. */
const OWNERS: readonly (readonly [name: string, file: string, open: (folder: string) => unknown])[] = [
  ['audit log', 'audit.log', (at) => new AuditLog({ file: join(at, 'audit.log') })],
  ['database', 'xapi.db', (at) => new StateFolder(at)],
  ["database's log", 'xapi.db-wal', (at) => new StateFolder(at)],
  ['count of commits', 'commits', (at) => new StateFolder(at)],
  ['state of xenstored', 'state', (at) => new JournalFile(join(at, 'state'))],
  ["lock of xenstored's socket", 'socket.lock', (at) => claimSocketPath(join(at, 'socket'))],
];

describe.each(OWNERS)('in place of the %s', (_name, file, open) => {
  it('a link is not followed', () => {
    const at = folder();
    const target = join(at, 'target');
    writeFileSync(target, 'precious');
    symlinkSync(target, join(at, file));
    expect(() => open(at)).toThrow('it is not a regular file');
    expect(readFileSync(target, 'utf8')).toBe('precious');
  });

  it('a pipe does not make it wait', () => {
    const at = folder();
    spawnSync('mkfifo', [join(at, file)]);
    expect(() => open(at)).toThrow('it is not a regular file');
  });

  it.each([0o666, 0o620])('a file that others may write is refused: mode %i', (mode) => {
    const at = folder();
    writeFileSync(join(at, file), '');
    chmodSync(join(at, file), mode);
    expect(() => open(at)).toThrow('others may write');
  });
});

describe('a state folder', () => {
  it.each([0o777, 0o770])('in which others may write is refused, by serve and by vm: mode %i', async (mode) => {
    const at = join(folder(), 'open');
    mkdirSync(at);
    chmodSync(at, mode);
    expect(() => new StateFolder(at)).toThrow('others may write');
    await expect(FileMetadata.open(at)).rejects.toThrow('others may write');
  });

  it('of vm has one owner, whatever link leads to it', async () => {
    const at = folder();
    const [real, link] = [join(at, 'real'), join(at, 'link')];
    const owner = await FileMetadata.open(real);
    symlinkSync(real, link);
    for (const path of [real, link]) await expect(FileMetadata.open(path)).rejects.toThrow('another xennuma owns this state folder');
    await owner.close();
    await (await FileMetadata.open(link)).close();
  });

  it('with a link in place of the data sources goes on without it', async () => {
    const at = folder();
    const target = join(at, 'target');
    writeFileSync(target, 'precious');
    const state = join(at, 'state');
    mkdirSync(state);
    symlinkSync(target, join(state, 'rrd.json.gz'));
    const warned: string[] = [];
    const note = (_values: object, message: string) => warned.push(message);
    const daemon = await testDaemon({ state, log: { info() {}, warn: note, error: note } });
    await daemon.close();
    expect(warned.join()).toContain('rrd.json.gz cannot be read');
    expect(readFileSync(target, 'utf8')).toBe('precious');
  });
});

describe('the file of users', () => {
  it('that is a pipe or a folder is refused at once, also when it becomes one', async () => {
    const at = folder();
    const [pipe, file] = [join(at, 'pipe'), join(at, 'users')];
    spawnSync('mkfifo', [pipe]);
    for (const path of [pipe, at]) expect(() => readUsersFile(path)).toThrow(/not a regular file|EISDIR/);
    await expect(changeUsersFile(pipe, () => 'x')).rejects.toThrow('not a regular file');
    expect(xennuma(['serve', 'passwd', 'root', '--file', file], { input: 'secret\n' })).toMatchObject({ code: 0 });
    const complaints: string[] = [];
    const users = followUsersFile(file, (message) => complaints.push(message));
    rmSync(file);
    spawnSync('mkfifo', [file]);
    expect([...users().keys()]).toEqual(['root']);
    expect(complaints.join()).toContain('not a regular file');
  });
});

describe('a link to the file of users', () => {
  it('stays, and the file that it names is changed', async () => {
    const [link, file] = [join(folder(), 'link'), join(folder(), 'users')];
    symlinkSync(file, link);
    const line = (user: string) => userLine(user, 'admin', 'secret');
    writeFileSync(file, `${await line('root')}\n`, { mode: 0o600 });
    const other = `${await line('other')}\n`;
    await changeUsersFile(link, (text) => text + other);
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect([...parseUsers(readFileSync(file, 'utf8'), file).keys()]).toEqual(['root', 'other']);
  });
});

describe('a state file of xenstored', () => {
  it('that is a file of something else stays as it is', () => {
    const file = join(folder(), 'notes.txt');
    writeFileSync(file, 'precious');
    const journal = new JournalFile(file);
    expect(() => journal.load(createEngine({ personality: 'xenstored' }))).toThrow('not a state file of xenstored');
    expect(readFileSync(file, 'utf8')).toBe('precious');
  });
});
