// Marks of a VM that the fleet starts, in VM.other_config, and whether a VM has ever run. Marks say
// what was meant, and one that could not be taken off says it too long: what happened to the VM
// decides.

/** The claim that a VM was started for. */
export const CLAIM_KEY = 'xennuma-fleet-claim';
/** Made for a start that has not ended yet. */
export const STARTING_KEY = 'xennuma-fleet-starting';
/** Beside the other: the pool was asked to start it, so it may have run. */
export const ASKED_KEY = 'xennuma-fleet-asked';

const NEVER = /^1970-?01-?01T00:00:00/;

/**
 * Whether the VM has ever had a domain. xapi writes both times when a VM starts, and makes them
 * with the epoch (ocaml/xapi/xapi_xenops.ml, VM_metrics.set_start_time; xapi_vm.ml, create). Of a
 * clone they may be the template's: then it counts as one that ran.
 * @param times start_time and last_updated of its VM_metrics
 */
export function hasRun(...times: readonly string[]): boolean {
  return times.some((time) => !NEVER.test(time));
}
