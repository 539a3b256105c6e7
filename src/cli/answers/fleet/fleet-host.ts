// The daemon of this process for its membership of a fleet: figures of its nodes, and starts
// through its own API, which appear in the audit log like any other start.
import type { FleetHost } from '../../../fleet/member/member.js';
import { isDrain, type Question, type StartRequest } from '../../../fleet/member/requests.js';
import type { HostFigures } from '../../../fleet/protocol/owner-options.js';
import type { HostMap } from '../../../map/host-map.js';
import type { RecoveredStarts } from '../../../pool/fleet-start.js';
import { CLAIM_KEY, hasRun, STARTING_KEY } from '../../../pool/start-marks.js';
import { UNIX_SOCKET } from '../../../xapi/calls/sessions.js';
import type { Daemon } from '../../../xapi/daemon.js';
import { XapiError } from '../../../xapi/wire/errors.js';
import type { Wire, WireDate, WireStruct } from '../../../xapi/wire/values.js';
import { answerOfMap, lightFigures, vmsOf } from './map-answers.js';

export class DaemonHost implements FleetHost {
  readonly name: string;
  readonly #daemon: Daemon;
  readonly #tags: readonly string[];
  #draining = false;
  #known: HostFigures | null = null;

  constructor(daemon: Daemon, name: string, tags: readonly string[]) {
    this.#daemon = daemon;
    this.name = name;
    this.#tags = tags;
  }

  /** What was known is out of date. */
  forget(): void {
    this.#known = null;
  }

  figures(): HostFigures {
    this.#known ??= this.#figures();
    return this.#known;
  }

  #figures(): HostFigures {
    return {
      ...lightFigures(this.#daemon.toolstack.snapshot()),
      draining: this.#draining,
      runs: `${this.#daemon.toolstack.snapshot().hypervisor}, ${this.#daemon.toolstack.profile}`,
      tags: this.#tags,
      ...this.#cpuPercent(),
      started: this.#startedClaims(),
    };
  }

