// Remote hosts as members of a fleet: each joins with the first reading that has it.
import type { NatsConnection } from '@nats-io/transport-node';
import { InputError } from '../../../../base/errors.js';
import { type FleetHost, Member, type MemberOptions } from '../../../../fleet/member/member.js';
import { hostToken } from '../../../../fleet/protocol/subjects.js';
import { remark } from '../../../output/terminal.js';
import { ownerName } from '../membership.js';

/** A host whose state comes in readings; null = it could not be read this time. */
interface ReadHost<Reading> extends FleetHost {
  read(reading: Reading | null): void;
  /** Set by the collector: the host's figures have changed between two readings. */
  changed?: () => void;
}

export class Collector<Reading> {
  readonly #hostOf: (token: string, name: string) => ReadHost<Reading>;
  readonly #members = new Map<string, { readonly host: ReadHost<Reading>; readonly member: Member }>();
  #latest: ReadonlyMap<string, readonly [name: string, Reading]> = new Map();
  #open: Pick<MemberOptions, 'connection' | 'inboxes' | 'makeLog'> | null = null;

  /** @param hostOf makes a host from its name in the fleet and its own name */
  constructor(hostOf: (token: string, name: string) => ReadHost<Reading>) {
    this.#hostOf = hostOf;
  }

  /** Names in the fleet. */
  get names(): string[] {
    return [...this.#members.keys()].sort();
  }

  /**
   * The latest reading, by the hosts' own names.
   * @throws InputError for two hosts that would be one in the fleet
   */
  take(hosts: Iterable<readonly [string, Reading]>): void {
    this.#latest = unique(hosts);
    if (this.#open === null) return;
    for (const [token, [name, reading]] of this.#latest) if (!this.#members.has(token)) this.#join(token, name, reading);
    for (const [token, { host, member }] of this.#members) {
      host.read(this.#latest.get(token)?.[1] ?? null);
      member.changed();
    }
  }

  /** The hosts of the latest reading become members. @param inboxes name of the connection */
  open(connection: NatsConnection, inboxes: string, makeLog: () => Promise<unknown>): void {
    this.#open = { connection, inboxes, makeLog };
    this.take(this.#latest.values());
  }

  /** Together: they share the connection, which the first one to end closes. */
  async stop(): Promise<void> {
    await Promise.all([...this.#members.values()].map(({ member }) => member.stop()));
  }

  #join(token: string, name: string, reading: Reading): void {
    const host = this.#hostOf(token, name);
    host.read(reading);
    const log = { info() {}, warn: (values: object, message: string) => remark(`${token}: ${message} ${JSON.stringify(values)}`) };
    const member = new Member({ ...this.#open!, host, name: ownerName(token), log });
    host.changed = () => member.changed();
    this.#members.set(token, { host, member });
  }
}

/** By the hosts' names in the fleet. */
function unique<Reading>(hosts: Iterable<readonly [string, Reading]>): Map<string, readonly [string, Reading]> {
  const all = new Map<string, readonly [string, Reading]>();
  for (const host of hosts) {
    const token = hostToken(host[0]);
    if (all.has(token))
      throw new InputError(`two hosts would be ${token} in the fleet`, {}, 'collect them separately, or name them differently');
    all.set(token, host);
  }
  return all;
}
