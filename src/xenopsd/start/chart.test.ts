// Paths through the chart: for each, the edges in the order of the chart, no more and no fewer.
// Together the runs take all 28 edges and visit all 21 boxes.
import { describe, expect, it } from 'vitest';
import { machine, toolstackOn, vm, vmWithMask } from '../../../test/support/toolstack.js';
import { EDGES, type EdgeId, NODES, type NodeId } from '../../flow/chart.js';
import type { Outcome } from '../api/outcome.js';
import type { Toolstack } from '../api/toolstack.js';

/**
 * From do_domctl to the node affinity: what every affinity call leads to while auto_node_affinity
 * is on.
 */
const VCPU_AFFINITY_IN_XEN: readonly EdgeId[] = [
  'do_domctl -> vcpu_set_affinity',
  'vcpu_set_affinity -> domain_update_node_aff',
  'domain_update_node_aff -> check_auto_node',
  'check_auto_node -> set_node_affinity_from_vcpu_affinities',
  'set_node_affinity_from_vcpu_affinities -> domain_node_affinity',
];

const BOXES_IN_XEN: readonly NodeId[] = [
  'do_domctl',
  'vcpu_set_affinity',
  'domain_update_node_aff',
  'check_auto_node',
  'set_node_affinity_from_vcpu_affinities',
  'domain_node_affinity',
];

/** The builder of xapi-25.6, whose key is there for every vCPU. */
const XENGUEST: readonly EdgeId[] = [
  'exec_xenguest -> stub_xc_hvm_build',
  'stub_xc_hvm_build -> configure_vcpus',
  'configure_vcpus -> set_hard_affinity?',
  'set_hard_affinity? -> XEN_VCPUAFFINITY_HARD',
  'XEN_VCPUAFFINITY_HARD -> do_domctl',
];

const BOXES_OF_XENGUEST: readonly NodeId[] = [
  'exec_xenguest',
  'stub_xc_hvm_build',
  'configure_vcpus',
  'set_hard_affinity?',
  'XEN_VCPUAFFINITY_HARD',
];

interface Way {
  readonly name: string;
  readonly run: (toolstack: Toolstack) => Promise<Outcome>;
  readonly edges: readonly EdgeId[];
  readonly boxes: readonly NodeId[];
}

