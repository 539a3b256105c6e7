// Decodes Xen's answers from the output of the script of hypercall-script.ts: exact memory and
// masks.
import * as z from 'zod';
import { interfaceVersion, unpackVersion } from '../../abi/interface-version.js';
import { CPUTOPO_AT, DOMAIN_INFO_AT, MEMINFO_AT, NODE_BITS, PHYSINFO_PAGES_AT, SYSCTL_AT } from '../../abi/layout.js';
import { readU64 } from '../../abi/u64.js';
import { InputError } from '../../base/errors.js';
import { PAGE_BYTES } from '../../base/units.js';
import { LIMITS } from '../../machine/model.js';
import type { MapVcpu } from '../../map/host-map.js';
import { readDomainInfo } from '../../xenctrl/calls/domain-calls.js';
import { decodeMask } from '../../xenctrl/calls/masks.js';
import type { DomainInfo } from '../../xenctrl/xenctrl.js';

interface ExactDomain {
  /** Without a uuid, which the script does not hand on. */
  readonly info: DomainInfo;
  /** As stored; may name nodes that do not exist. */
  readonly nodeAffinity: readonly number[];
  readonly vcpus: readonly MapVcpu[];
}

export interface HypercallAnswers {
  /** By node; `spanBytes` includes holes. */
  readonly freeBytes: readonly number[];
  readonly spanBytes: readonly number[];
  /** Memory of the host; null in captures that were taken without it. */
  readonly totalBytes: number | null;
  /** Width of the CPU masks. */
  readonly cpuBits: number;
  readonly domains: ReadonlyMap<number, ExactDomain>;
}

const hex = z.string().regex(/^(?:[0-9a-f]{2})*$/);
const schema = z.object({
  hypercalls: z.int(),
  physinfo: hex.optional(),
  memory: hex,
  distances: hex,
  topology: hex,
  masks: z.array(hex),
  domains: z.array(z.tuple([hex, hex, z.array(z.tuple([z.int(), z.int(), z.int()])).max(LIMITS.vcpusPerVm)])).max(LIMITS.domains),
});

/** The size of the shortest xen_domctl_getdomaininfo. */
const INFO_LEAST_BYTES = DOMAIN_INFO_AT.cpupool + 4;

/** Null for a line that is damaged. */
export function readHypercalls(line: string): HypercallAnswers | null {
  let content: unknown;
  try {
    content = JSON.parse(line);
  } catch {
    return null;
  }
  const parsed = schema.safeParse(content);
  if (!parsed.success) return null;
  const { hypercalls, physinfo, memory, topology, masks: texts, domains } = parsed.data;
  const cpuBits = Math.floor(topology.length / 2 / CPUTOPO_AT.sizeBytes);
  const masks = texts.map((text) => {
    const bytes = Buffer.from(text, 'hex');
    return bytes.length < Math.ceil(cpuBits / 8) ? null : decodeMask(bytes, cpuBits);
  });
  const found = new Map<number, ExactDomain>();
  for (const [infoHex, nodesHex, rows] of domains) {
    const info = Buffer.from(infoHex, 'hex');
    const nodes = Buffer.from(nodesHex, 'hex');
    const vcpus = rows.map(([online, hard, soft], id) => ({ id, online: online !== 0, hard: masks[hard], soft: masks[soft] }));
    if (info.length < INFO_LEAST_BYTES || nodes.length < NODE_BITS / 8 || !vcpus.every(isWhole)) return null;
    const read = readDomainInfo(viewOf(info), 0);
    found.set(read.domid, { info: read, nodeAffinity: decodeMask(nodes, NODE_BITS), vcpus });
  }
  const view = viewOf(Buffer.from(memory, 'hex'));
  const ofNodes = (field: number) =>
    Array.from({ length: Math.floor(view.byteLength / MEMINFO_AT.sizeBytes) }, (_, node) =>
      readU64(view, node * MEMINFO_AT.sizeBytes + field),
    );
  return {
    freeBytes: ofNodes(MEMINFO_AT.free),
    spanBytes: ofNodes(MEMINFO_AT.size),
    totalBytes: totalOf(hypercalls, Buffer.from(physinfo ?? '', 'hex')),
    cpuBits,
    domains: found,
  };
}

/** @param version as XENVER_version returns it */
function totalOf(version: number, physinfo: Buffer): number | null {
  const { major, minor } = unpackVersion(version);
  if (!isKnownVersion(`${major}.${minor}`)) return null;
  const at = SYSCTL_AT.union + interfaceVersion(`${major}.${minor}`).physinfoPagesAt + PHYSINFO_PAGES_AT.total;
  return physinfo.length < at + 8 ? null : readU64(viewOf(physinfo), at) * PAGE_BYTES;
}

function isKnownVersion(version: string): boolean {
  try {
    return interfaceVersion(version).major === 4;
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
}

type Half = {
  readonly id: number;
  readonly online: boolean;
  readonly hard: number[] | null | undefined;
  readonly soft: number[] | null | undefined;
};

function isWhole(vcpu: Half): vcpu is Half & MapVcpu {
  return Array.isArray(vcpu.hard) && Array.isArray(vcpu.soft);
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
