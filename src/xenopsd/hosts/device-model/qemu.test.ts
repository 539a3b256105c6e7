// The device model with a stand-in for QEMU: a script that serves the monitor and does what the
// test wants. Files and folders of the host lie below a folder of the test.
import { randomUUID } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { vm } from '../../../../test/support/toolstack.js';
import { createXenstore } from '../../../xenstore/in-process.js';
import { qemuDeviceModel } from './qemu.js';

/** Of this run alone: the device model ends each QEMU of that domain and uuid on the machine. */
const UUID = randomUUID();
const VERSION = '4.17';

let root: string;
let started: number[];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'xnq-'));
  started = [];
});
afterEach(() => {
  for (const pid of started) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  }
  rmSync(root, { recursive: true, force: true });
});

function put(path: string, text = ''): string {
  mkdirSync(dirname(root + path), { recursive: true });
  writeFileSync(root + path, text);
  return root + path;
}

/**
 * A QEMU that writes its arguments and the commands of its monitor to files below the root.
 * @param serial what query-chardev returns
 */
function putQemu({ path = '/usr/lib/xen/bin/qemu-system-i386', serial = [] as unknown, first = '' } = {}): string {
  const script = `#!${process.execPath}
${first}
const fs = require('node:fs');
fs.writeFileSync(${JSON.stringify(`${root}/arguments`)}, JSON.stringify(process.argv.slice(2)));
const qmp = process.argv[process.argv.indexOf('-qmp') + 1].replace(/^unix:(.*),server=on,wait=off$/, '$1');
require('node:net').createServer((socket) => {
  socket.write('{"QMP": {}}\\n');
  let text = '';
  socket.on('error', () => {}).on('data', (bytes) => {
    // A busy machine gives a command in pieces.
    const lines = (text + bytes).split('\\n');
    text = lines.pop();
    for (const line of lines) {
      const { execute } = JSON.parse(line);
      fs.appendFileSync(${JSON.stringify(`${root}/commands`)}, execute + '\\n');
      socket.write(JSON.stringify({ return: execute === 'query-chardev' ? ${JSON.stringify(serial)} : {} }) + '\\n');
    }
  });
}).listen(qmp);
`;
  const file = put(path, script);
  chmodSync(file, 0o755);
  return file;
}

function host() {
  const store = createXenstore({ personality: 'xenstored' });
  const xs = store.connect(0);
  return { store, xs, model: qemuDeviceModel(xs, VERSION, root) };
}

/** Starts it for domain 7, and says that it serves as soon as the monitor has seen `cont`. */
async function start(options: Parameters<typeof putQemu>[0] = {}, spec = vm('a', 2, 256)) {
  putQemu(options);
  const { store, xs, model } = host();
  const pid = model.start({ domid: 7, uuid: UUID, vm: spec, memoryMib: 250 });
  await vi.waitUntil(() => existsSync(`${root}/commands`) && readFileSync(`${root}/commands`, 'utf8').endsWith('cont\n'), {
    timeout: 30_000,
    interval: 10,
  });
  await xs.write('/local/domain/0/device-model/7/state', 'running');
  started.push(await pid);
  return { store, xs, model, pid: started.at(-1)! };
}

describe('files of an HVM guest', () => {
  it('are the first of the places where distributions put them, of this version of Xen', () => {
    putQemu();
    const { model } = host();
    const old = put('/usr/lib/xen/boot/hvmloader');
    put('/usr/lib/xen-4.16/boot/hvmloader');
    const bios = put('/usr/share/qemu/bios-256k.bin');
    const ovmf = put('/usr/lib/xen/boot/ovmf.bin');
    expect(model.images(vm('a', 1, 64))).toEqual({ loader: old, firmware: bios });
    const loader = put('/usr/lib/xen-4.17/boot/hvmloader');
    expect(model.images(vm('a', 1, 64, { firmware: 'seabios' }))).toEqual({ loader, firmware: bios });
    expect(model.images(vm('a', 1, 64, { firmware: 'ovmf' }))).toEqual({ loader, firmware: ovmf });
    const own = put('/own/firmware.bin');
    expect(model.images(vm('a', 1, 64, { firmware: own }))).toEqual({ loader, firmware: own });
    expect(() => model.images(vm('a', 1, 64, { firmware: '/own/absent' }))).toThrow('the firmware is not on this host');
  });

  it('that are missing are named, with the package that has them and where they were looked for', () => {
    const { model } = host();
    const error = (): unknown => {
      try {
        return model.images(vm('a', 1, 64));
      } catch (thrown) {
        return thrown;
      }
    };
    expect(error()).toMatchObject({
      message: 'HVM guests need qemu, which is not on this host',
      mend: expect.stringMatching(/Debian: qemu-system-xen\); looked for .*\/usr\/lib\/xen-4\.17\/bin\/qemu-system-i386,/),
    });
    putQemu();
    expect(error()).toMatchObject({
      message: 'HVM guests need hvmloader, which is not on this host',
      mend: expect.stringContaining('Debian: xen-utils-4.17)'),
    });
    put('/usr/lib/xen/boot/hvmloader');
    expect(error()).toMatchObject({ message: 'HVM guests need seabios, which is not on this host' });
  });
});

