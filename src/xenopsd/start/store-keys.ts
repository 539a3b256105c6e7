// The XenStore keys of a domain: VM.create and VM.build write them, and they are removed with the
// domain (xen-api 90ef043c, ocaml/xenopsd/xc/domain.ml 370-540 and 1075-1102; keys of devices and
// of guest agents left out). Box: set_hard_affinity.
import { dirname } from 'node:path/posix';
import { nullIfAbsent } from '../../xenstore/absence.js';
import { ConnectionLostError } from '../../xenstore/client/link.js';
import type { TransactionId, XenstoreConnection, XenstorePermission } from '../../xenstore/connection.js';
import { deviceModelPath } from './device-model.js';

/** Directories that the guest may write in, and those that it may only read. */
const GUEST_DIRECTORIES = ['device', 'feature', 'error', 'drivers', 'control', 'attr', 'data', 'messages', 'vm-data', 'hvmloader', 'rrd'];
/** Times that the connection may be lost while the keys of one domain are removed. */
const REMOVAL_TRIES = 10;
const READ_ONLY_DIRECTORIES = ['cpu', 'memory'];

export interface DomainKeys {
  readonly domid: number;
  readonly uuid: string;
  readonly name: string;
  /** Below platform/. */
  readonly platform: readonly (readonly [key: string, value: string])[];
}

/** All of it in one transaction; rubbish of an earlier domain with that id goes first. */
export async function writeDomainKeys(xs: XenstoreConnection, keys: DomainKeys): Promise<void> {
  const { domid } = keys;
  const path = await xs.domainPath(domid);
  const readOnly: XenstorePermission[] = [
    { domid: 0, access: 'n' },
    { domid, access: 'r' },
  ];
  const guests: XenstorePermission[] = [{ domid, access: 'n' }];
  const own: XenstorePermission[] = [{ domid: 0, access: 'n' }];
  await xs.transaction(async (tx) => {
    const directory = async (at: string, permissions: readonly XenstorePermission[]) => {
      await xs.mkdir(at, tx);
      await xs.setPermissions(at, permissions, tx);
    };
    await removePaths(xs, [path, xenopsPath(domid), libxlPath(domid)], tx);
    await directory(path, readOnly);
    await directory(xenopsPath(domid), own);
    await directory(libxlPath(domid), own);
    // /vm/<uuid> is shared by the two domains of a local migration.
    const vmPath = `/vm/${keys.uuid}`;
    if (!(await exists(xs, vmPath, tx))) {
      await directory(vmPath, readOnly);
      await xs.write(`${vmPath}/uuid`, keys.uuid, tx);
      await xs.write(`${vmPath}/name`, keys.name, tx);
    }
    await xs.write(`${vmPath}/domains/${domid}`, path, tx);
    await xs.write(`${path}/vm`, vmPath, tx);
    await xs.write(`${path}/name`, keys.name, tx);
    for (const name of READ_ONLY_DIRECTORIES) await directory(`${path}/${name}`, readOnly);
    for (const name of GUEST_DIRECTORIES) await directory(`${path}/${name}`, guests);
    for (const [key, value] of keys.platform) await xs.write(`${path}/platform/${key}`, value, tx);
  });
}

export interface BuiltKeys {
  readonly domid: number;
  readonly staticMaxMib: number;
  readonly targetMib: number;
  readonly storePort: number;
  readonly storePfn: number;
  readonly consolePort: number;
  readonly consolePfn: number;
  readonly domainType: 'PV' | 'HVM' | 'PVH';
  readonly vcpusMax: number;
  /**
   * The first so many are online when the guest starts (its CPU hotplug driver reads
   * cpu/N/availability).
   */
  readonly vcpusAtStartup: number;
}

/** What the guest needs once its memory is there; then xenstored learns of the domain. */
export async function writeBuiltKeys(xs: XenstoreConnection, built: BuiltKeys): Promise<void> {
  const { domid } = built;
  const path = await xs.domainPath(domid);
  await xs.transaction(async (tx) => {
    for (const [key, value] of [
      ['memory/static-max', built.staticMaxMib * 1024],
      ['memory/target', built.targetMib * 1024],
      ['domid', domid],
      ['store/port', built.storePort],
      ['store/ring-ref', built.storePfn],
      ['console/port', built.consolePort],
      ['console/ring-ref', built.consolePfn],
    ] as const) {
      await xs.write(`${path}/${key}`, String(value), tx);
    }
    for (let vcpu = 0; vcpu < built.vcpusMax; vcpu++) {
      await xs.write(`${path}/cpu/${vcpu}/availability`, vcpu < built.vcpusAtStartup ? 'online' : 'offline', tx);
    }
    await xs.write(`${libxlPath(domid)}/type`, built.domainType, tx);
  });
  await xs.introduce(domid, BigInt(built.storePfn), built.storePort);
}

