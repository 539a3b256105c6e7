// Consecutive affinity calls as sentences: one for all vCPUs with the same call, then the domain's
// node affinity that Xen derived.
import type { NodeValues } from '../record.js';
import { namedCpus, namedNodes, vcpuList } from './phrases.js';

type AffinityCall = NodeValues['XEN_VCPUAFFINITY_HARD'];

export class MaskCalls {
  readonly #calls = new Map<string, { kind: 'hard' | 'soft'; call: AffinityCall; vcpus: number[] }>();
  #before: string | null = null;
  #after: string | null = null;
  #auto = true;
  #between = new Set<string>();

  add(kind: 'hard' | 'soft', call: AffinityCall): void {
    const key = JSON.stringify([kind, call.requested, call.effective, call.errno]);
    const known = this.#calls.get(key);
    if (known === undefined) this.#calls.set(key, { kind, call, vcpus: [call.vcpu] });
    else known.vcpus.push(call.vcpu);
  }

  /** Node affinity after a call; one that was only read changes nothing. */
  nodes(values: NodeValues['domain_node_affinity']): void {
    if (!('after' in values)) return;
    this.#before ??= values.before;
    this.#after = values.after;
    this.#auto = values.auto;
    this.#between.add(values.after);
  }

  /** The sentences since the last flush. */
  flush(): string[] {
    const sentences = [...this.#calls.values()].map(({ kind, call, vcpus }) => callSentence(kind, call, vcpus));
    if (this.#after !== null) sentences.push(this.#nodesSentence(this.#before ?? this.#after, this.#after));
    this.#calls.clear();
    this.#between = new Set();
    this.#before = null;
    this.#after = null;
    return sentences;
  }

  #nodesSentence(before: string, after: string): string {
    const who = this.#auto ? 'Xen derived the node affinity from the vCPUs' : 'The node affinity was set explicitly';
    if (before === after && this.#between.size === 1) return `${who}: ${namedNodes(after)}, as before.`;
    const last = this.#between.size > 1 ? ' It changed only with the last vCPU: Xen takes the union of all of them.' : '';
    return `${who}: ${namedNodes(after)} (before: ${namedNodes(before)}). The memory comes from there.${last}`;
  }
}

function callSentence(kind: 'hard' | 'soft', { requested, effective, errno }: AffinityCall, vcpus: readonly number[]): string {
  const who = vcpuList(vcpus);
  const mask = namedCpus(requested);
  if (errno !== undefined) return `${who}: Xen refused the ${kind} affinity (${mask}) with ${errno}.`;
  if (effective === null || effective === requested) return `${who}: ${kind} affinity set to ${mask}.`;
  return `${who}: ${kind} affinity set to ${mask}, of which Xen can use ${effective === '' ? 'none' : effective}.`;
}
