// What can be done with a VM or a host beside its settings, as calls of XAPI.
import type { SettingsObject } from './settings.js';

export interface Operation {
  readonly label: string;
  readonly method: string;
  /** After the reference. */
  readonly params: readonly unknown[];
  /** What is lost by it; absent: it is done at once. */
  readonly loss?: string;
}

const UNSAVED = 'The guest is not asked, and loses what it has not written.';
const OF_VMS: readonly (readonly [operation: string, Omit<Operation, 'method'>])[] = [
  ['start', { label: 'Start', params: [false, false] }],
  ['resume', { label: 'Resume', params: [false, false] }],
  ['unpause', { label: 'Unpause', params: [] }],
  ['clean_shutdown', { label: 'Shut down', params: [] }],
  ['clean_reboot', { label: 'Reboot', params: [] }],
  ['pause', { label: 'Pause', params: [] }],
  ['suspend', { label: 'Suspend', params: [] }],
  ['hard_reboot', { label: 'Force a reboot', params: [], loss: UNSAVED }],
  ['hard_shutdown', { label: 'Force a shutdown', params: [], loss: UNSAVED }],
];

/** @param methods that the daemon knows (system.listMethods) */
export function operationsOf({ kind, record }: SettingsObject, methods: ReadonlySet<string>): Operation[] {
  if (kind === 'pool') return [];
  if (kind === 'host') {
    const [method, label] =
      record.enabled === true ? (['host.disable', 'Disable: no VM starts here'] as const) : (['host.enable', 'Enable'] as const);
    return methods.has(method) ? [{ label, method, params: [] }] : [];
  }
  const allowed = Array.isArray(record.allowed_operations) ? record.allowed_operations : [];
  return OF_VMS.filter(([name]) => allowed.includes(name) && methods.has(`VM.${name}`)).map(([name, one]) => ({
    ...one,
    method: `VM.${name}`,
  }));
}
