// Warnings and surprises in sentences, each once with the VMs that it is about.
import { formatList } from '../../base/bitset.js';
import { surpriseClause } from '../../flow/surprises.js';
import type { Ending, Outcome } from '../../xenopsd/api/outcome.js';
import type { Toolstack, Warning } from '../../xenopsd/api/toolstack.js';

export interface UserWarning {
  readonly code: string;
  readonly text: string;
  /** Names of the VMs that it is about. */
  readonly vms: readonly string[];
}

/**
 * What the toolstack will make of its VMs' settings that their owners may not expect, before any
 * start.
 */
export function userWarnings(toolstack: Toolstack): UserWarning[] {
  const found = new Map<string, { warning: Warning; names: string[] }>();
  const noted = new Map<string, string[]>();
  for (const { spec } of toolstack.vms()) {
    for (const note of spec.notes ?? []) noted.set(note, [...(noted.get(note) ?? []), spec.name]);
    for (const warning of toolstack.warnings(spec.name)) {
      const key = JSON.stringify(warning);
      const seen = found.get(key);
      if (seen === undefined) found.set(key, { warning, names: [spec.name] });
      else seen.names.push(spec.name);
    }
  }
  return [
    ...[...noted].map(([note, vms]) => ({ code: 'vm-note', text: `${listNames(vms)}: ${note}`, vms })),
    ...[...found.values()].map(({ warning, names }) => ({ code: warning.code, text: warningText(warning, names), vms: names })),
  ];
}

const ENDED: Readonly<Record<Ending, string>> = {
  poweroff: 'shut down from inside; the domain is taken away',
  reboot: 'asked for a reboot from inside; the domain is taken away, and starts again with vm start',
  crash: 'crashed; the domain is taken away, what the guest said is in the log of its console',
  gone: "taken away by somebody else, or by the host's own restart",
};

/** VMs that went down by themselves, by what their guests asked for. */
export function endedWarnings(outcomes: readonly Outcome[]): UserWarning[] {
  const found = new Map<Ending, string[]>();
  for (const { vm, record } of outcomes) {
    for (const { ending } of record.notes('ended')) found.set(ending, [...(found.get(ending) ?? []), vm]);
  }
  return [...found].map(([ending, vms]) => ({ code: `guest-${ending}`, text: `${listNames(vms)}: ${ENDED[ending]}`, vms }));
}

function warningText(warning: Warning, names: readonly string[]): string {
  const vms = listNames(names);
  switch (warning.code) {
    case 'mask-ignored':
      return `mask '${warning.values.mask}' of ${vms} is ignored by xapi: ${warning.values.reason}`;
    case 'host-mask-ignored':
      return `the host's mask '${warning.values.mask}' is ignored by xapi: ${warning.values.reason}`;
    case 'cpus-beyond-host': {
      const { cpus, pcpus } = warning.values;
      return `${vms}: the mask names CPU ${formatList([...cpus])}, and the host has CPUs 0-${pcpus - 1}; xenopsd drops what is beyond`;
    }
    case 'masks-surplus': {
      const { given, vcpus } = warning.values;
      return `${vms}: the mask has ${given} parts for ${vcpus} vCPUs; the rest is dropped`;
    }
    case 'first-mask-reused': {
      const { given, vcpus } = warning.values;
      return `${vms}: the mask has ${given} parts for ${vcpus} vCPUs; the others get the first part`;
    }
    case 'empty-mask':
      return `${vms}: nothing is left of the mask of vCPU ${formatList([...warning.values.vcpus])}, so Xen will refuse it and the VM cannot start`;
    default:
      return `${vms}: ${surpriseClause(warning.code)}`;
  }
}

/** What nearly every start meets: told by explain and --json, not beside every table. */
const ORDINARY: readonly string[] = [
  'all-ones-hard',
  'pool-before-placement',
  'soft-is-a-preference',
  'memory-alternates',
  'chart-path',
  'policy-changes-later-builds',
];

/** Is it worth a line of its own? */
export function isRemarkable(code: string, warnings: readonly UserWarning[]): boolean {
  return !ORDINARY.includes(code) && !warnings.some((warning) => warning.code === code);
}

/** "a", "a and b", "a, b and 7 more" */
export function listNames(names: readonly string[], most = 3): string {
  if (names.length <= 1) return names.join('');
  if (names.length <= most) return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
  return `${names.slice(0, most - 1).join(', ')} and ${names.length - most + 1} more`;
}
