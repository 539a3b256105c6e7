// The affinity requested when a domain was created, as its toolstack records it: in xennuma's
// state, in xenopsd's keys in XenStore, or in the JSON that libxl keeps. Reads only.
import { parseRanges } from '../base/lists.js';
import type { FlowEntry } from '../flow/record.js';
import { affinityKey, decodeAffinity, platformPath } from '../machine/affinity-key.js';
import type { VmSpec } from '../machine/vm.js';
import type { Expected, ExpectedMasks } from '../map/drift.js';
import type { HostMap } from '../map/host-map.js';
import type { VmMetadata } from '../xenopsd/api/metadata.js';
import { masksOfVcpus, parseVmMask } from '../xenopsd/start/mask.js';
import { type KeyReader, type LiveMap, readKey } from './live-map.js';

export interface ExpectedSources {
  readonly xs: KeyReader;
  /** xennuma's own state, written by any process. */
  readonly metadata: readonly VmMetadata[];
  /** The request that libxl keeps for a domain; null = no domain of libxl, or not readable. */
  readonly userdata: (domid: number, uuid: string) => Promise<Expected | null>;
  /** VCPUs_params["mask"] by uuid, as recorded by xapi. */
  readonly xapiMasks?: ReadonlyMap<string, string>;
}

/**
 * The requested affinity by domid, without the domains for which none is recorded. For a domain
 * that carries the uuid of one of its VMs, xennuma's own state counts; otherwise xenopsd's keys,
 * which hold the masks of the build, or libxl's file, which holds the masks given to xl.
 * @throws InputError for a damaged record of libxl
 */
export async function findExpected({ map, uuids }: LiveMap, sources: ExpectedSources): Promise<Map<number, Expected>> {
  const ours = new Map(sources.metadata.map((vm) => [vm.uuid, vm]));
  const found = new Map<number, Expected>();
  for (const { domid, vcpus } of map.domains) {
    const uuid = uuids.get(domid) ?? '';
    const own = ours.get(uuid);
    const fromSpec =
      own === undefined ? null : expectedOfSpec(own.spec, { source: "xennuma's state", pcpus: map.cpus.length, hardPlaced: true });
    const saysMore = fromSpec !== null && fromSpec.hard !== 'placed';
    const expected =
      (saysMore ? fromSpec : null) ??
      withIgnored(await expectedInXenstore(sources.xs, domid, vcpus.length), fromSpec) ??
      fromSpec ??
      expectedOfXapi(sources.xapiMasks?.get(uuid), vcpus.length, map.cpus.length) ??
      (await sources.userdata(domid, uuid));
    if (expected !== null) found.set(domid, expected);
  }
  return found;
}

function expectedOfXapi(mask: string | undefined, vcpus: number, pcpus: number): Expected | null {
  if (mask === undefined) return null;
  const { masks, ignored } = parseVmMask(mask);
  return {
    source: 'VCPUs-params:mask',
    hard: masks.length === 0 ? 'placed' : masksOfVcpus(masks, vcpus, pcpus),
    soft: null,
    ...(ignored === null ? {} : { ignoredMask: { mask, reason: ignored } }),
  };
}

function withIgnored(expected: Expected | null, spec: Expected | null): Expected | null {
  return expected === null || spec?.ignoredMask === undefined ? expected : { ...expected, ignoredMask: spec.ignoredMask };
}

/**
 * The affinity in a VM's description. `hardPlaced`: the placement itself may have set hard
 * affinity. A VM has either a mask of xapi or `cpus=` of xl; the mask counts if there are both.
 */
export function expectedOfSpec(
  spec: VmSpec,
  { source, pcpus, hardPlaced }: { readonly source: string; readonly pcpus: number; readonly hardPlaced: boolean },
): Expected {
  const { mask } = spec.vcpusParams;
  const parsed = parseVmMask(mask);
  const lists = (given: readonly (readonly number[])[]) => Array.from({ length: spec.vcpusMax }, (_, vcpu) => given[vcpu] ?? given.at(-1)!);
  const nothing = hardPlaced ? 'placed' : 'all';
  const ownHard = (): Expected['hard'] => {
    if (parsed.masks.length > 0) return masksOfVcpus(parsed.masks, spec.vcpusMax, pcpus);
    return spec.xlHardCpus !== undefined && spec.xlHardCpus.length > 0 ? lists(spec.xlHardCpus) : nothing;
  };
  return {
    source,
    hard: ownHard(),
    soft: spec.xlSoftCpus === undefined || spec.xlSoftCpus.length === 0 ? null : lists(spec.xlSoftCpus),
    ...(mask !== undefined && parsed.ignored !== null ? { ignoredMask: { mask, reason: parsed.ignored } } : {}),
  };
}

/**
 * The soft affinity that a build gave to the vCPUs of its virtual nodes: all CPUs of the node that
 * their memory is on. null = the build gave no virtual nodes.
 */
export function softOfVirtualNodes(entries: readonly FlowEntry[], { cpus }: Pick<HostMap, 'cpus'>, vcpus: number): ExpectedMasks | null {
  const note = entries.findLast((entry) => entry.kind === 'note' && entry.topic === 'virtual nodes');
  if (note?.kind !== 'note' || note.topic !== 'virtual nodes') return null;
  const masks = new Array<readonly number[] | null>(vcpus).fill(null);
  for (const { node, vcpus: list } of note.values.nodes) {
    const own = cpus.flatMap((cpu) => (cpu?.node === node ? [cpu.id] : []));
    for (const vcpu of list === '' ? [] : (parseRanges(list, vcpus) ?? [])) masks[vcpu] = own;
  }
  return masks;
}

/** From the affinity keys (xenopsd up to 25.20 writes them). null = no such keys. */
async function expectedInXenstore(xs: KeyReader, domid: number, vcpus: number): Promise<Expected | null> {
  const masks = await Promise.all(
    Array.from({ length: vcpus }, async (_, vcpu) => {
      const text = await readKey(xs, `${platformPath(domid)}/${affinityKey(vcpu)}`);
      return text === undefined || !/^[01]+$/.test(text) ? null : decodeAffinity(text);
    }),
  );
  return masks.every((mask) => mask === null) ? null : { source: 'XenStore', hard: masks, soft: null };
}
