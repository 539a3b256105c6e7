// A run in sentences: each decision, the numbers it was taken on, what was written, what Xen made of it, where the memory came to lie,
// and what of it people do not expect. Reads the record alone. Box of the chart: all of them.

import type { FlowValues } from '../path.js';
import type { FlowRecord } from '../record.js';
import { pathSentence } from './chart-path.js';
import { explainLanding } from './landing.js';
import { bool, bytes, lists, number, numbers, plural, text, vcpuList } from './phrases.js';
import { explainPlacement } from './placement.js';
import { summarySentence } from './summary.js';
import { explainSurprise } from './surprise.js';

export interface ExplainOptions {
  /** Sets of nodes that a placement is explained with, at most; 8 by default. */
  readonly candidates?: number;
}

/** One sentence or a few a line, in the order of the run; surprises last. Values that a record does not hold are left out, not guessed. */
export function explain(record: FlowRecord, options: ExplainOptions = {}): string[] {
  const lines = new Lines();
  const summary = summarySentence(record);
  if (summary !== null) lines.say(summary);
  const path = pathSentence(record);
  if (path !== null) lines.say(path);
  const masks = new MaskCalls();
  for (const entry of record.entries) {
    if (entry.kind === 'node' && (entry.node === 'XEN_VCPUAFFINITY_HARD' || entry.node === 'XEN_VCPUAFFINITY_SOFT')) {
      masks.add(entry.node === 'XEN_VCPUAFFINITY_HARD' ? 'hard' : 'soft', entry.values);
      continue;
    }
    if (entry.kind === 'node' && entry.node === 'domain_node_affinity') {
      masks.nodes(entry.values);
      continue;
    }
    if (entry.kind === 'node') {
      if (entry.node in NODE_SENTENCES) {
        lines.say(...masks.flush());
        lines.say(...NODE_SENTENCES[entry.node as keyof typeof NODE_SENTENCES](entry.values, options));
      }
    } else if (entry.kind === 'note' && Object.hasOwn(NOTE_SENTENCES, entry.topic)) {
      lines.say(...masks.flush());
      lines.say(...NOTE_SENTENCES[entry.topic]!(entry.values));
    }
  }
  lines.say(...masks.flush());
  const told = new Set<string>();
  for (const entry of record.entries) {
    if (entry.kind !== 'surprise' || told.has(entry.code)) continue;
    told.add(entry.code);
    lines.say(explainSurprise(entry.code, entry.values));
  }
  return lines.all;
}

/** Without repetition: a sentence that was said is not said again. */
class Lines {
  readonly all: string[] = [];
  readonly #said = new Set<string>();

  say(...sentences: string[]): void {
    for (const sentence of sentences) {
      if (this.#said.has(sentence)) continue;
      this.#said.add(sentence);
      this.all.push(sentence);
    }
  }
}

/** Affinity calls in a row, told once for all vCPUs that had the same. */
class MaskCalls {
  readonly #calls = new Map<string, { kind: 'hard' | 'soft'; values: FlowValues; vcpus: number[] }>();
  #before: string | null = null;
  #after: string | null = null;
  #auto = true;
  #between = new Set<string>();

  add(kind: 'hard' | 'soft', values: FlowValues): void {
    const key = JSON.stringify([kind, values.requested, values.effective, values.errno]);
    const known = this.#calls.get(key);
    const vcpu = number(values, 'vcpu') ?? 0;
    if (known === undefined) this.#calls.set(key, { kind, values, vcpus: [vcpu] });
    else known.vcpus.push(vcpu);
  }

