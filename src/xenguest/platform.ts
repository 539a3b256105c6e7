// get_flags: the builder's settings of a domain in XenStore, below /local/domain/<domid>/platform.
import { affinityKey, platformPath } from '../machine/affinity-key.js';
import { LIMITS } from '../machine/model.js';
import { nullIfAbsent } from '../xenstore/absence.js';
import type { XenstoreConnection } from '../xenstore/connection.js';
import { XenguestError } from './xenguest.js';

export interface PlatformFlags {
  readonly vcpus: number;
  readonly vcpusCurrent: number;
  /** vcpu/N/affinity; null = the key is absent and the vCPU is left alone. Index = vCPU. */
  readonly affinity: readonly (string | null)[];
  /** 0 = leave the scheduler's weight. */
  readonly weight: number;
  /** 0 = leave the scheduler's cap (so 0 cannot clear one). */
  readonly cap: number;
  /** HVM containers only; 0 when it is not set. */
  readonly coresPerSocket: number;
  readonly nx: boolean;
  readonly pae: boolean;
  readonly apic: boolean;
  readonly acpi: boolean;
  readonly hpet: boolean;
  readonly nestedVirt: boolean;
  readonly nomigrate: boolean;
  readonly tscMode: number;
  readonly timeoffsetS: bigint;
}

const U64 = 1n << 64n;

/**
 * A number as xenguest reads it: "true" and "false" in any case, else strtoull in base 0 (leading
 * blanks, a sign, 0x and 0 prefixes; text after the digits is ignored); absent, out of range or
 * without digits 0 (XenServer's xenguest.patch, xenstore_get_value).
 */
export function xenstoreNumber(text: string | null): bigint {
  if (text === null) return 0n;
  if (/^true$/i.test(text)) return 1n;
  if (/^false$/i.test(text)) return 0n;
  const match = /^[ \t\n\v\f\r]*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)/.exec(text);
  if (match === null) return 0n;
  const digits = match[2]!;
  const octal = digits.length > 1 && /^0[0-7]+$/.test(digits);
  const value = BigInt(octal ? `0o${digits.slice(1)}` : digits);
  if (value >= U64) return 0n;
  return match[1] === '-' ? (U64 - value) % U64 : value;
}

/** As assigned to an int in C. */
export const asInt = (value: bigint): number => Number(BigInt.asIntN(32, value));
/** As assigned to a uint16_t in C. */
const asU16 = (value: bigint): number => Number(BigInt.asUintN(16, value));

/**
 * Reads the flags and, as xenguest does, rewrites platform/acpi, acpi_s3 and acpi_s4 to "0" or "1".
 * @throws XenguestError on a number of vCPUs that no domain can have, or that cores-per-socket does
 *   not divide
 */
export async function getFlags(xs: XenstoreConnection, domid: number, hvm: boolean): Promise<PlatformFlags> {
  const base = platformPath(domid);
  const text = (key: string) => readText(xs, `${base}/${key}`);
  const number = async (key: string) => xenstoreNumber(await text(key));
  const vcpus = asInt(await number('vcpu/number'));
  if (vcpus < 0 || vcpus > LIMITS.vcpusPerVm) {
    throw new XenguestError(`xenguest: platform/vcpu/number is ${vcpus}: a domain has 0 to ${LIMITS.vcpusPerVm} vCPUs`);
  }
  const affinity = await Promise.all(Array.from({ length: vcpus }, (_, vcpu) => text(affinityKey(vcpu))));
  const coresPerSocket = hvm ? Number(BigInt.asUintN(32, await number('cores-per-socket'))) : 0;
  if (coresPerSocket !== 0 && vcpus % coresPerSocket !== 0) {
    throw new XenguestError(`Bad cores/socket setting: ${coresPerSocket} (nr vcpus ${vcpus})`);
  }
  const nestedVirt = asInt((await text('nested-virt')) === null ? await number('exp-nested-hvm') : await number('nested-virt')) !== 0;
  const hpet = await text('hpet');
  const acpi = await hvmloaderFlag(xs, `${base}/acpi`);
  await hvmloaderFlag(xs, `${base}/acpi_s4`);
  await hvmloaderFlag(xs, `${base}/acpi_s3`);
  return {
    vcpus,
    vcpusCurrent: asInt(await number('vcpu/current')),
    affinity,
    weight: asU16(await number('vcpu/weight')),
    cap: asU16(await number('vcpu/cap')),
    coresPerSocket,
    nx: asInt(await number('nx')) !== 0,
    pae: asInt(await number('pae')) !== 0,
    apic: asInt(await number('apic')) !== 0,
    acpi,
    hpet: hpet === null || hpet === '' ? true : asInt(xenstoreNumber(hpet)) !== 0,
    nestedVirt,
    nomigrate: nestedVirt || asInt(await number('nomigrate')) !== 0,
    tscMode: asInt(await number('tsc_mode')),
    timeoffsetS: timeoffset(await text('timeoffset')),
  };
}

/** The value up to the first NUL, as in C; null when the key is absent. */
async function readText(xs: XenstoreConnection, path: string): Promise<string | null> {
  const value = await nullIfAbsent(xs.read(path));
  return value === null ? null : value.split('\0', 1)[0]!;
}

/** hvmloader expects "0" or "1" where toolstacks have written "true". */
async function hvmloaderFlag(xs: XenstoreConnection, path: string): Promise<boolean> {
  const value = await readText(xs, path);
  if (value === '0' || value === '1') return value === '1';
  const set = value !== null && asInt(xenstoreNumber(value)) !== 0;
  await xs.write(path, set ? '1' : '0');
  return set;
}

/** Decimal, as sscanf("%ld") reads it; 0 when it is not a number or out of range. */
function timeoffset(text: string | null): bigint {
  const match = /^[ \t\n\v\f\r]*([+-]?[0-9]+)/.exec(text ?? '');
  if (match === null) return 0n;
  const value = BigInt(match[1]!);
  return BigInt.asIntN(64, value) === value ? value : 0n;
}
