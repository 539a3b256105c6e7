// The audit log and the file of users while their writes fail, each write in turn and with every
// fault.
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { AuditLog } from '../../src/xapi/calls/audit-log.js';
import type { CallEnd } from '../../src/xapi/calls/dispatch.js';
import { parseUsers } from '../../src/xapi/calls/users.js';
import { changeUsersFile, readUsersFile } from '../../src/xapi/calls/users-file.js';
import { XapiError } from '../../src/xapi/wire/errors.js';
import type { Wire } from '../../src/xapi/wire/values.js';
import { cheapUser } from '../support/cheap-user.js';
import { failure, testDaemon, vmRecord } from '../support/daemon.js';
import { FAULTS, FaultInjector } from '../support/faults.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'xennuma-files-'));
  ends.push(() => rmSync(path, { recursive: true }));
  return path;
}

const end = (method: string, args: string[], error: XapiError | null = null): CallEnd => ({
  method,
  changes: true,
  session: null,
  address: '10.0.0.1',
  args,
  error,
  durationMs: 1,
});
const refusedLogin = (user: string) =>
  end('session.login_with_password', [user], new XapiError('SESSION_AUTHENTICATION_FAILED', user, 'x'));
const linesOf = (file: string) =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { user: string | null; args: string[]; count?: number });

/** The line that the log writes of a call, without the end of the line. */
function lineText(call: CallEnd): string {
  const file = join(folder(), 'audit.log');
  const audit = new AuditLog({ file });
  audit.write(call);
  audit.close();
  return readFileSync(file, 'utf8').trimEnd();
}

describe.each(FAULTS)('the audit log whose writes fail with %s', (fault) => {
  it.each([1, 2, 3, 4, 5])('from write %i on has each line once and in order when it can be written again', (nth) => {
    const file = join(folder(), 'audit.log');
    const injector = new FaultInjector();
    const changes: (string | null)[] = [];
    const audit = new AuditLog({ file, files: injector.files(), changed: (reason) => changes.push(reason?.errno ?? null) });
    injector.arm(nth, fault);
    for (let index = 0; index < 8; index++) audit.write(end('VM.create', [`vm-${index}`]));
    expect(audit.fault).toMatchObject({ errno: fault === 'short' ? 'ENOSPC' : fault });
    injector.heal();
    audit.tick();
    expect(audit.fault).toBe(null);
    audit.close();
    expect(linesOf(file).map(({ args }) => args[0])).toEqual([0, 1, 2, 3, 4, 5, 6, 7].map((index) => `vm-${index}`));
    expect(changes).toEqual([fault === 'short' ? 'ENOSPC' : fault, null]);
  });
});

