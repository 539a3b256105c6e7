// Commands of xe that are little more than a call, by what they are about.
import { ARCHIVE_COMMANDS } from './archives.js';
import type { Named } from './calls.js';
import { HARDWARE_COMMANDS } from './hardware.js';
import { SINGLE_HOST_COMMANDS } from './hosts.js';
import { SINGLE_POOL_COMMANDS } from './pools.js';
import { SCHEDULE_COMMANDS } from './schedules.js';
import { STORAGE_COMMANDS } from './storage.js';
import { UPDATE_COMMANDS } from './updates.js';
import { SINGLE_VM_COMMANDS } from './vms.js';

export const SINGLE_COMMANDS: readonly Named[] = [
  ...SINGLE_HOST_COMMANDS,
  ...SINGLE_POOL_COMMANDS,
  ...SINGLE_VM_COMMANDS,
  ...ARCHIVE_COMMANDS,
  ...STORAGE_COMMANDS,
  ...UPDATE_COMMANDS,
  ...HARDWARE_COMMANDS,
  ...SCHEDULE_COMMANDS,
];
