// QEMU as device model: the files that an HVM guest needs on the host, QEMU's start and its end.
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { InputError } from '../../../base/errors.js';
import type { VmSpec } from '../../../machine/vm.js';
import { nullIfAbsent } from '../../../xenstore/absence.js';
import type { XenstoreConnection } from '../../../xenstore/connection.js';
import { type DeviceModel, DeviceModelError, type DeviceModelRequest, type HvmImages } from '../../api/device-model.js';
import { qemuArguments } from './command-line.js';
import { type QemuProcess, qemuProcesses } from './processes.js';
import { QmpClient } from './qmp.js';

/** Where distributions put each; `%` is the version of Xen. */
const PLACES = {
  qemu: [
    '/usr/libexec/xen-qemu-system-i386',
    '/usr/lib/xen-%/bin/qemu-system-i386',
    '/usr/lib/xen/bin/qemu-system-i386',
    '/usr/lib64/xen/bin/qemu-system-i386',
    '/usr/libexec/xen/bin/qemu-system-i386',
  ],
  hvmloader: ['/usr/lib/xen-%/boot/hvmloader', '/usr/libexec/xen/boot/hvmloader', '/usr/lib/xen/boot/hvmloader'],
  seabios: ['/usr/share/seabios/bios-256k.bin', '/usr/share/qemu/bios-256k.bin', '/usr/libexec/xen/boot/seabios.bin'],
  ovmf: ['/usr/share/ovmf/OVMF.fd', '/usr/libexec/xen/boot/ovmf.bin', '/usr/lib/xen/boot/ovmf.bin'],
} as const;
const PACKAGES = { qemu: 'qemu-system-xen', hvmloader: 'xen-utils-%', seabios: 'seabios', ovmf: 'ovmf' } as const;

const RUN_FOLDER = '/run/xen';
const LOG_FOLDER = '/var/log/xen';
const LOG_TAIL = 400;
/** A busy machine takes minutes. */
const START_MS = 300_000;
/** From the request to end to the kill. */
const END_MS = 10_000;
const POLL_MS = 50;

/**
 * @param xenVersion "4.17"
 * @param root a folder in front of all paths, for tests
 */
export function qemuDeviceModel(xs: XenstoreConnection, xenVersion: string, root = ''): DeviceModel {
  const find = (what: keyof typeof PLACES): string => {
    const places = PLACES[what].map((place) => root + place.replace('%', xenVersion));
    const found = places.find((place) => existsSync(place));
    if (found !== undefined) return found;
    const mend = `install it (Debian: ${PACKAGES[what].replace('%', xenVersion)}); looked for ${places.join(', ')}`;
    throw new InputError(`HVM guests need ${what}, which is not on this host`, {}, mend);
  };
  return {
    images: (vm) => hvmImages(vm, find),
    start: (request) => startQemu(xs, { qemu: find('qemu'), root }, request),
    end: (domid, uuid) => endQemu(root, domid, uuid),
    // Once also while it forks: both processes have its command line then.
    domidsOf: (uuid) => [...new Set(qemuProcesses().flatMap((one) => (one.uuid === uuid ? [one.domid] : [])))],
  };
}

function hvmImages(vm: VmSpec, find: (what: keyof typeof PLACES) => string): HvmImages {
  find('qemu');
  const firmware = vm.firmware ?? 'seabios';
  if (firmware === 'seabios' || firmware === 'ovmf') return { loader: find('hvmloader'), firmware: find(firmware) };
  if (!existsSync(firmware))
    throw new InputError('the firmware is not on this host', { file: firmware }, 'give seabios, ovmf or the path of a file');
  return { loader: find('hvmloader'), firmware };
}

interface Qemu {
  readonly qemu: string;
  readonly root: string;
}

