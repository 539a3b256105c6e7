// The answers that clients got: the possible values of each VM and of the host's settings. There is
// one value if it was acknowledged, and there are several if a call was refused, is in progress, or
// died with the daemon.

/** A value that may be one of several. */
export class Belief<T> {
  #values: readonly T[];

  constructor(value: T) {
    this.#values = [value];
  }

  get values(): readonly T[] {
    return this.#values;
  }

  /** Sets the only value: acknowledged, with nothing else in progress. */
  is(value: T): void {
    this.#values = [value];
  }

  only(values: readonly T[]): void {
    this.#values = values;
  }

  may(...more: readonly T[]): void {
    this.#values = [...new Set([...this.#values, ...more])];
  }

  /**
   * A value shown to a reader while nothing was in progress: it stays. @returns whether it was
   * among the values
   */
  seen(value: T): boolean {
    const fits = this.#values.includes(value);
    this.#values = [value];
    return fits;
  }

  toString(): string {
    return this.#values.join(' or ');
  }
}

export type Power = 'Halted' | 'Running' | 'Paused' | 'Suspended';

export class ModelVm {
  readonly ref: string;
  readonly label: Belief<string>;
  readonly mask: Belief<string>;
  readonly power: Belief<Power>;
  readonly exists: Belief<boolean>;
  /** Calls under way that change it. */
  busy = 0;
  /** Calls overlapped since it was looked at. */
  raced = false;

  constructor(ref: string, label: string, mask: string) {
    this.ref = ref;
    this.label = new Belief(label);
    this.mask = new Belief(mask);
    this.power = new Belief<Power>('Halted');
    this.exists = new Belief(true);
  }
}

export class Model {
  readonly vms: ModelVm[] = [];
  readonly hostMask = new Belief('');
  readonly hostPolicy = new Belief('default_policy');
  /** Changes that were acknowledged, by method: the audit log has a line of each. */
  readonly acknowledged = new Map<string, number>();
  /** Creations without a known end: this many unknown VMs may exist. */
  unknownCreations = 0;

  add(vm: ModelVm): void {
    this.vms.push(vm);
  }

  drop(vm: ModelVm): void {
    this.vms.splice(this.vms.indexOf(vm), 1);
  }
}