/** What a running guest is asked to use; whether it does so is its own affair. */
export interface LiveKeys {
  /** The first so many vCPUs are online. */
  readonly vcpus?: number;
  readonly memory?: { readonly dynamicMinBytes: number; readonly dynamicMaxBytes: number; readonly targetBytes: number };
}

/** As Device.Vcpu.set and set_memory_dynamic_range of xenopsd write them. */
export async function writeLiveKeys(xs: XenstoreConnection, domid: number, vcpusMax: number, { vcpus, memory }: LiveKeys): Promise<void> {
  const path = await xs.domainPath(domid);
  const kib = (bytes: number): string => String(Math.floor(bytes / 1024));
  await xs.transaction(async (tx) => {
    if (vcpus !== undefined) {
      for (let vcpu = 0; vcpu < vcpusMax; vcpu++) {
        await xs.write(`${path}/cpu/${vcpu}/availability`, vcpu < vcpus ? 'online' : 'offline', tx);
      }
    }
    if (memory === undefined) return;
    await xs.write(`${path}/memory/dynamic-min`, kib(memory.dynamicMinBytes), tx);
    await xs.write(`${path}/memory/dynamic-max`, kib(memory.dynamicMaxBytes), tx);
    await xs.write(`${path}/memory/target`, kib(memory.targetBytes), tx);
  });
}

/**
 * Everything of the domain, and /vm/<uuid> with its last domain. Nothing there is fine: a start may
 * have come to no keys.
 */
export function removeDomainKeys(xs: XenstoreConnection, domid: number, uuid: string): Promise<void> {
  return repeated(async () => {
    if (await xs.isIntroduced(domid)) await nullIfAbsent(xs.release(domid), ['ENOENT', 'EINVAL']);
    await removeKeys(xs, domid, uuid);
  });
}

/** The keys alone, of a domain that is still there. */
export function removeOnlyKeys(xs: XenstoreConnection, domid: number, uuid: string): Promise<void> {
  return repeated(() => removeKeys(xs, domid, uuid));
}

async function repeated(removal: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await removal();
      return;
    } catch (error) {
      // What is gone already is fine, so it may be done twice.
      if (!(error instanceof ConnectionLostError) || tries >= REMOVAL_TRIES) throw error;
    }
  }
}

async function removeKeys(xs: XenstoreConnection, domid: number, uuid: string): Promise<void> {
  const path = await xs.domainPath(domid);
  await xs.transaction(async (tx) => {
    await removePaths(xs, [path, xenopsPath(domid), libxlPath(domid), deviceModelPath(domid), `/vm/${uuid}/domains/${domid}`], tx);
    await removeEmpty(xs, dirname(deviceModelPath(domid)), tx);
    if (!(await exists(xs, `/vm/${uuid}/domains`, tx)) || (await xs.directory(`/vm/${uuid}/domains`, tx)).length === 0) {
      await removePaths(xs, [`/vm/${uuid}`], tx);
    }
  });
}

function xenopsPath(domid: number): string {
  return `/xenops/domain/${domid}`;
}

function libxlPath(domid: number): string {
  return `/libxl/${domid}`;
}

async function exists(xs: XenstoreConnection, path: string, tx: TransactionId): Promise<boolean> {
  return (await nullIfAbsent(xs.readBytes(path, tx))) !== null;
}

async function removePaths(xs: XenstoreConnection, paths: readonly string[], tx: TransactionId): Promise<void> {
  for (const path of paths) await nullIfAbsent(xs.rm(path, tx));
}

/** A directory that the last of its kind leaves empty. */
async function removeEmpty(xs: XenstoreConnection, path: string, tx: TransactionId): Promise<void> {
  const names = await nullIfAbsent(xs.directory(path, tx));
  if (names?.length === 0) await removePaths(xs, [path], tx);
}
