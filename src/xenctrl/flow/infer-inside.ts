// The steps inside a Xen that cannot be watched, inferred from values that are read back. Boxes of
// the chart: `do_domctl` to `domain_node_affinity`, every edge marked as inferred.
import { DOMCTL } from '../../abi/commands.js';
import { NODE_BITS } from '../../abi/layout.js';
import { formatList } from '../../base/bitset.js';
import { type Errno, XenError } from '../../base/errors.js';
import type { EdgeId, NodeId } from '../../flow/chart.js';
import { FlowRecord, type NodeValues } from '../../flow/record.js';
import { unionRule } from '../../map/union-rule.js';
import { namesEveryNode } from '../calls/affinity-calls.js';
import type { Xenctrl } from '../xenctrl.js';
import type { InsideObserver, Masks, Observation } from './flow-calls.js';

/** The readers that are called before and after a call. */
type Readers = Pick<Xenctrl, 'vcpuGetAffinity' | 'domainNodeGetAffinity' | 'domainInfo' | 'cpupoolList' | 'cpuTopology'>;

/**
 * Xen has no call that reads auto_node_affinity. It is inferred: on when the node affinity changed
 * with a vCPU's mask; off when this process set it explicitly, or when it is not what the union
 * rule gives; otherwise on, the default. So an explicit one that equals what the rule gives passes
 * for automatic.
 */
export class InferredInside implements InsideObserver {
  readonly #xc: Readers;
  /**
   * By domain: false = this process set the node affinity explicitly, true = it made it automatic
   * again.
   */
  readonly #ownSettings: ReadonlyMap<number, boolean>;
  /**
   * Whether the rule gives the node affinity. Computed once for each domain, as it reads every
   * vCPU.
   */
  readonly #byRule = new Map<number, boolean>();

  constructor(xc: Readers, ownSettings: ReadonlyMap<number, boolean>) {
    this.#xc = xc;
    this.#ownSettings = ownSettings;
  }

