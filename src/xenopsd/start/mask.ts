// VCPUs_params: mask, weight and cap as xapi reads them, silent failures included (xen-api
// 90ef043c, ocaml/xapi/xapi_xenops.ml 1115-1185). Box of the chart: is_xe_vCPUparams_mask_set?.
import { ocamlIntOfString } from '../../base/ocaml-int.js';

/**
 * CPUs of each vCPU as xapi hands them to xenopsd: numbers below 0 or past the host are still among
 * them. [] = no pinning.
 */
export type AffinityList = readonly (readonly number[])[];

export interface ParsedMask {
  /** [] when the mask is ignored, or there is none. */
  readonly masks: AffinityList;
  /** Why xapi ignores it; null when it does not. */
  readonly ignored: string | null;
}

const NO_MASK: ParsedMask = { masks: [], ignored: null };

/**
 * VCPUs_params["mask"]: parts by ';', one a vCPU, each with items by ','. One bad item makes the
 * whole mask empty.
 */
export function parseVmMask(text: string | undefined): ParsedMask {
  return text === undefined ? NO_MASK : parseParts(text, text.split(';'));
}

/** Host.guest_VCPUs_params["mask"]: items by ',' only, one mask for all. */
export function parseHostMask(text: string | undefined): ParsedMask {
  return text === undefined ? NO_MASK : parseParts(text, [text]);
}

function parseParts(text: string, parts: readonly string[]): ParsedMask {
  const masks: number[][] = [];
  for (const part of parts) {
    const cpus: number[] = [];
    for (const item of part.split(',')) {
      const read = ocamlIntOfString(item);
      if (!read.ok) return { masks: [], ignored: reasonFor(text, item, read.reason) };
      // CPU numbers past 2^53 lie past every host, like all others past its last CPU.
      cpus.push(Number(read.value));
    }
    masks.push(cpus);
  }
  return { masks, ignored: null };
}

function reasonFor(text: string, item: string, reason: 'not a number' | 'too large'): string {
  if (text === '') return 'it is empty';
  if (item === '') return text.endsWith(';') || text.endsWith(',') ? `a trailing '${text.at(-1)}'` : 'an empty item';
  if (/\s/.test(item)) return 'white space';
  const shown = item.length > 40 ? `${item.slice(0, 40)}...` : item;
  if (reason === 'too large') return `'${shown}' is too large`;
  if (/^\d+-\d+$/.test(item)) return `'${shown}' is a range, and ranges are not understood`;
  if (item.startsWith('^')) return `'${shown}' excludes, and exclusions are not understood`;
  return `'${shown}' is not a whole number`;
}

/**
 * What xapi makes of both: the VM's list, each part cut down to the host's CPUs in the part's own
 * order; the host's mask alone when the VM has none. [[]] is not [], so a mask that nothing is left
 * of counts as set.
 */
export function mergeMasks(vm: AffinityList, host: AffinityList): AffinityList {
  const ofHost = host[0];
  if (ofHost === undefined) return vm;
  if (vm.length === 0) return [ofHost];
  const allowed = new Set(ofHost);
  return vm.map((mask) => mask.filter((cpu) => allowed.has(cpu)));
}

/**
 * Mask of each vCPU: part n for vCPU n, the FIRST part for vCPUs past the list, surplus parts
 * dropped; CPUs not of the host dropped.
 */
export function masksOfVcpus(list: AffinityList, vcpus: number, pcpus: number): readonly (readonly number[])[] {
  const cut = list.map((mask) => {
    const cpus = new Set(mask.filter((cpu) => cpu >= 0 && cpu < pcpus));
    return [...cpus].sort((a, b) => a - b);
  });
  return Array.from({ length: vcpus }, (_, vcpu) => cut[vcpu] ?? cut[0]!);
}

/**
 * The mask per vCPU: hard affinity of each vCPU as a start sets it, from the texts of both masks,
 * which are merged and then spread over the vCPUs.
 * @param vm VCPUs_params["mask"]
 * @param host Host.guest_VCPUs_params["mask"]
 * @param pcpus physinfo's max_cpu_id + 1
 * @returns null = neither is set, or xapi ignores what is: every CPU
 */
export function hardMasks(
  { vm, host }: { readonly vm: string | undefined; readonly host: string | undefined },
  vcpus: number,
  pcpus: number,
): readonly (readonly number[])[] | null {
  const affinity = mergeMasks(parseVmMask(vm).masks, parseHostMask(host).masks);
  return affinity.length === 0 ? null : masksOfVcpus(affinity, vcpus, pcpus);
}

export interface SchedulerPriority {
  readonly weight: number;
  readonly cap: number;
  /** Parameters whose value xapi could not read and took the default for. */
  readonly ignored: readonly ('weight' | 'cap')[];
}

/**
 * xapi always hands a priority on: 256 and 0 when nothing is said, or what is said is not an OCaml
 * integer.
 */
export function parsePriority(params: Readonly<Record<string, string>>): SchedulerPriority {
  const ignored: ('weight' | 'cap')[] = [];
  const read = (key: 'weight' | 'cap', byDefault: number): number => {
    const text = params[key];
    if (text === undefined) return byDefault;
    const value = ocamlIntOfString(text);
    if (value.ok) return Number(value.value);
    ignored.push(key);
    return byDefault;
  };
  return { weight: read('weight', 256), cap: read('cap', 0), ignored };
}