describe('a QEMU', () => {
  it('is started for the domain, let go on, and known by its domain and VM until it is ended', async () => {
    const { model, pid, xs } = await start({ serial: [{ label: 'serial0', filename: 'pty:/dev/pts/12' }] });
    const words = JSON.parse(readFileSync(`${root}/arguments`, 'utf8')) as string[];
    const argument = (option: string) => words[words.indexOf(option) + 1];
    expect([argument('-xen-domid'), argument('-uuid'), argument('-m'), argument('-smp')]).toEqual(['7', UUID, '250', '2,maxcpus=2']);
    expect(words).not.toContain('-sandbox');
    // It waits for `cont` (-S), which comes after the serial port is known.
    expect(words).toContain('-S');
    expect(readFileSync(`${root}/commands`, 'utf8')).toBe('qmp_capabilities\nquery-chardev\ncont\n');
    expect(await xs.read('/local/domain/7/serial/0/tty')).toBe('/dev/pts/12');
    expect(statSync(`${root}/var/log/xen/xennuma-qemu-7.log`).mode & 0o777).toBe(0o600);
    expect(model.domidsOf(UUID)).toEqual([7]);
    expect(model.domidsOf('another')).toEqual([]);
    // Of another domain or another VM: not this one.
    await model.end(8, UUID);
    await model.end(7, 'another');
    expect(model.domidsOf(UUID)).toEqual([7]);
    expect(existsSync(`${root}/run/xen/qmp-xennuma-7`)).toBe(false);
    await model.end(7, UUID);
    expect(model.domidsOf(UUID)).toEqual([]);
    await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow('ESRCH'), { timeout: 10_000, interval: 10 });
    // None is fine.
    await model.end(7, UUID);
  });

  it('gives up system calls where it is built with libseccomp', async () => {
    await start({ first: '// libseccomp.so.2' });
    const words = JSON.parse(readFileSync(`${root}/arguments`, 'utf8')) as string[];
    expect(words[words.indexOf('-sandbox') + 1]).toMatch(/^on,/);
  });

  it.each([
    ['another port', { label: 'parallel0', filename: 'pty:/dev/pts/12' }],
    ['a file that is no terminal', { label: 'serial0', filename: 'pty:/etc/shadow' }],
    ['more than a terminal', { label: 'serial0', filename: 'pty:/dev/pts/1/../../etc' }],
    ['something before it', { label: 'serial0', filename: 'x pty:/dev/pts/1' }],
    ['nothing', null],
  ])('whose monitor names %s gives the guest no serial port', async (_, chardev) => {
    const { store } = await start({ serial: [chardev] });
    expect(store.list('/local/domain/7')).toEqual([]);
  });

  it('whose monitor gives no list fails', async () => {
    putQemu({ serial: 'text' });
    const { model } = host();
    await expect(model.start({ domid: 7, uuid: UUID, vm: vm('a', 1, 64), memoryMib: 64 })).rejects.toThrow(
      'QMP: query-chardev gave no list',
    );
    await model.end(7, UUID);
  });

  it('that ends first says how, and its last words', async () => {
    const { model } = host();
    const request = { domid: 7, uuid: UUID, vm: vm('a', 1, 64), memoryMib: 64 };
    putQemu({ first: "console.error('no  disk\\n here'); process.exit(3);" });
    await expect(model.start(request)).rejects.toThrow('QEMU ended before it served the guest: exit status 3: no disk here');
    putQemu({ first: "process.kill(process.pid, 'SIGKILL');" });
    // Its log is a new one.
    await expect(model.start(request)).rejects.toThrow(/^QEMU ended before it served the guest: signal SIGKILL$/);
    putQemu({ first: `console.error('x'.repeat(1000)); process.exit(1);` });
    await expect(model.start(request)).rejects.toThrow(/: exit status 1: x{400}$/);
    chmodSync(`${root}/usr/lib/xen/bin/qemu-system-i386`, 0o644);
    await expect(model.start(request)).rejects.toThrow(/EACCES$/);
  });
});
