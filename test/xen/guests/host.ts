// What the tests of guests share: what guests boot, toolstacks on the real host, and the counts
// that show that nothing is left behind.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MIB } from '../../../src/base/units.js';
import type { VmBoot, VmSpec } from '../../../src/machine/vm.js';
import type { Xenctrl } from '../../../src/xenctrl/xenctrl.js';
import type { MetadataStore } from '../../../src/xenopsd/api/metadata.js';
import type { Outcome } from '../../../src/xenopsd/api/outcome.js';
import type { ProfileName } from '../../../src/xenopsd/api/profiles.js';
import type { Toolstack } from '../../../src/xenopsd/api/toolstack.js';
import { type XenHost, type XenHostOptions, xenHost } from '../../../src/xenopsd/hosts/xen-host.js';
import { createToolstack } from '../../../src/xenopsd/life/toolstack.js';
import type { XenstoreConnection } from '../../../src/xenstore/connection.js';
import { SAYS, writeInitramfs } from './image.js';

/** The rig's folder, seen from dom0: RIG_SHARE is run/NAME/share in it. */
const rig = resolve(process.env.RIG_SHARE ?? '/nonexistent', '../../..');

/** A guest of 12 KB that blocks for ever. */
export const MINI: VmBoot = { kernel: `${rig}/images/mini` };

/** Debian's kernel with an initramfs that tells what it sees. */
export function linux(): VmBoot {
  const ramdisk = '/tmp/xennuma-guest-initramfs';
  writeInitramfs(ramdisk, `${rig}/root/bin/busybox`);
  return { kernel: `${rig}/images/vmlinux`, ramdisk, cmdline: 'console=hvc0 quiet panic=1' };
}

export function vm(name: string, kind: 'pv' | 'pvh' | 'hvm', vcpus: number, mib: number, change: Partial<VmSpec> = {}): VmSpec {
  return {
    name,
    kind,
    vcpusMax: vcpus,
    vcpusAtStartup: vcpus,
    memoryStaticMaxBytes: mib * MIB,
    memoryTargetBytes: mib * MIB,
    vcpusParams: {},
    boot: MINI,
    ...change,
  };
}

export interface Bench {
  readonly profile: ProfileName;
  readonly doors: XenHost;
  readonly toolstack: Toolstack;
}

/** A toolstack as a new process has it, with best_effort. */
export async function bench(options: XenHostOptions & { metadata?: MetadataStore; profile?: ProfileName } = {}): Promise<Bench> {
  const { metadata, profile = 'xapi-25.6', ...host } = options;
  const doors = await xenHost(host);
  await settled(doors.xc);
  return benchOn(doors, profile, metadata);
}

async function benchOn(doors: XenHost, profile: ProfileName, metadata?: MetadataStore): Promise<Bench> {
  const common = { profile, policy: 'best_effort', seed: 1 } as const;
  const toolstack = await createToolstack(doors, metadata === undefined ? common : { ...common, metadata });
  return { profile, doors, toolstack };
}

/** Work with a toolstack that is let go of in any case. */
export async function using(opening: Promise<Bench>, work: (one: Bench) => Promise<void>): Promise<void> {
  const one = await opening;
  try {
    await work(one);
  } finally {
    await one.doors.close();
  }
}

export async function start({ toolstack }: Bench, spec: VmSpec): Promise<Outcome & { readonly domid: number }> {
  await toolstack.add(spec);
  const outcome = await toolstack.start(spec.name);
  assert.equal(outcome.failure, null, `${spec.name}: ${outcome.failure?.message}`);
  assert.ok(outcome.domid !== null);
  return { ...outcome, domid: outcome.domid };
}

export async function stop({ toolstack }: Bench, name: string): Promise<void> {
  assert.equal((await toolstack.stop(name)).failure, null, name);
}

export function pagesOf(xc: Xenctrl, domid: number) {
  const found = xc.domainMemory().find((one) => one.domid === domid);
  assert.ok(found !== undefined, `domain ${domid} has memory`);
  return found;
}

export function xl(...args: string[]): string {
  return execFileSync('xl', args, { encoding: 'utf8' });
}

/**
 * Xen gives back the last pages of a domain a moment after it is gone; a busy machine makes minutes
 * of it.
 */
export async function eventually(check: () => Promise<void>, seconds = 900): Promise<void> {
  for (const end = Date.now() + seconds * 1000; ; await sleep(200)) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > end) throw error;
    }
  }
}

/**
 * Waits until no domain is going any more and freed memory is clean: an order above 0 takes clean
 * blocks of another node before unscrubbed ones, and counts taken too early change later.
 */
async function settled(xc: Xenctrl): Promise<void> {
  await eventually(async () => {
    const counted = xc.cpupoolList().reduce((sum, pool) => sum + pool.domains, 0);
    assert.equal(counted, xc.domainList().length, 'domains that are going');
    assert.equal(xc.unscrubbedPages(), 0, 'pages that Xen still scrubs');
  });
}

/** All that a VM's life may leave behind. */
export interface Traces {
  readonly domains: readonly number[];
  readonly keys: readonly string[];
  readonly freePages: number;
  readonly outstandingPages: number;
}

