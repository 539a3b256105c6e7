// A host of a pool on which the fleet starts VMs: the collector hands the starts to the pool.

import { InputError, UnreachableError } from '../../../../base/errors.js';
import type { FleetHost } from '../../../../fleet/member/member.js';
import { isDrain, type Question, type StartRequest } from '../../../../fleet/member/requests.js';
import type { HostFigures } from '../../../../fleet/protocol/owner-options.js';
import type { HostMap } from '../../../../map/host-map.js';
import type { PoolStart } from '../../../../pool/fleet-start.js';
import { remark } from '../../../output/terminal.js';
import { answerOfMap, lightFigures, vmsOf } from '../map-answers.js';

/** A host as its pool describes it. */
export interface PoolReading {
  readonly map: HostMap;
  /** Claims that its running VMs were started for. */
  readonly started: ReadonlySet<string>;
  /** Guests of the pool that are off; one host of the pool tells of them. */
  readonly halted: readonly string[];
  /** CPU time of its domains, in percent of its CPUs; absent = the pool does not say. */
  readonly cpuPercent?: number;
}

/** Told why the pool does not say whether a VM runs; null = it has said so. */
export type Waiting = (problem: Error | null) => void;

export class PooledHost implements FleetHost {
  readonly name: string;
  readonly #tags: readonly string[];
  /** Resolves when the VM runs, and `read` has been called with it. */
  readonly #start: (start: PoolStart, waiting: Waiting) => Promise<void>;
  /** Claims of starts of which the pool does not say what became of them. */
  readonly #undecided = new Set<string>();
  changed: () => void = () => {};
  #reading: PoolReading | null = null;
  #draining = false;

  constructor(name: string, tags: readonly string[], start: (start: PoolStart, waiting: Waiting) => Promise<void>) {
    this.name = name;
    this.#tags = tags;
    this.#start = start;
  }

  /** @param reading null = it could not be read this time */
  read(reading: PoolReading | null): void {
    this.#reading = reading;
  }

  figures(): HostFigures {
    const { map, started, cpuPercent } = this.#known();
    const more = { undecided: this.#undecided.size, ...(cpuPercent === undefined ? {} : { cpuPercent }) };
    return { ...lightFigures(map), draining: this.#draining, runs: map.hypervisor, tags: this.#tags, ...more, started };
  }

  start({ id, vm, parts }: StartRequest): Promise<void> {
    const nodes = new Set(parts.map(([node]) => node));
    const cpus = this.#known().map.cpus.flatMap((cpu) => (cpu?.online && nodes.has(cpu.node) ? [cpu.id] : []));
    const start = { claim: id, name: vm.name, vcpus: vm.vcpus, memoryBytes: vm.memoryBytes, cpus };
    return this.#start(start, (problem) => this.#waits(id, vm.name, problem));
  }

  #waits(id: string, vm: string, problem: Error | null): void {
    if (problem === null) {
      this.#undecided.delete(id);
      remark(`${this.name}: the pool says again what became of the start of ${vm}`);
    } else {
      this.#undecided.add(id);
      const mend = problem instanceof UnreachableError || problem instanceof InputError ? `; ${problem.mend}` : '';
      remark(`${this.name}: the pool does not say whether ${vm} runs: ${problem.message}${mend}. It is asked until it does.`);
    }
    this.changed();
  }

  /** Nothing while it cannot be read: it counts as away. */
  async answer(question: Question): Promise<unknown> {
    if (this.#reading === null) return null;
    const { map, halted } = this.#reading;
    const vms = vmsOf(map);
    if (question.ask === 'names') {
      const wanted = new Set(question.names ?? []);
      return { found: [...new Set([...vms.map(({ name }) => name), ...halted])].filter((name) => wanted.has(name)) };
    }
    if (!isDrain(question)) return answerOfMap(map, question) ?? null;
    this.#draining = question.ask === 'drain';
    return { draining: this.#draining, vms };
  }

  #known(): PoolReading {
    if (this.#reading === null) throw new Error('it could not be read');
    return this.#reading;
  }
}