  /** The newest of the host's data source; nothing before its second reading. */
  #cpuPercent(): Pick<HostFigures, 'cpuPercent'> {
    const { rrds, hosts } = this.#daemon;
    const share = rrds.newest({ host: hosts.coordinator.uuid }, 'cpu_avg');
    return share === undefined || !Number.isFinite(share) ? {} : { cpuPercent: Math.round(Math.min(1, Math.max(0, share)) * 100) };
  }

  /** Claims of the VMs that have memory. */
  #startedClaims(): Set<string> {
    const claims = new Set<string>();
    for (const [, { other_config, power_state }] of this.#daemon.database.records('VM')) {
      const claim = (other_config as Readonly<Record<string, string>>)[CLAIM_KEY];
      if (claim !== undefined && hasMemory(power_state)) claims.add(claim);
    }
    return claims;
  }

  start({ id, vm, parts }: StartRequest): Promise<void> {
    return this.#inSession(async (session) => {
      const created = await this.#call('VM.create', [session, recordOf(id, vm, this.#maskOf(parts))]);
      try {
        await this.#call('VM.start', [session, created, false, false]);
      } catch (error) {
        // The VM's state decides: one that runs has been started, whatever failed after that.
        if (!this.#hasMemory(String(created))) {
          await this.#call('VM.destroy', [session, created]).catch(() => {});
          throw error;
        }
      }
      // A mark that stays says nothing of a VM that has run: recover() takes it off.
      await this.#call('VM.remove_from_other_config', [session, created, STARTING_KEY]).catch(() => {});
    });
  }

  #hasRun(metrics: string): boolean {
    const { start_time: start, last_updated: last } = this.#daemon.database.get('VM_metrics', metrics);
    return hasRun((start as WireDate).text, (last as WireDate).text);
  }

  #hasMemory(vm: string): boolean {
    const { database } = this.#daemon;
    return database.has('VM', vm) && hasMemory(database.get('VM', vm).power_state);
  }

  /**
   * Cleans up after a daemon that was killed during a start: a VM that was made and never ran is
   * destroyed, as after a failed start; all others stay, and those that are off are named.
   */
  async recover(): Promise<RecoveredStarts> {
    const [destroyed, kept, failed]: [string[], string[], string[]] = [[], [], []];
    const { database } = this.#daemon;
    const left = [...database.records('VM')].filter(([, { other_config }]) => STARTING_KEY in (other_config as object));
    if (left.length === 0) return { destroyed, kept, failed };
    await this.#inSession(async (session) => {
      for (const [ref, { power_state, metrics, name_label }] of left) {
        const [isOff, name] = [power_state === 'Halted', String(name_label)];
        const neverRan = isOff && !this.#hasRun(String(metrics));
        try {
          if (neverRan) await this.#call('VM.destroy', [session, ref]);
          else await this.#call('VM.remove_from_other_config', [session, ref, STARTING_KEY]);
          if (isOff) (neverRan ? destroyed : kept).push(name);
        } catch (error) {
          failed.push(`${name} (${error instanceof Error ? error.message : String(error)})`);
        }
      }
    });
    return { destroyed, kept, failed };
  }

  /** @throws Error with the code and the parameters of XAPI's error */
  async #inSession(work: (session: Wire) => Promise<void>): Promise<void> {
    const session = await this.#call('session.login_with_password', ['root', '', '1.0', 'xennuma fleet']);
    try {
      await work(session);
    } catch (error) {
      throw error instanceof XapiError ? new Error([error.code, ...error.params].join(' ')) : error;
    } finally {
      this.forget();
      await this.#call('session.logout', [session]).catch(() => {});
    }
  }

  async answer(question: Question): Promise<unknown> {
    if (question.ask === 'names') return { found: this.#vmsNamed(new Set(question.names ?? [])) };
    const map = this.#named();
    if (!isDrain(question)) return answerOfMap(map, question) ?? null;
    this.#draining = question.ask === 'drain';
    this.forget();
    return { draining: this.#draining, vms: vmsOf(map) };
  }

  /** Also of VMs that are halted. */
  #vmsNamed(names: ReadonlySet<string>): string[] {
    const labels = [...this.#daemon.database.records('VM')].flatMap(([, { name_label, is_control_domain, is_a_template }]) =>
      is_control_domain === true || is_a_template === true ? [] : [String(name_label)],
    );
    return [...new Set(labels.filter((label) => names.has(label)))];
  }

  /** The map with the labels of VMs; the toolstack names them by uuid. */
  #named(): HostMap {
    const labels = new Map<number, string>();
    for (const [, { domid, name_label }] of this.#daemon.database.records('VM')) labels.set(Number(domid), String(name_label));
    const map = this.#daemon.toolstack.snapshot();
    return { ...map, domains: map.domains.map((domain) => ({ ...domain, name: labels.get(domain.domid) ?? domain.name })) };
  }

  /** CPUs of the claimed nodes: the memory follows the vCPUs. xapi reads single numbers only. */
  #maskOf(parts: StartRequest['parts']): string {
    const nodes = new Set(parts.map(([node]) => node));
    const { cpus } = this.#daemon.toolstack.snapshot();
    return cpus.flatMap((cpu) => (cpu?.online && nodes.has(cpu.node) ? [cpu.id] : [])).join(',');
  }

  async #call(method: string, params: readonly Wire[]): Promise<Wire> {
    return this.#daemon.dispatcher.call({ method, params }, UNIX_SOCKET, new AbortController().signal);
  }
}

const hasMemory = (power: unknown): boolean => power === 'Running' || power === 'Paused';

function recordOf(claim: string, vm: StartRequest['vm'], mask: string): WireStruct {
  const { name, kind, vcpus, memoryBytes } = vm;
  return {
    name_label: name,
    domain_type: kind === 'pvh' ? 'pvh' : kind,
    VCPUs_max: vcpus,
    VCPUs_at_startup: vcpus,
    VCPUs_params: { mask },
    memory_static_min: 0,
    memory_dynamic_min: memoryBytes,
    memory_dynamic_max: memoryBytes,
    memory_static_max: memoryBytes,
    other_config: { [CLAIM_KEY]: claim, [STARTING_KEY]: 'true' },
  };
}