  nodes(values: FlowValues): void {
    this.#before ??= text(values, 'before');
    this.#after = text(values, 'after');
    this.#auto = bool(values, 'auto') ?? true;
    if (this.#after !== null) this.#between.add(this.#after);
  }

  flush(): string[] {
    const sentences = [...this.#calls.values()].map(({ kind, values, vcpus }) => {
      const who = vcpuList(vcpus);
      const requested = text(values, 'requested') ?? '';
      const errno = text(values, 'errno');
      const asked = requested === '' ? 'no CPU at all' : `CPUs ${requested}`;
      if (errno !== null) return `${who}: Xen refused the ${kind} affinity (${asked}) with ${errno}.`;
      const effective = text(values, 'effective');
      if (effective === requested || effective === null) return `${who}: ${kind} affinity set to ${asked}.`;
      return `${who}: ${kind} affinity set to ${asked}; of these Xen can use ${effective === '' ? 'none' : effective}.`;
    });
    if (this.#after !== null) {
      const how = this.#auto ? 'Xen worked out' : 'Set by hand:';
      const stayed = this.#before === this.#after && this.#between.size === 1;
      const last = this.#between.size > 1 ? ' It changed only with the last vCPU: Xen takes the union of all of them.' : '';
      const now = `node${/^\d+$/.test(this.#after) ? '' : 's'} ${this.#after}`;
      sentences.push(
        stayed
          ? `${how} the domain's node affinity: ${now}, as before.`
          : `${how} the domain's node affinity: ${now}${this.#before === null ? '' : ` (before: ${this.#before})`}. Its memory comes from there.${last}`,
      );
    }
    this.#calls.clear();
    this.#between = new Set();
    this.#before = null;
    this.#after = null;
    return sentences;
  }
}

const NODE_SENTENCES = {
  'is_xe_vCPUparams_mask_set?': (values: FlowValues) => [maskSentence(values)],
  set_hard_affinity: (values: FlowValues) => {
    const masks = lists(values, 'masks');
    const where = text(values, 'where') ?? 'XenStore';
    const groups = new Map<string, number[]>();
    for (const [vcpu, mask] of masks.entries()) groups.set(mask, [...(groups.get(mask) ?? []), vcpu]);
    const each = [...groups].map(([mask, vcpus]) => `${vcpuList(vcpus)}: ${mask === '' ? 'no CPU' : `CPUs ${mask}`}`);
    const at = where === 'XenStore' ? 'XenStore, platform/vcpu/<vCPU>/affinity of the domain' : where;
    return [`The hard affinity of each vCPU was ${where === 'XenStore' ? 'written to' : 'kept in'} ${at} (${each.join('; ')}).`];
  },
  'is_Host.numa_affinity_policy_set?': (values: FlowValues) => {
    const [policy, means, profile] = [text(values, 'policy'), text(values, 'means'), text(values, 'profile')];
    const stands = policy === means ? '' : `, which in ${profile} stands for ${means}`;
    return [`The host's NUMA policy is ${policy}${stands}${means === 'any' ? ': no placement' : ''}.`];
  },
  'has_hard_affinity?': (values: FlowValues) => [
    bool(values, 'hardAffinity') === true
      ? 'The VM has an affinity of its own already, so it was not placed.'
      : 'The VM has no hard affinity, so it may be placed.',
  ],
  numa_placement: (values: FlowValues, options: ExplainOptions) => explainPlacement(values, options.candidates ?? 8),
  exec_xenguest: () => ['The domain builder was started.'],
} as const;

const ENDINGS: Readonly<Record<string, string>> = {
  poweroff: 'The guest shut itself down.',
  reboot: 'The guest asked for a reboot.',
  crash: 'The guest crashed.',
  gone: 'Its domain was taken away by somebody else.',
};

const NOTE_SENTENCES: Readonly<Record<string, (values: FlowValues) => string[]>> = {
  domain: (values) => [
    `Domain ${number(values, 'domid')} was created (${text(values, 'kind')}, ${plural(number(values, 'vcpus') ?? 0, 'vCPU')}).`,
  ],
  libxl: () => ["xl starts this guest: the steps of the chart stand for libxl's own, which writes no affinity to XenStore."],
  'free memory': (values) => {
    const waited = number(values, 'waitedSeconds') ?? 0;
    const wait = waited === 0 ? '' : ` after ${plural(waited, 'second')} of waiting for the scrubber`;
    return [`The host has ${bytes(values, 'freeBytes')} free${wait}; the build needs ${bytes(values, 'wantedBytes')}, wherever it lies.`];
  },
  'hard by toolstack': () => [
    'The toolstack made these HARD calls itself, before any placement: no key in XenStore, and the builder leaves the masks alone.',
  ],
  'no numa': () => ['The planner sees no NUMA on this host (its distances or its CPUs), so there is no placement.'],
  claim: (values) => [claimSentence(values)],
  'soft affinity failed': (values) => [
    `Setting the soft affinity of vCPU ${number(values, 'vcpu')} failed with ${text(values, 'errno')}; the build went on.`,
  ],
  populated: (values) => [populatedSentence(values)].filter((sentence) => sentence !== ''),
  'memory on one node only': (values) => [
    `The builder was told to take the memory on node ${number(values, 'node')} and no other (${text(values, 'because')}).`,
  ],
  'no credit scheduler': () => ["Weight and cap were left alone: the pool's scheduler is not credit."],
  landed: (values) => explainLanding(values),
  migrate: (values) => [
    `The VM ran as domain ${number(values, 'from')}; a new domain is built beside it, and both hold memory until the old one goes.`,
  ],
  ended: (values) => [ENDINGS[text(values, 'ending') ?? ''] ?? 'It ended.'],
  destroyed: (values) => [`Domain ${number(values, 'domid')} is gone, with its memory, claims and keys.`],
  'node affinity': (values) => {
    const stored = numbers(values, 'stored').join(',');
    const asked = Array.isArray(values.asked) ? `nodes ${numbers(values, 'asked').join(',')}` : 'all 64 node bits';
    return [`Node affinity by hand: asked for ${asked}; Xen now holds ${stored.length > 80 ? 'every node' : stored}.`];
  },
  pool: (values) => [`Domain ${number(values, 'domid')} is now in CPU pool ${number(values, 'pool')}.`],
  failed: (values) => [`It failed in ${text(values, 'step')}: ${text(values, 'message')}`],
};

function maskSentence(values: FlowValues): string {
  const [mask, hostMask] = [text(values, 'mask'), text(values, 'hostMask')];
  const said = [mask === null ? '' : `the VM's mask is '${mask}'`, hostMask === null ? '' : `the host's mask is '${hostMask}'`].filter(
    (part) => part !== '',
  );
  const given = said.length === 0 ? '' : `: ${said.join(', ')}`;
  return bool(values, 'set') === true
    ? `A hard affinity is given${given}.`
    : `No hard affinity is given${given === '' ? '' : ` that counts${given}`}.`;
}

function populatedSentence(values: FlowValues): string {
  const { counts } = values;
  if (typeof counts !== 'object' || counts === null || Array.isArray(counts)) return '';
  const of = (key: string, size: string) => {
    const count = number(counts as FlowValues, key) ?? 0;
    return count === 0 ? [] : [`${count} of ${size}`];
  };
  const extents = [...of('gib', '1 GiB'), ...of('mib2', '2 MiB'), ...of('kib4', '4 KiB')];
  const later = bool(values, 'onDemand') === true ? '; the rest of its maximum comes on demand' : '';
  return extents.length === 0 ? '' : `The builder took the memory in pieces: ${extents.join(', ')}${later}.`;
}

function claimSentence(values: FlowValues): string {
  const node = number(values, 'node');
  const errno = text(values, 'errno');
  const what = `${plural(number(values, 'pages') ?? 0, 'page')} ${node === null ? 'anywhere on the host' : `on node ${node}`}`;
  if (errno === null) return `Xen promised ${what}: nobody else can take them before the build does.`;
  return `Xen did not promise ${what} (${errno}).`;
}
