// Sentences for each box of the chart. masks.ts covers the affinity calls together with the node
// affinity.
import type { NodeId } from '../chart.js';
import type { NodeEntry, NodeValues } from '../record.js';
import { namedCpus, vcpuList } from './phrases.js';
import { explainPlacement } from './placement.js';

export interface BoxOptions {
  /** Most sets of nodes in the explanation of a placement. */
  readonly candidates: number;
}

/** [] = the box is covered by its edges, or together with others. */
export function explainBox(entry: NodeEntry, options: BoxOptions): string[] {
  const sentences = SENTENCES[entry.node] as (values: typeof entry.values, options: BoxOptions) => string[];
  return sentences(entry.values, options);
}

const noSentences = () => [];

const SENTENCES: { readonly [N in NodeId]: (values: NodeValues[N], options: BoxOptions) => string[] } = {
  'is_xe_vCPUparams_mask_set?': ({ mask, hostMask, set }) => [maskSentence(mask, hostMask, set)],
  set_hard_affinity: ({ where, masks }) => [hardAffinitySentence(where, masks)],
  'is_Host.numa_affinity_policy_set?': ({ policy, means, profile }) => {
    const stands = policy === means ? '' : `, which means ${means} in ${profile}`;
    return [`The host's NUMA policy is ${policy}${stands}${means === 'any' ? ': no placement' : ''}.`];
  },
  'has_hard_affinity?': ({ hardAffinity }) => [
    hardAffinity ? 'The VM already has an affinity of its own, so it was not placed.' : 'The VM has no hard affinity, so it can be placed.',
  ],
  numa_placement: (values, { candidates }) => explainPlacement(values, candidates),
  exec_xenguest: () => ['The domain builder was started.'],
  stub_xc_hvm_build: noSentences,
  configure_vcpus: noSentences,
  'set_hard_affinity?': noSentences,
  XEN_VCPUAFFINITY_SOFT: noSentences,
  XEN_VCPUAFFINITY_HARD: noSentences,
  xc_domain_node_setaffinity: noSentences,
  do_domctl: noSentences,
  vcpu_set_affinity: noSentences,
  domain_update_node_aff: noSentences,
  check_auto_node: noSentences,
  set_node_affinity_from_vcpu_affinities: noSentences,
  'is_new_affinity_all_nodes?': noSentences,
  enable_auto_node_affinity: noSentences,
  disable_auto_node_affinity: noSentences,
  domain_node_affinity: noSentences,
};

function maskSentence(mask: string | null, hostMask: string | null, set: boolean): string {
  const masks = [];
  if (mask !== null) masks.push(`the VM's mask is '${mask}'`);
  if (hostMask !== null) masks.push(`the host's mask is '${hostMask}'`);
  const maskList = masks.length === 0 ? '' : `: ${masks.join(', ')}`;
  if (set) return `A hard affinity is given${maskList}.`;
  return maskList === '' ? 'No hard affinity is given.' : `No valid hard affinity is given${maskList}.`;
}

function hardAffinitySentence(where: NodeValues['set_hard_affinity']['where'], masks: readonly string[]): string {
  const groups = new Map<string, number[]>();
  for (const [vcpu, mask] of masks.entries()) groups.set(mask, [...(groups.get(mask) ?? []), vcpu]);
  const each = [...groups].map(([mask, vcpus]) => `${vcpuList(vcpus)}: ${namedCpus(mask)}`).join('; ');
  const destination = where === 'XenStore' ? "written to XenStore (the domain's platform/vcpu/<vCPU>/affinity)" : `kept in ${where}`;
  return `The hard affinity of each vCPU was ${destination}: ${each}.`;
}