async function startQemu(xs: XenstoreConnection, { qemu, root }: Qemu, request: DeviceModelRequest): Promise<number> {
  const { domid } = request;
  const qmpSocket = socketOf(root, domid);
  const logFile = `${root}${LOG_FOLDER}/xennuma-qemu-${domid}.log`;
  for (const folder of [RUN_FOLDER, LOG_FOLDER]) mkdirSync(root + folder, { recursive: true });
  rmSync(qmpSocket, { force: true });
  const log = openSync(logFile, 'w', 0o600);
  // Not of this process's group: QEMU goes on when this process ends, and Ctrl-C is not for it.
  const words = qemuArguments({ ...request, qmpSocket, sandbox: hasSandbox(qemu) });
  const child = spawn(qemu, words, { stdio: ['ignore', log, log], detached: true, cwd: '/' });
  closeSync(log);
  child.unref();
  let ended: string | null = null;
  child.on('error', (error) => {
    ended = error.message;
  });
  child.on('exit', (status, signal) => {
    ended = signal === null ? `exit status ${status}` : `signal ${signal}`;
  });
  /** Again until it gives something. */
  const until = async <T>(what: string, look: () => Promise<T | null>): Promise<T> => {
    for (const end = Date.now() + START_MS; ; await sleep(POLL_MS)) {
      if (ended !== null) throw new DeviceModelError(`QEMU ended before it served the guest: ${ended}${lastWords(logFile)}`);
      const found = await look();
      if (found !== null) return found;
      if (Date.now() > end) throw new DeviceModelError(`QEMU: no ${what} within ${START_MS / 1000} s${lastWords(logFile)}`);
    }
  };
  const qmp = await until('monitor', () => QmpClient.connect(qmpSocket).catch(() => null));
  try {
    await publishSerial(xs, domid, await qmp.execute('query-chardev'));
    await qmp.execute('cont');
  } finally {
    qmp.close();
  }
  const state = `/local/domain/0/device-model/${domid}/state`;
  await until('device model state', async () => ((await nullIfAbsent(xs.read(state))) === 'running' ? true : null));
  return child.pid!;
}

/**
 * As libxl: where `xl console` looks for an HVM guest's serial port (libxl_dm.c,
 * device_model_spawn_outcome).
 */
async function publishSerial(xs: XenstoreConnection, domid: number, chardevs: unknown): Promise<void> {
  if (!Array.isArray(chardevs)) throw new DeviceModelError('QMP: query-chardev gave no list');
  for (const chardev of chardevs as ({ label?: unknown; filename?: unknown } | null)[]) {
    // `xl console` opens what is written here: a terminal and no other file.
    const terminal = /^pty:(\/dev\/pts\/\d{1,9})$/.exec(String(chardev?.filename))?.[1];
    if (chardev?.label === 'serial0' && terminal !== undefined) await xs.write(`/local/domain/${domid}/serial/0/tty`, terminal);
  }
}

async function endQemu(root: string, domid: number, uuid: string): Promise<void> {
  const left = () => qemuProcesses().filter((one) => one.domid === domid && one.uuid === uuid);
  signal(left(), 'SIGTERM');
  const end = Date.now() + END_MS;
  let killed = false;
  while (left().length > 0) {
    if (!killed && Date.now() > end) {
      signal(left(), 'SIGKILL');
      killed = true;
    }
    await sleep(POLL_MS);
  }
  rmSync(socketOf(root, domid), { force: true });
}

function signal(processes: readonly QemuProcess[], name: 'SIGTERM' | 'SIGKILL'): void {
  for (const { pid } of processes) {
    try {
      process.kill(pid, name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

function socketOf(root: string, domid: number): string {
  return `${root}${RUN_FOLDER}/qmp-xennuma-${domid}`;
}

/** Debian's QEMU for Xen is built without libseccomp, and refuses the option. */
function hasSandbox(qemu: string): boolean {
  return readFileSync(qemu).includes('libseccomp.so');
}

function lastWords(logFile: string): string {
  try {
    const text = readFileSync(logFile, 'utf8').trim();
    return text === '' ? '' : `: ${text.slice(-LOG_TAIL).replace(/\s+/g, ' ')}`;
  } catch {
    return '';
  }
}
