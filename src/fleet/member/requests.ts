// Questions and starts between the fleet's processes: requests of NATS, outside the log. A start
// message is a hint only: the member reads the claim that it names.
import { createHash } from 'node:crypto';
import { MIB } from '../../base/units.js';
import type { VmSpec } from '../../machine/vm.js';
import { isClaimId, type Parts } from '../protocol/entries.js';

const LEASE = 'fleet.lease.';
/** A process of a placer says that it lives. */
export const leaseSubject = (process: string): string => `${LEASE}${process}`;
export const LEASES = `${LEASE}>`;
export const processOfLease = (subject: string): string => subject.slice(LEASE.length);
export const startSubject = (host: string): string => `fleet.start.${host}`;
/** To one host. */
export const askSubject = (host: string): string => `fleet.ask.${host}`;
/** To all hosts. */
export const ASK_ALL = 'fleet.ask';
/** A subject of its own: placers may ask everything, and drain nothing. */
export const drainSubject = (host: string): string => `fleet.drain.${host}`;
export const eventSubject = (host: string): string => `fleet.ev.${host}`;

/** Placers renew their lease three times within it. */
export const LEASE_MS = 6000;
export const MARGIN_MS = 3000;

/** The VM that a placer starts, with all fields that any toolstack needs. */
export interface FleetVm {
  readonly name: string;
  readonly kind: VmSpec['kind'];
  readonly vcpus: number;
  readonly memoryBytes: number;
}

export interface StartRequest {
  readonly id: string;
  readonly vm: FleetVm;
  readonly parts: Parts;
}

export interface StartAnswer {
  readonly started: boolean;
  /** Why not. */
  readonly reason?: string;
}

/** The fields that bind a claim to its start. */
export function digestOf(vm: FleetVm, parts: Parts): string {
  const { name, kind, vcpus, memoryBytes } = vm;
  return createHash('sha256')
    .update(JSON.stringify([name, kind, vcpus, memoryBytes, parts]))
    .digest('base64url');
}

/** null = no start request. */
export function decodeStart(text: string): StartRequest | null {
  try {
    const { id, vm, parts } = JSON.parse(text) as Partial<StartRequest>;
    if (!isClaimId(id) || !Array.isArray(parts) || typeof vm !== 'object' || vm === null) return null;
    const { name, kind, vcpus, memoryBytes } = vm;
    if (typeof name !== 'string' || name.length > 256 || !['hvm', 'pvh', 'pv'].includes(kind)) return null;
    if (!Number.isSafeInteger(vcpus) || vcpus < 1 || !Number.isSafeInteger(memoryBytes) || memoryBytes < 1) return null;
    return { id, vm: { name, kind, vcpus, memoryBytes }, parts };
  } catch {
    return null;
  }
}

/** A placer may have claimed less than it starts: others would lose what they were promised. */
export function whyNotClaimed({ vm, parts }: StartRequest, claimed: Parts | null): string | null {
  if (claimed === null || JSON.stringify(parts) !== JSON.stringify(claimed)) return 'the claim holds other memory than the start wants';
  const mib = claimed.reduce((sum, [, its]) => sum + its, 0);
  return vm.memoryBytes > mib * MIB ? `the claim holds ${mib} MiB, less than the VM has` : null;
}

export const QUESTIONS = ['ping', 'map', 'verify', 'vm', 'names', 'drain', 'undrain'] as const;
/** Names in a question, at most. */
const MOST_NAMES = 4096;

export interface Question {
  readonly ask: (typeof QUESTIONS)[number];
  /** `vm`: its name. */
  readonly name?: string;
  /** `names`: which of these VMs the host has. */
  readonly names?: readonly string[];
}

export const isDrain = ({ ask }: Question): boolean => ask === 'drain' || ask === 'undrain';

export function decodeQuestion(text: string): Question | null {
  try {
    const { ask, name, names } = JSON.parse(text) as Partial<Question>;
    if (!QUESTIONS.includes(ask as Question['ask'])) return null;
    const several = Array.isArray(names) && names.length <= MOST_NAMES && names.every((one) => typeof one === 'string');
    return { ask: ask!, ...(typeof name === 'string' ? { name } : {}), ...(several ? { names } : {}) };
  } catch {
    return null;
  }
}
