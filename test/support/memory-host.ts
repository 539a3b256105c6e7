// A host of one node with 1,000 MiB for tests of the fleet.
import type { FleetHost } from '../../src/fleet/member/member.js';
import type { Question, StartRequest } from '../../src/fleet/member/requests.js';
import type { Parts } from '../../src/fleet/protocol/entries.js';

export class MemoryHost implements FleetHost {
  readonly name: string;
  readonly vms = new Map<string, Parts>();
  /** Why it cannot be looked at. */
  failure: string | null = null;

  constructor(name: string) {
    this.name = name;
  }

  figures() {
    if (this.failure !== null) throw new Error(this.failure);
    const taken = [...this.vms.values()].flat().reduce((sum, [, mib]) => sum + mib, 0);
    const nodes = [{ memoryMib: 1000, freeMib: 1000 - taken, cores: 8, vcpus: 0, cpus: '0-7' }];
    return { nodes, vms: this.vms.size, drifted: 0, draining: false, runs: 'test', tags: [], started: new Set(this.vms.keys()) };
  }

  async start({ id, parts }: StartRequest): Promise<void> {
    this.vms.set(id, parts);
  }

  async answer(_: Question): Promise<unknown> {
    return {};
  }
}