export async function traces(xc: Xenctrl, xs: XenstoreConnection): Promise<Traces> {
  const { freePages, outstandingPages } = xc.physInfo();
  return { domains: xc.domainList().map(({ domid }) => domid), keys: await keysBelow(xs, '/'), freePages, outstandingPages };
}

/**
 * Pages that Xen takes for itself when its own pools first grow, and keeps: a few; a domain's would
 * be thousands.
 */
const XENS_OWN_PAGES = 64;

/** Waits until Xen and XenStore are as they were. */
export async function asWere({ xc, xs }: XenHost, { freePages, ...were }: Traces): Promise<void> {
  await eventually(async () => {
    const { freePages: free, ...now } = await traces(xc, xs);
    assert.deepEqual(now, were);
    assert.ok(Math.abs(freePages - free) <= XENS_OWN_PAGES, `${free} pages free, ${freePages} before`);
  });
  await settled(xc);
}

/**
 * Folders that the first guest of a fresh host leaves; they count as long as something is in them.
 */
const FOLDERS: ReadonlySet<string> = new Set([
  ...['/vm', '/libxl', '/xenops', '/xenops/domain'],
  ...['backend', 'device-model', 'libxl'].map((name) => `/local/domain/0/${name}`),
]);

async function keysBelow(xs: XenstoreConnection, path: string): Promise<string[]> {
  const names = await xs.directory(path);
  if (names.length === 0 && FOLDERS.has(path)) return [];
  const below = await Promise.all(names.map((name) => keysBelow(xs, path === '/' ? `/${name}` : `${path}/${name}`)));
  const keys = below.flat();
  return keys.length === 0 && FOLDERS.has(path) ? [] : [path, ...keys].sort();
}

/** What an overloaded emulator does to a guest; rig/README.md says what is known of the causes. */
class GuestTrouble extends Error {}

/**
 * The kernel's own panic; and a vCPU that did not come up within the 10 seconds that Linux waits
 * for it (arch/x86/kernel/smpboot.c, do_boot_cpu), which emulation can use up.
 */
const TROUBLE = /Kernel panic|do_boot_cpu failed/;
/** A lasting fault comes each time and fails the test; one that was seen once is started anew. */
const TROUBLES_MOST = 5;

/**
 * Starts a Linux guest, and what it says about itself once it is up: the words after each first
 * word. One in trouble is started anew when all is `unused` again: while its memory still goes
 * back to Xen, its node has less room than before, and best_effort takes another. The toolstack is
 * a new one then: the profile remembers which nodes it has used.
 */
export async function startLinux(
  one: Bench,
  unused: Traces,
  spec: VmSpec,
): Promise<{ running: Bench; outcome: Outcome & { readonly domid: number }; said: Map<string, string> }> {
  let running = one;
  for (let troubles = 0; ; ) {
    const outcome = await start(running, spec);
    try {
      return { running, outcome, said: await guestSays(one, spec.name, outcome.domid) };
    } catch (error) {
      if (!(error instanceof GuestTrouble) || ++troubles > TROUBLES_MOST) throw error;
      console.log(`${error.message}\n${spec.name} is started anew (${troubles} of ${TROUBLES_MOST})`);
      await stop(running, spec.name);
      running = await benchOn(one.doors, one.profile);
      // The next domain's log has that name too.
      rmSync(logFile(spec.name), { force: true });
      await asWere(one.doors, unused);
    }
  }
}

/**
 * A guest that comes up is busy, or waits for a timer for a second. An emulated Xen was seen to
 * leave a vCPU in the queue of an idle CPU for good (rig/README.md).
 */
const STILL_LOOKS = 600;

/** Each tenth of a second is a look: a guest on a busy machine takes minutes. */
async function guestSays({ doors }: Bench, name: string, domid: number, looks = 18_000): Promise<Map<string, string>> {
  let [before, still] = ['', 0];
  for (let look = 0; look < looks; look++) {
    const log = logOf(name);
    const now = `${log.length} ${doors.xc.domainInfo(domid)?.cpuTimeNs}`;
    still = now === before ? still + 1 : 0;
    before = now;
    if (still > STILL_LOOKS) throw new GuestTrouble(`guest ${name} stands still; its console:\n${log}`);
    const lines = log.matchAll(new RegExp(`${SAYS} (\\w+) ?(.*?)\\r?\\n`, 'g'));
    const said = new Map([...lines].map(([, word, rest]) => [word!, rest!] as const));
    const trouble = TROUBLE.exec(log);
    if (trouble !== null) throw new GuestTrouble(`guest ${name}: ${trouble[0]}; its console:\n${log}`);
    if (said.has('clock')) return said;
    const reason = doors.xc.domainInfo(domid)?.shutdown;
    if (reason !== null) throw new GuestTrouble(`guest ${name}: its domain is down, for reason ${reason}; its console:\n${log}`);
    await sleep(100);
  }
  throw new Error(`guest ${name} did not come up; its console:\n${logOf(name)}`);
}

export const logFile = (name: string) => `/var/log/xen/console/guest-${name}.log`;

export function logOf(name: string): string {
  try {
    return readFileSync(logFile(name), 'utf8');
  } catch {
    return '';
  }
}
