// The affinity calls of libxenctrl for the chart: each notes its box, its way to do_domctl, and
// Xen's inside, seen or inferred. Boxes of the chart: XEN_VCPUAFFINITY_SOFT, XEN_VCPUAFFINITY_HARD,
// xc_domain_node_setaffinity.
import { formatList } from '../../base/bitset.js';
import { type Errno, XenError } from '../../base/errors.js';
import { type FlowEntry, FlowRecord, type FlowSink, NO_FLOW } from '../../flow/record.js';
import type { Inspection } from '../doors/inspection.js';
import type { Xenctrl } from '../xenctrl.js';

/**
 * Observes Xen's inside during one call: `run` makes the call and returns Xen's errno. Returns what
 * happened, in order.
 */
export type Observation = (run: () => Errno | null) => readonly FlowEntry[];

export interface Masks {
  readonly hard?: readonly number[];
  readonly soft?: readonly number[];
  readonly force?: boolean;
}

/** How Xen's inside is observed during each of the charted calls. */
export interface InsideObserver {
  duringSetVcpuAffinity(domid: number, vcpu: number, masks: Masks): Observation;
  duringSetNodeAffinity(domid: number, nodes: readonly number[] | 'all'): Observation;
  duringGetNodeAffinity(domid: number): Observation;
}

export type ChartedCalls = Pick<Xenctrl, 'vcpuSetAffinity' | 'domainNodeSetAffinity' | 'domainNodeGetAffinity'>;

/** `plain`: the calls themselves. `inside`: how to see what Xen does in one of them. */
export function flowCalls(plain: ChartedCalls, sink: FlowSink, inside: InsideObserver): ChartedCalls {
  return {
    vcpuSetAffinity(domid, vcpu, given) {
      const masks = listed(given);
      const step = watched(sink, inside.duringSetVcpuAffinity(domid, vcpu, masks), () => plain.vcpuSetAffinity(domid, vcpu, masks));
      const note = (kind: 'hard' | 'soft', mask: readonly number[]) => {
        const effective = step.value?.[kind] ?? null;
        const values = { domid, vcpu, requested: formatList(sorted(mask)), effective: effective === null ? null : formatList(effective) };
        const [node, edge] =
          kind === 'hard'
            ? (['XEN_VCPUAFFINITY_HARD', 'XEN_VCPUAFFINITY_HARD -> do_domctl'] as const)
            : (['XEN_VCPUAFFINITY_SOFT', 'XEN_VCPUAFFINITY_SOFT -> do_domctl'] as const);
        sink.node(node, { ...values, force: given.force === true, ...step.failure });
        sink.edge(edge);
      };
      if (masks.hard !== undefined) note('hard', masks.hard);
      if (masks.soft !== undefined) note('soft', masks.soft);
      return step.finish();
    },

    domainNodeSetAffinity(domid, nodes) {
      const step = watched(sink, inside.duringSetNodeAffinity(domid, nodes), () => plain.domainNodeSetAffinity(domid, nodes));
      const requested = nodes === 'all' ? 'all' : formatList(sorted(nodes));
      sink.node('xc_domain_node_setaffinity', { call: 'set', domid, requested, ...step.failure });
      sink.edge('xc_domain_node_setaffinity -> do_domctl');
      return step.finish();
    },

    domainNodeGetAffinity(domid) {
      const step = watched(sink, inside.duringGetNodeAffinity(domid), () => plain.domainNodeGetAffinity(domid));
      const nodes = step.value === undefined ? null : formatList(step.value);
      sink.node('xc_domain_node_setaffinity', { call: 'get', domid, nodes, ...step.failure });
      sink.edge('xc_domain_node_setaffinity -> do_domctl');
      return step.finish();
    },
  };
}

/**
 * An iterable may be read only once, and the masks are read twice: for the call and for the record.
 */
function listed({ hard, soft, force }: Parameters<Xenctrl['vcpuSetAffinity']>[2]): Masks {
  return {
    ...(hard === undefined ? {} : { hard: asList(hard) }),
    ...(soft === undefined ? {} : { soft: asList(soft) }),
    ...(force === undefined ? {} : { force }),
  };
}

function asList(members: Iterable<number>): readonly number[] {
  return Array.isArray(members) ? members : [...members];
}

function sorted(members: readonly number[]): readonly number[] {
  let ascending = true;
  for (let at = 1; at < members.length && ascending; at++) ascending = members[at - 1]! < members[at]!;
  return ascending ? members : [...new Set(members)].sort((a, b) => a - b);
}

interface Step<T> {
  /** undefined when the call failed. */
  readonly value: T | undefined;
  readonly failure: { readonly errno?: Errno };
  /**
   * Records the inside after the call's own box, then returns the call's answer or throws its
   * error.
   */
  finish(): T;
}

function watched<T>(sink: FlowSink, observe: Observation, call: () => T): Step<T> {
  let outcome: { readonly value: T } | { readonly error: XenError } | undefined;
  const entries = observe(() => {
    try {
      outcome = { value: call() };
      return null;
    } catch (error) {
      // Not an answer of Xen: no hypercall was made, so there is nothing to record.
      if (!(error instanceof XenError)) throw error;
      outcome = { error };
      return error.errno;
    }
  });
  const done = outcome!;
  const error = 'error' in done ? done.error : undefined;
  return {
    value: 'value' in done ? done.value : undefined,
    failure: error === undefined ? {} : { errno: error.errno },
    finish() {
      for (const entry of entries) sink.add(entry);
      if ('value' in done) return done.value;
      throw error;
    },
  };
}

/** The inside as the embedded Xen records it. */
export function seenInside(inspection: Pick<Inspection, 'setFlow'>): InsideObserver {
  const observe: Observation = (run) => {
    const record = new FlowRecord('inside of Xen');
    inspection.setFlow(record);
    try {
      run();
    } finally {
      inspection.setFlow(NO_FLOW);
    }
    return record.entries;
  };
  return { duringSetVcpuAffinity: () => observe, duringSetNodeAffinity: () => observe, duringGetNodeAffinity: () => observe };
}