const WAYS: readonly Way[] = [
  {
    name: 'a VM with a mask is pinned by the builder and not placed',
    run: async (toolstack) => {
      await toolstack.add(vmWithMask('pinned', 1, 256, '1'));
      return toolstack.start('pinned');
    },
    edges: [
      'is_xe_vCPUparams_mask_set? -> set_hard_affinity',
      'set_hard_affinity -> is_Host.numa_affinity_policy_set?',
      'is_Host.numa_affinity_policy_set? -> has_hard_affinity?',
      'has_hard_affinity? -> exec_xenguest',
      ...XENGUEST,
      ...VCPU_AFFINITY_IN_XEN,
    ],
    boxes: [
      'is_xe_vCPUparams_mask_set?',
      'set_hard_affinity',
      'is_Host.numa_affinity_policy_set?',
      'has_hard_affinity?',
      ...BOXES_OF_XENGUEST,
      ...BOXES_IN_XEN,
    ],
  },
  {
    name: 'a VM without a mask is placed under best_effort',
    run: async (toolstack) => {
      await toolstack.add(vm('placed', 1, 256));
      return toolstack.start('placed');
    },
    edges: [
      'is_xe_vCPUparams_mask_set? -> is_Host.numa_affinity_policy_set?',
      'is_Host.numa_affinity_policy_set? -> has_hard_affinity?',
      'has_hard_affinity? -> numa_placement',
      'numa_placement -> XEN_VCPUAFFINITY_SOFT',
      'XEN_VCPUAFFINITY_SOFT -> do_domctl',
      ...VCPU_AFFINITY_IN_XEN,
      'numa_placement -> exec_xenguest',
      ...XENGUEST,
    ],
    boxes: [
      'is_xe_vCPUparams_mask_set?',
      'is_Host.numa_affinity_policy_set?',
      'has_hard_affinity?',
      'numa_placement',
      'XEN_VCPUAFFINITY_SOFT',
      ...BOXES_IN_XEN,
      ...BOXES_OF_XENGUEST,
    ],
  },
  {
    name: 'a VM without a mask is not placed while the policy is off',
    run: async (toolstack) => {
      toolstack.setPolicy('any');
      await toolstack.add(vm('free', 1, 256));
      return toolstack.start('free');
    },
    edges: [
      'is_xe_vCPUparams_mask_set? -> is_Host.numa_affinity_policy_set?',
      'is_Host.numa_affinity_policy_set? -> exec_xenguest',
      ...XENGUEST,
      ...VCPU_AFFINITY_IN_XEN,
    ],
    boxes: ['is_xe_vCPUparams_mask_set?', 'is_Host.numa_affinity_policy_set?', ...BOXES_OF_XENGUEST, ...BOXES_IN_XEN],
  },
  {
    name: 'a node affinity set explicitly turns the automatic one off',
    run: async (toolstack) => {
      await toolstack.add(vm('a', 1, 256));
      await toolstack.start('a');
      return toolstack.setNodeAffinity('a', [1]);
    },
    edges: [
      'xc_domain_node_setaffinity -> do_domctl',
      'do_domctl -> is_new_affinity_all_nodes?',
      'is_new_affinity_all_nodes? -> disable_auto_node_affinity',
      'disable_auto_node_affinity -> domain_node_affinity',
      'disable_auto_node_affinity -> domain_update_node_aff',
      'domain_update_node_aff -> check_auto_node',
      'domain_node_affinity -> do_domctl',
    ],
    boxes: [
      'xc_domain_node_setaffinity',
      'do_domctl',
      'is_new_affinity_all_nodes?',
      'disable_auto_node_affinity',
      'domain_node_affinity',
      'domain_update_node_aff',
      'check_auto_node',
    ],
  },
  {
    name: 'all nodes turn it on again',
    run: async (toolstack) => {
      await toolstack.add(vm('a', 1, 256));
      await toolstack.start('a');
      await toolstack.setNodeAffinity('a', [1]);
      return toolstack.setNodeAffinity('a', 'all');
    },
    edges: [
      'xc_domain_node_setaffinity -> do_domctl',
      'do_domctl -> is_new_affinity_all_nodes?',
      'is_new_affinity_all_nodes? -> enable_auto_node_affinity',
      'enable_auto_node_affinity -> domain_update_node_aff',
      'domain_update_node_aff -> check_auto_node',
      'check_auto_node -> set_node_affinity_from_vcpu_affinities',
      'set_node_affinity_from_vcpu_affinities -> domain_node_affinity',
      'domain_node_affinity -> do_domctl',
    ],
    boxes: [
      'xc_domain_node_setaffinity',
      'do_domctl',
      'is_new_affinity_all_nodes?',
      'enable_auto_node_affinity',
      'domain_update_node_aff',
      'check_auto_node',
      'set_node_affinity_from_vcpu_affinities',
      'domain_node_affinity',
    ],
  },
];

describe('ways through the chart', () => {
  it.each(WAYS)('$name', async ({ run, edges, boxes }) => {
    const { record, failure } = await run(await toolstackOn(machine([2048, 2048], 2)));
    expect(failure).toBeNull();
    expect(record.edgesTaken()).toEqual(edges);
    expect([...record.nodesVisited()].sort()).toEqual([...boxes].sort());
  });

  it('together they take all 28 edges and visit all 21 boxes', () => {
    expect(EDGES.filter(({ id }) => WAYS.some(({ edges }) => edges.includes(id)))).toHaveLength(28);
    expect(NODES.filter(({ id }) => WAYS.some(({ boxes }) => boxes.includes(id)))).toHaveLength(21);
  });
});
