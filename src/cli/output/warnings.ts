// Warnings and surprises in sentences, each once with the names of its VMs.
import { listNames } from '../../base/phrases.js';
import { surpriseWords } from '../../flow/explain/surprise.js';
import type { Ending, Outcome } from '../../xenopsd/api/outcome.js';
import type { Toolstack, Warning } from '../../xenopsd/api/toolstack.js';

export interface UserWarning {
  readonly code: string;
  readonly text: string;
  /** Names of the VMs concerned. */
  readonly vms: readonly string[];
}

/** Effects of the VMs' settings that their owners may not expect, before any start. */
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
  poweroff: 'shut down from inside; its domain was removed',
  reboot: 'requested a reboot from inside; its domain was removed, and vm start starts it again',
  crash: "crashed; its domain was removed, and the console log has the guest's last output",
  gone: 'removed by another tool, or by a restart of the host',
};

/** VMs that shut down by themselves, by their guests' requests. */
export function endedWarnings(outcomes: readonly Outcome[]): UserWarning[] {
  const found = new Map<Ending, string[]>();
  for (const { vm, record } of outcomes) {
    for (const { ending } of record.notes('ended')) found.set(ending, [...(found.get(ending) ?? []), vm]);
  }
  return [...found].map(([ending, vms]) => ({ code: `guest-${ending}`, text: `${listNames(vms)}: ${ENDED[ending]}`, vms }));
}

function warningText(warning: Warning, names: readonly string[]): string {
  const text = surpriseWords(warning);
  return warning.code === 'host-mask-ignored' ? text : `${listNames(names)}: ${text}`;
}

/** Surprises of nearly every start. explain and --json report them; tables do not. */
const ORDINARY: readonly string[] = [
  'all-ones-hard',
  'pool-before-placement',
  'soft-is-a-preference',
  'memory-alternates',
  'chart-path',
  'policy-changes-later-builds',
];

/** Whether it deserves a line of its own. */
export function isRemarkable(code: string, warnings: readonly UserWarning[]): boolean {
  return !ORDINARY.includes(code) && !warnings.some((warning) => warning.code === code);
}
