// Xen's answers as the script of hypercall-script.ts prints them: memory and masks as Xen has them.
import * as z from 'zod';
import { CPUTOPO_AT, DOMAIN_INFO_AT, MEMINFO_AT, NODE_BITS } from '../../abi/layout.js';
import { readU64 } from '../../abi/u64.js';
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
  /** Of each node. */
  readonly freeBytes: readonly number[];
  /** Width of the CPU masks. */
  readonly cpuBits: number;
  readonly domains: ReadonlyMap<number, ExactDomain>;
}

const hex = z.string().regex(/^(?:[0-9a-f]{2})*$/);
const schema = z.object({
  hypercalls: z.int(),
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
  const { memory, topology, masks: texts, domains } = parsed.data;
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
  const freeBytes = Array.from({ length: Math.floor(view.byteLength / MEMINFO_AT.sizeBytes) }, (_, node) =>
    readU64(view, node * MEMINFO_AT.sizeBytes + MEMINFO_AT.free),
  );
  return { freeBytes, cpuBits, domains: found };
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
