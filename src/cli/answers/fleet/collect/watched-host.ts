// A host that the fleet shows and does not start VMs on: another toolstack does.
import type { FleetHost } from '../../../../fleet/member/member.js';
import type { Question } from '../../../../fleet/member/requests.js';
import type { HostFigures } from '../../../../fleet/protocol/owner-options.js';
import type { HostMap } from '../../../../map/host-map.js';
import { answerOfMap, lightFigures, vmsOf } from '../map-answers.js';

export class WatchedHost implements FleetHost {
  readonly name: string;
  readonly #tags: readonly string[];
  #map: HostMap | null = null;
  #reason = 'it could not be read';

  constructor(name: string, tags: readonly string[]) {
    this.name = name;
    this.#tags = tags;
  }

  /** @param map null = it could not be read this time, for `reason` */
  read(map: HostMap | null, reason?: string): void {
    this.#map = map;
    if (reason !== undefined) this.#reason = reason;
  }

  figures(): HostFigures {
    if (this.#map === null) throw new Error(this.#reason);
    const runs = this.#map.hypervisor;
    return { ...lightFigures(this.#map), draining: true, watched: true, runs, tags: this.#tags, started: new Set() };
  }

  async start(): Promise<void> {
    throw new Error('the host is only watched');
  }

  /** Nothing while it cannot be read: it counts as away. */
  async answer(question: Question): Promise<unknown> {
    if (this.#map === null) return null;
    const wanted = new Set(question.names ?? []);
    const vms = vmsOf(this.#map);
    if (question.ask === 'names') return { found: vms.map(({ name }) => name).filter((name) => wanted.has(name)) };
    return answerOfMap(this.#map, question) ?? null;
  }
}