describe('the audit log', () => {
  it('that cannot be written makes the daemon read-only, keeps what was acknowledged, and comes back by itself', async () => {
    const file = join(folder(), 'audit.log');
    const injector = new FaultInjector();
    const daemon = await testDaemon({ audit: file, files: injector.files() });
    ends.push(() => daemon.close());
    const vm = (await daemon.call('VM.create', vmRecord('vm'))) as string;
    injector.arm(1, 'ENOSPC');
    // Stored already when its line is refused: it is acknowledged, and its line waits.
    await daemon.call('VM.set_name_label', vm, 'kept');
    await expect(daemon.call('VM.set_name_label', vm, 'refused')).rejects.toThrow(/the disk is full/);
    expect(await daemon.call('VM.get_name_label', vm)).toBe('kept');
    injector.heal();
    await expect.poll(() => daemon.writable(), { timeout: 5000 }).toBe(null);
    await daemon.call('VM.set_name_label', vm, 'again');
    expect(linesOf(file).map(({ args }) => args.at(-1))).toEqual(expect.arrayContaining(['kept', 'refused', 'again']));
  });

  it('says how many lines it lost, where it lost them: more came than can wait for room', () => {
    const file = join(folder(), 'audit.log');
    const injector = new FaultInjector();
    const told: number[] = [];
    const limits = { fileBytes: 100_000, oldFiles: 1, pendingBytes: 1000 };
    const audit = new AuditLog({ file, files: injector.files(), limits, lost: (count) => told.push(count) });
    injector.arm(1, 'ENOSPC');
    for (let index = 0; index < 20; index++) audit.write(end('VM.create', [`full-${index}`]));
    const { lost } = audit;
    expect(lost).toBeGreaterThan(0);
    injector.heal();
    audit.tick();
    audit.write(end('VM.create', ['room']));
    audit.close();
    const lines = linesOf(file) as { args?: string[]; lost?: number }[];
    const kept = Array.from({ length: 20 - lost }, (_, index) => `full-${index}`);
    expect(lines.map((line) => line.args?.[0] ?? line.lost)).toEqual([...kept, lost, 'room']);
    expect([told, audit.lost]).toEqual([[lost], lost]);
  });

  it.each([
    [1000, 0],
    [999, 1],
  ])('with %i bytes for lines that wait, two of 500 bytes lose %i', (pendingBytes, lost) => {
    const injector = new FaultInjector();
    const limits = { fileBytes: 100_000, oldFiles: 1, pendingBytes };
    const audit = new AuditLog({ file: join(folder(), 'audit.log'), files: injector.files(), limits });
    injector.arm(1, 'ENOSPC');
    const unpadded = Buffer.byteLength(lineText(end('VM.create', [''])));
    for (const letter of ['a', 'b']) audit.write(end('VM.create', [letter.repeat(499 - unpadded)]));
    expect(audit.lost).toBe(lost);
    injector.heal();
    audit.close();
  });

  it('says that lines which could not be written until the end are lost', () => {
    const injector = new FaultInjector();
    const told: number[] = [];
    const audit = new AuditLog({ file: join(folder(), 'audit.log'), files: injector.files(), lost: (count) => told.push(count) });
    injector.arm(1, 'EIO');
    for (const name of ['a', 'b', 'c']) audit.write(end('VM.create', [name]));
    audit.close();
    expect(told).toEqual([3]);
  });

  it('holds control and bidirectional characters as escapes, so that its reader is what decodes them', () => {
    const file = join(folder(), 'audit.log');
    const audit = new AuditLog({ file });
    const name = 'a\u001b[31m\u009b31m\u007f\u202eb\u2066\u2028';
    audit.write(end('VM.create', [name]));
    audit.close();
    expect(readFileSync(file, 'utf8').trimEnd()).toMatch(/^[\x20-\x7e]+$/);
    expect(linesOf(file)[0]!.args).toEqual([name]);
  });

  it('counts refused logins: one line a user and minute, whatever names strangers invent', () => {
    const file = join(folder(), 'audit.log');
    let now = 0;
    const audit = new AuditLog({ file, now: () => now });
    for (now = 0; now < 180_000; now += 20) {
      audit.write(refusedLogin('root'));
      if (now % 1000 === 0) audit.tick();
    }
    audit.close();
    const lines = linesOf(file);
    expect(lines.length).toBeLessThanOrEqual(4);
    expect(lines.reduce((sum, { count }) => sum + (count ?? 0), 0)).toBe(9000);
    const strangers = join(folder(), 'audit.log');
    const flooded = new AuditLog({ file: strangers, now: () => now });
    for (let index = 0; index < 50_000; index++) flooded.write(refusedLogin(`stranger-${index}`));
    flooded.close();
    expect(linesOf(strangers).length).toBeLessThanOrEqual(102);
    expect(linesOf(strangers).reduce((sum, { count }) => sum + (count ?? 0), 0)).toBe(50_000);
  });

  it('counts calls without a session, and calls of users without the right: one line an address or user and minute, cut', async () => {
    const file = join(folder(), 'audit.log');
    const users = parseUsers([cheapUser('root', 'admin', 'x'), cheapUser('eye', 'read-only', 'x')].join('\n'), 'users');
    const daemon = await testDaemon({ audit: file, users: () => users });
    const call = (address: string, method: string, ...params: Wire[]) =>
      daemon.dispatcher.call({ method, params }, address, new AbortController().signal);
    const [root, eye] = (await Promise.all(
      ['root', 'eye'].map((user) => call('10.0.0.1', 'session.login_with_password', user, 'x')),
    )) as string[];
    const vm = await call('10.0.0.1', 'VM.create', root!, vmRecord('precious'));
    const long = 'z'.repeat(4000);
    const refusals: readonly [address: string, code: string, method: string, ...params: Wire[]][] = [
      ['10.0.0.9', 'SESSION_INVALID', 'VM.set_name_label', 'OpaqueRef:none', vm, long],
      ['10.0.0.9', 'SESSION_INVALID', 'Async.VM.clone', long, vm, long],
      ['10.0.0.9', 'FIELD_TYPE_ERROR', 'VM.set_name_label', 7, vm, long],
      ['10.0.0.9', 'MESSAGE_PARAMETER_COUNT_MISMATCH', 'VM.destroy', long, long, long],
      ['10.0.0.8', 'RBAC_PERMISSION_DENIED', 'VM.set_name_label', eye!, vm, long],
      ['10.0.0.7', 'RBAC_PERMISSION_DENIED', 'VM.destroy', eye!, vm],
    ];
    for (let round = 0; round < 500; round++) {
      for (const [address, code, method, ...params] of refusals) expect((await failure(call(address, method, ...params)))[0]).toBe(code);
    }
    for (let host = 0; host < 2000; host++) await failure(call(`10.1.${host >> 8}.${host & 255}`, 'VM.destroy', 'none', vm));
    await daemon.close();
    const lines = linesOf(file).filter(({ count }) => count !== undefined);
    expect(lines.reduce((sum, { count }) => sum + count!, 0)).toBe(500 * refusals.length + 2000);
    expect(lines.length).toBeLessThan(50);
    expect(statSync(file).size).toBeLessThan(30_000);
    expect(
      linesOf(file)
        .filter(({ user }) => user === 'eye')
        .at(-1),
    ).toMatchObject({ methods: ['VM.destroy', 'VM.set_name_label'] });
    expect(readFileSync(file, 'utf8')).toMatch(/precious/);
  });

  it('is bounded: old files are renamed and the oldest goes; after a rename by somebody else it goes on in a new file', () => {
    const path = folder();
    const file = join(path, 'audit.log');
    const audit = new AuditLog({ file, limits: { fileBytes: 2000, oldFiles: 2, pendingBytes: 10_000 } });
    for (let index = 0; index < 100; index++) audit.write(end('VM.create', [`vm-${index}`]));
    expect(readdirSync(path).sort()).toEqual(['audit.log', 'audit.log.1', 'audit.log.2']);
    for (const name of readdirSync(path)) expect(statSync(join(path, name)).size).toBeLessThanOrEqual(2000);
    expect(linesOf(file).at(-1)!.args).toEqual(['vm-99']);
    rmSync(file);
    audit.reopen();
    audit.write(end('VM.create', ['after']));
    audit.close();
    expect(linesOf(file).map(({ args }) => args)).toEqual([['after']]);
  });
});

