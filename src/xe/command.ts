// The interface of a command of xe, for running, for help and for completion.
import type { XeClass } from './field.js';
import type { Run } from './operations.js';

export interface XeCommand {
  readonly required: readonly string[];
  readonly optional: readonly string[];
  readonly help: string;
  /** Takes VMs by vm=, uuid= or any of their fields. */
  readonly selectsVms?: true;
  /** Among the common ones of `xe help`. */
  readonly common?: true;
  /** The class whose fields it takes. */
  readonly of?: XeClass;
  run(run: Run): Promise<void>;
}
