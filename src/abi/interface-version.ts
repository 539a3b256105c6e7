// The parts of the hypercall structures that depend on Xen's version: interface versions and the
// few offsets that moved (xen/include/public/domctl.h and sysctl.h of each release).
import { InputError } from '../base/errors.js';

export interface InterfaceVersion {
  readonly major: number;
  readonly minor: number;
  readonly domctl: number;
  readonly sysctl: number;
  /** Offsets in xen_domctl_createdomain; -1 = the version has no such field. */
  readonly cpupoolAt: number;
  readonly emulationFlagsAt: number;
  /** Flags of createdomain that the version knows. */
  readonly createFlags: number;
  /** getdomaininfo has gpaddr_bits (from 4.16). */
  readonly gpaddrBits: boolean;
  /** Size of xen_domctl_getdomaininfo. */
  readonly domainInfoBytes: number;
  /** Offset of grant_opts in xen_domctl_createdomain; -1 = the version has no such field. */
  readonly grantOptsAt: number;
  /** There are at most as many CPU pools as twice the CPU numbers (from 4.17). */
  readonly limitedPools: boolean;
  /** getdomaininfo of an absent domain answers for the next one (up to 4.17). */
  readonly nextDomain: boolean;
  /** Offset of total_pages in xen_sysctl_physinfo. */
  readonly physinfoPagesAt: number;
  /** A PV domain's own tables come with its vCPUs, not when it is created (from 4.20). */
  readonly lateTables: boolean;
  /**
   * A hard mask that cannot be copied out is an error though the soft one can (Xen 6a21252a74, from
   * 4.20.4, 4.21.2 and 4.22.0; up to 4.19 the soft one's success hides it).
   */
  readonly keepsHardError: boolean;
  /** Key 'u' prints "d1" rather than "Domain 1" (from 4.18). */
  readonly shortDomainNames: boolean;
}

const DOMCTL = [0x12, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x17, 0x17, 0x18];
const SYSCTL = [0x12, 0x13, 0x13, 0x14, 0x15, 0x15, 0x15, 0x15, 0x16, 0x16];
const FIRST_MINOR = 13;

/** Values by the first minor version that has them, newest first. */
type Since = readonly (readonly [number, number])[];

const CPUPOOL_AT: Since = [
  [19, 56],
  [17, 52],
  [FIRST_MINOR, -1],
];
const EMULATION_FLAGS_AT: Since = [
  [19, 60],
  [17, 56],
  [16, 52],
  [15, 48],
  [FIRST_MINOR, 44],
];
/**
 * All flags of XEN_DOMCTL_CDF_* up to the newest: nested_virt came with 4.15, vpmu with 4.16,
 * trap_unmapped_accesses with 4.21.
 */
const CREATE_FLAGS: Since = [
  [21, 0x1ff],
  [16, 0xff],
  [15, 0x7f],
  [FIRST_MINOR, 0x3f],
];

function since(minor: number, values: Since): number {
  return values.find(([first]) => minor >= first)![1];
}

/** The modelled version that is nearest to that of a host: Xen 4.7 of XenServer 7 gives "4.13". */
export function nearestVersion(version: string): string {
  const [, major = '4', minor = '0'] = /^(\d{1,3})\.(\d{1,3})/.exec(version) ?? [];
  const last = FIRST_MINOR + DOMCTL.length - 1;
  const wanted = (Number(major) - 4) * 1000 + Number(minor);
  return `4.${Math.min(last, Math.max(FIRST_MINOR, wanted))}`;
}

/** @throws InputError when the version is not 4.13 to 4.22 */
export function interfaceVersion(version: string): InterfaceVersion {
  const match = /^4\.(\d+)(?:\.\d+)?(?:[-.].*)?$/.exec(version);
  const minor = match === null ? Number.NaN : Number(match[1]);
  const domctl = DOMCTL[minor - FIRST_MINOR];
  const sysctl = SYSCTL[minor - FIRST_MINOR];
  if (domctl === undefined || sysctl === undefined) {
    throw new InputError(`Xen version '${version}' is not known here`, { path: 'version' }, 'give 4.13 to 4.22');
  }
  return {
    major: 4,
    minor,
    domctl,
    sysctl,
    cpupoolAt: since(minor, CPUPOOL_AT),
    emulationFlagsAt: since(minor, EMULATION_FLAGS_AT),
    createFlags: since(minor, CREATE_FLAGS),
    gpaddrBits: minor >= 16,
    domainInfoBytes: minor >= 16 ? 112 : 104,
    grantOptsAt: minor >= 16 ? 44 : -1,
    limitedPools: minor >= 17,
    nextDomain: minor <= 17,
    lateTables: minor >= 20,
    keepsHardError: minor >= 20,
    physinfoPagesAt: minor >= 17 ? 40 : 32,
    shortDomainNames: minor >= 18,
  };
}

/**
 * Answer of XENVER_version: the major number above 16 bits of the minor one.
 */
export function packVersion({ major, minor }: Pick<InterfaceVersion, 'major' | 'minor'>): number {
  return (major << 16) | minor;
}

export function unpackVersion(version: number): { readonly major: number; readonly minor: number } {
  return { major: version >>> 16, minor: version & 0xffff };
}

/** The domctl and the sysctl versions of the supported releases, each once, newest first. */
export const DOMCTL_VERSIONS: readonly number[] = [...new Set(DOMCTL)].reverse();
export const SYSCTL_VERSIONS: readonly number[] = [...new Set(SYSCTL)].reverse();

/**
 * The structures of a Xen that answers to these interface numbers: of its own release when they are
 * that release's, else of the newest release with the number (a patched Xen, or a release newer
 * than those known here that kept its numbers).
 */
export function interfaceOf(minor: number, domctl: number, sysctl: number): InterfaceVersion {
  const release = (numbers: readonly number[], number: number) => {
    const index = numbers[minor - FIRST_MINOR] === number ? minor - FIRST_MINOR : numbers.lastIndexOf(number);
    return interfaceVersion(`4.${index + FIRST_MINOR}`);
  };
  return { ...release(DOMCTL, domctl), minor, sysctl, physinfoPagesAt: release(SYSCTL, sysctl).physinfoPagesAt };
}
