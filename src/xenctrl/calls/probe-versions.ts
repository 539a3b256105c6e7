// The Xen behind a door: its version, and its domctl and sysctl interface versions, which are found
// by trying them.
import { DOMCTL, HYPERCALL, SYSCTL, XENVER } from '../../abi/commands.js';
import {
  DOMCTL_VERSIONS,
  type InterfaceVersion,
  interfaceOf,
  interfaceVersion,
  SYSCTL_VERSIONS,
  unpackVersion,
} from '../../abi/interface-version.js';
import { DOMCTL_AT, SYSCTL_AT } from '../../abi/layout.js';
import { ERRNO, InputError } from '../../base/errors.js';
import type { HypercallDoor } from '../doors/door.js';
import { callError } from './call-buffers.js';

/**
 * A wrong interface version gives EACCES before anything else is looked at (domctl.c:282-338), so
 * harmless operations find it: getdomaininfo of Domain-0, and physinfo. The release's own numbers
 * are tried first.
 * @throws InputError when Xen answers to no interface version that is known here
 * @throws XenError when Xen does not let the caller ask (EPERM, ENOSYS)
 */
export function probeVersions(door: HypercallDoor): InterfaceVersion {
  const version = door.hypercall(HYPERCALL.xenVersion, XENVER.version);
  if (version < 0) throw callError(version, 'xc_version(XENVER_version)');
  const { major, minor } = unpackVersion(version);
  const release = knownRelease(major, minor);
  const op = door.allocBuffer(DOMCTL_AT.sizeBytes);
  try {
    const domctl = firstAccepted(candidates(release?.domctl, DOMCTL_VERSIONS), 'xc_domain_getinfo(domid 0)', (candidate) => {
      op.bytes.fill(0);
      op.view.setUint32(DOMCTL_AT.cmd, DOMCTL.getdomaininfo, true);
      op.view.setUint32(DOMCTL_AT.version, candidate, true);
      return door.hypercall(HYPERCALL.domctl, op.address);
    });
    const sysctl = firstAccepted(candidates(release?.sysctl, SYSCTL_VERSIONS), 'xc_physinfo', (candidate) => {
      op.bytes.fill(0);
      op.view.setUint32(SYSCTL_AT.cmd, SYSCTL.physinfo, true);
      op.view.setUint32(SYSCTL_AT.version, candidate, true);
      return door.hypercall(HYPERCALL.sysctl, op.address);
    });
    if (major !== 4 || domctl === undefined || sysctl === undefined) {
      const unknown = [domctl === undefined ? 'domctl' : '', sysctl === undefined ? 'sysctl' : ''].filter((name) => name !== '');
      const problem =
        unknown.length === 0 ? 'is not known here' : `answers to no ${unknown.join(' and ')} interface version that is known here`;
      throw new InputError(`Xen ${major}.${minor} (${door.name}) ${problem}`, {}, 'Xen 4.13 to 4.22 are known');
    }
    return interfaceOf(minor, domctl, sysctl);
  } finally {
    door.freeBuffer(op);
  }
}

/** undefined for a release that is not known: it may still answer to numbers that are. */
function knownRelease(major: number, minor: number): InterfaceVersion | undefined {
  try {
    return interfaceVersion(`${major}.${minor}`);
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}

function candidates(first: number | undefined, all: readonly number[]): number[] {
  return first === undefined ? [...all] : [first, ...all.filter((one) => one !== first)];
}

function firstAccepted(versions: readonly number[], call: string, ask: (version: number) => number): number | undefined {
  for (const version of versions) {
    const result = ask(version);
    if (result >= 0) return version;
    if (result !== -ERRNO.EACCES) throw callError(result, call);
  }
  return undefined;
}