  duringSetVcpuAffinity(domid: number, vcpu: number, masks: Masks): Observation {
    return (run) => {
      const before = this.#state(domid, vcpu);
      const errno = run();
      const after = this.#state(domid, vcpu);
      const notes = new InferredNotes(domid, 'setvcpuaffinity');
      if (after === null) return notes.entries;
      const update = (nodesBefore: string) =>
        notes.update({ vcpus: after.vcpus, auto: this.#isAuto(domid, nodesBefore, after.nodes), before: nodesBefore, after: after.nodes });
      const stored = storedMasks(masks, errno);
      // FORCE ended a temporary pin, which looks at the nodes by itself.
      if (before !== null && before.hard !== after.hard && !stored.includes('hard')) update(before.nodes);
      for (const kind of stored) {
        notes.edge('do_domctl -> vcpu_set_affinity');
        const requested = formatList([...new Set(masks[kind] ?? [])].sort((a, b) => a - b));
        notes.node('vcpu_set_affinity', { vcpu, kind, requested, hard: after.hard, soft: after.soft, pinned: errno === 'EBUSY' });
        notes.edge('vcpu_set_affinity -> domain_update_node_aff');
        update(before?.nodes ?? after.nodes);
      }
      return notes.entries;
    };
  }

  duringSetNodeAffinity(domid: number, nodes: readonly number[] | 'all'): Observation {
    return (run) => {
      const before = this.#nodes(domid);
      const errno = run();
      const after = this.#nodes(domid);
      const notes = new InferredNotes(domid, 'setnodeaffinity');
      if (errno !== null && errno !== 'EINVAL') return notes.entries;
      const all = namesEveryNode(nodes);
      const requested = nodes === 'all' ? `0-${NODE_BITS - 1}` : formatList([...new Set(nodes)].sort((a, b) => a - b));
      notes.edge('do_domctl -> is_new_affinity_all_nodes?');
      notes.node('is_new_affinity_all_nodes?', { requested, all });
      if (errno !== null || after === null) return notes.entries;
      if (all) {
        notes.edge('is_new_affinity_all_nodes? -> enable_auto_node_affinity');
        notes.node('enable_auto_node_affinity', {});
        notes.edge('enable_auto_node_affinity -> domain_update_node_aff');
      } else {
        notes.edge('is_new_affinity_all_nodes? -> disable_auto_node_affinity');
        notes.node('disable_auto_node_affinity', {});
        notes.edge('disable_auto_node_affinity -> domain_node_affinity');
        notes.node('domain_node_affinity', { before: before ?? after, after, auto: false });
        notes.edge('disable_auto_node_affinity -> domain_update_node_aff');
      }
      const vcpus = (this.#xc.domainInfo(domid)?.maxVcpuId ?? -1) + 1;
      notes.update({ vcpus, auto: all, before: before ?? after, after });
      return notes.entries;
    };
  }

  duringGetNodeAffinity(domid: number): Observation {
    return (run) => {
      const errno = run();
      const notes = new InferredNotes(domid, 'getnodeaffinity');
      if (errno !== null) return notes.entries;
      notes.edge('domain_node_affinity -> do_domctl');
      notes.node('domain_node_affinity', { read: this.#nodes(domid) });
      return notes.entries;
    };
  }

  /** null when the domain or the vCPU cannot be read. */
  #state(
    domid: number,
    vcpu: number,
  ): { readonly hard: string; readonly soft: string; readonly nodes: string; readonly vcpus: number } | null {
    return orNull(() => {
      const { hard, soft } = this.#xc.vcpuGetAffinity(domid, vcpu);
      const nodes = formatList(this.#xc.domainNodeGetAffinity(domid));
      return { hard: formatList(hard), soft: formatList(soft), nodes, vcpus: (this.#xc.domainInfo(domid)?.maxVcpuId ?? -1) + 1 };
    });
  }

  #nodes(domid: number): string | null {
    return orNull(() => formatList(this.#xc.domainNodeGetAffinity(domid)));
  }

  #isAuto(domid: number, before: string, after: string): boolean {
    if (before !== after) return true;
    if (this.#ownSettings.get(domid) === false) return false;
    const known = this.#byRule.get(domid);
    if (known !== undefined) return known;
    const auto = this.#nodesByRule(domid) === after;
    this.#byRule.set(domid, auto);
    return auto;
  }

  #nodesByRule(domid: number): string | null {
    const info = this.#xc.domainInfo(domid);
    const vcpus = Array.from({ length: (info?.maxVcpuId ?? -1) + 1 }, (_, vcpu) => this.#xc.vcpuGetAffinity(domid, vcpu));
    const topology = this.#xc.cpuTopology();
    const nodes = unionRule(vcpus, {
      poolCpus: this.#xc.cpupoolList().find((one) => one.id === info?.cpupool)?.cpus ?? [],
      nodeOf: (cpu) => topology[cpu]?.node,
    });
    return nodes === null ? null : formatList(nodes);
  }
}

/**
 * Which masks Xen got to storing: a vCPU under a temporary pin (EBUSY) is looked at and refused, an
 * empty hard mask is refused before.
 */
function storedMasks(masks: Masks, errno: Errno | null): ('hard' | 'soft')[] {
  const kinds = (['hard', 'soft'] as const).filter((kind) => masks[kind] !== undefined);
  if (errno === null) return kinds;
  return errno === 'EBUSY' ? kinds.slice(0, 1) : [];
}

function orNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof XenError) return null;
    throw error;
  }
}

/** Boxes inside Xen. */
type InsideNode = {
  [N in NodeId]: NodeValues[N] extends infer Values ? (Values extends { readonly inferred?: true } ? N : never) : never;
}[NodeId];
/** The values of a box, without the domain and the mark of inferred steps. */
type Seen<Values> = Values extends object ? Omit<Values, 'domid' | 'inferred'> : never;

/** The notes of one call of one domain, all of them inferred. */
class InferredNotes {
  readonly #record = new FlowRecord('inferred');
  readonly #domid: number;

  constructor(domid: number, command: 'setvcpuaffinity' | 'setnodeaffinity' | 'getnodeaffinity') {
    this.#domid = domid;
    this.node('do_domctl', { cmd: DOMCTL[command], command });
  }

  get entries() {
    return this.#record.entries;
  }

  node<N extends InsideNode>(node: N, values: Seen<NodeValues[N]>): void {
    this.#record.node(node, { domid: this.#domid, ...values, inferred: true } as NodeValues[N]);
  }

  edge(edge: EdgeId): void {
    this.#record.edge(edge, true);
  }

  /**
   * domain_update_node_aff(): it does nothing before the domain has vCPUs, and nothing to a node
   * affinity that was set explicitly.
   */
  update(facts: { readonly vcpus: number; readonly auto: boolean; readonly before: string; readonly after: string }): void {
    this.node('domain_update_node_aff', { vcpus: facts.vcpus });
    if (facts.vcpus === 0) return;
    this.edge('domain_update_node_aff -> check_auto_node');
    this.node('check_auto_node', { auto: facts.auto });
    if (!facts.auto) return;
    this.edge('check_auto_node -> set_node_affinity_from_vcpu_affinities');
    this.node('set_node_affinity_from_vcpu_affinities', { nodeAffinity: facts.after });
    this.edge('set_node_affinity_from_vcpu_affinities -> domain_node_affinity');
    this.node('domain_node_affinity', { before: facts.before, after: facts.after, auto: true });
  }
}
