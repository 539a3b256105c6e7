// What can be done with a VM, its devices or a host beside its settings, as calls of XAPI.
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

const OF_DEVICES: typeof OF_VMS = [
  ['plug', { label: 'Plug in', params: [] }],
  ['unplug', { label: 'Unplug', params: [] }],
  ['eject', { label: 'Eject', params: [] }],
];

/** @param methods that the daemon knows (system.listMethods) */
export function operationsOf({ kind, record }: SettingsObject, methods: ReadonlySet<string>): Operation[] {
  if (kind === 'pool') return [];
  const [table, prefix] = kind === 'VM' || kind === 'host' ? [OF_VMS, 'VM'] : [OF_DEVICES, kind];
  if (kind === 'host') {
    const [method, label] =
      record.enabled === true ? (['host.disable', 'Disable: no VM starts here'] as const) : (['host.enable', 'Enable'] as const);
    return methods.has(method) ? [{ label, method, params: [] }] : [];
  }
  const allowed = Array.isArray(record.allowed_operations) ? record.allowed_operations : [];
  return table
    .filter(([name]) => allowed.includes(name) && methods.has(`${prefix}.${name}`))
    .map(([name, one]) => ({
      ...one,
      method: `${prefix}.${name}`,
    }));
}
