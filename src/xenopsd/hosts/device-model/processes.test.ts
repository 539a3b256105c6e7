// The processes in a folder like /proc that count as QEMUs of domains.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { qemuProcesses } from './processes.js';

const proc = mkdtempSync(join(tmpdir(), 'xennuma-proc-'));
const own = process.geteuid!();
const words = (...list: readonly string[]) => `${list.join('\0')}\0`;

beforeAll(() => {
  for (const [name, text] of [
    ['12', words('/usr/bin/qemu', '-xen-domid', '7', '-uuid', 'u-7', '-name', 'guest=a')],
    ['13', words('/usr/bin/qemu', '-uuid', 'u-7')],
    ['14', words('/usr/bin/qemu', '-xen-domid', 'x', '-uuid', 'u-7')],
    ['15', ''],
    ['self', words('/usr/bin/qemu', '-xen-domid', '8', '-uuid', 'u-8')],
  ] as const) {
    mkdirSync(join(proc, name));
    writeFileSync(join(proc, name, 'cmdline'), text);
  }
  // One that ended while the folder was read.
  mkdirSync(join(proc, '16'));
});
afterAll(() => rmSync(proc, { recursive: true }));

describe('QEMUs of domains', () => {
  it('are processes of this user that name a domain and a VM', () => {
    expect(qemuProcesses(proc, own)).toEqual([{ pid: 12, domid: 7, uuid: 'u-7' }]);
  });

  it("are none of another user's, whatever they say they are", () => {
    expect(qemuProcesses(proc, own + 1)).toEqual([]);
  });
});