describe('the file of users', () => {
  it.each(FAULTS)('whose writes fail with %s is as it was or as it should be, and says why', async (fault) => {
    for (let nth = 1; ; nth++) {
      const file = join(folder(), 'users');
      writeFileSync(file, 'old\n', { mode: 0o600 });
      const injector = new FaultInjector();
      injector.arm(nth, fault);
      const failure = await changeUsersFile(file, (text) => `${text}new\n`, injector.files()).then(
        () => null,
        (error: unknown) => error,
      );
      expect(existsSync(`${file}.new`)).toBe(false);
      expect(readUsersFile(file)).toBe(failure === null ? 'old\nnew\n' : 'old\n');
      if (failure !== null) expect(String(failure)).toMatch(fault === 'short' ? /ENOSPC/ : new RegExp(fault));
      if (injector.writes < nth) break;
      expect(nth).toBeLessThan(20);
    }
  });

  it('has all users when six are written at once', async () => {
    const file = join(folder(), 'users');
    await Promise.all([1, 2, 3, 4, 5, 6].map((user) => changeUsersFile(file, (text) => `${text}user-${user}\n`)));
    expect(readUsersFile(file).split('\n').sort()).toEqual(['', ...[1, 2, 3, 4, 5, 6].map((user) => `user-${user}`)]);
  });

  it('follows no symbolic link that was planted, and is refused when others may write it', async () => {
    const path = folder();
    const [file, target] = [join(path, 'users'), join(path, 'target')];
    writeFileSync(target, 'precious');
    symlinkSync(target, `${file}.new`);
    await expect(changeUsersFile(file, () => 'x')).rejects.toThrow(/users\.new exists/);
    expect(readFileSync(target, 'utf8')).toBe('precious');
    writeFileSync(file, 'a\n');
    chmodSync(file, 0o666);
    expect(() => readUsersFile(file)).toThrow(/others may write/);
  });
});
