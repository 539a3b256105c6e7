// A node affinity that a caller sets (xen/common/domain.c:943-970).
// Boxes of the chart: `is_new_affinity_all_nodes?`, `enable_auto_node_affinity`,
// `disable_auto_node_affinity`.
import type { Bitset } from '../../base/bitset.js';
import { ERRNO } from '../../base/errors.js';
import { NO_FLOW } from '../../flow/record.js';
import type { Domain } from '../state/domain.js';
import type { XenState } from '../state/xen-state.js';
import { domainUpdateNodeAffinity } from './domain-update-node-affinity.js';

/**
 * "All" is every one of the 64 bits, not every node of the machine; anything else is stored as it
 * came, offline nodes included.
 */
export function domainSetNodeAffinity(xen: XenState, domain: Domain, affinity: Bitset): number {
  const { flow } = xen;
  const recorded = flow !== NO_FLOW;
  if (recorded) flow.edge('do_domctl -> is_new_affinity_all_nodes?');
  const all = affinity.isFull;
  if (recorded) flow.node('is_new_affinity_all_nodes?', { domid: domain.id, requested: affinity.toString(), all });
  if (!affinity.intersects(xen.onlineNodes)) return -ERRNO.EINVAL;
  if (all) {
    domain.autoNodeAffinity = true;
    if (recorded) {
      flow.edge('is_new_affinity_all_nodes? -> enable_auto_node_affinity');
      flow.node('enable_auto_node_affinity', { domid: domain.id });
      flow.edge('enable_auto_node_affinity -> domain_update_node_aff');
    }
  } else {
    const before = recorded ? domain.nodeAffinity.toString() : '';
    domain.autoNodeAffinity = false;
    domain.nodeAffinity.copyFrom(affinity);
    if (recorded) {
      flow.edge('is_new_affinity_all_nodes? -> disable_auto_node_affinity');
      flow.node('disable_auto_node_affinity', { domid: domain.id });
      flow.edge('disable_auto_node_affinity -> domain_node_affinity');
      flow.node('domain_node_affinity', { domid: domain.id, before, after: domain.nodeAffinity.toString(), auto: false });
      flow.edge('disable_auto_node_affinity -> domain_update_node_aff');
    }
  }
  domainUpdateNodeAffinity(xen, domain);
  return 0;
}
