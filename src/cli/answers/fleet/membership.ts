// A host that is a member of a fleet, or will be. Without NATS the host keeps running as usual; it
// joins when a server answers.
import { randomBytes } from 'node:crypto';
import type { NatsConnection } from '@nats-io/transport-node';
import { type FleetHost, Member, type MemberOptions } from '../../../fleet/member/member.js';
import { connectFleet } from '../../../fleet/store/connect.js';
import { ensureStream, MAKE_AGAIN_MS } from '../../../fleet/store/stream.js';
import { replicasOf } from '../../input/fleet-options.js';
import { type FleetSettings, memberAccess } from '../../input/serve-config.js';

export const RETRY_MS = 5000;

export class Membership {
  readonly #settings: FleetSettings;
  readonly #host: FleetHost;
  readonly #log: MemberOptions['log'];
  readonly #joining: Promise<void>;
  #member: Member | null = null;
  #ended = false;

  /** @param ready joins after it, which never rejects */
  constructor(settings: FleetSettings, host: FleetHost, log: MemberOptions['log'], ready: Promise<void> = Promise.resolve()) {
    this.#settings = settings;
    this.#host = host;
    this.#log = log;
    this.#joining = ready.then(() => this.#join());
  }

  /** The host has changed. */
  changed(): void {
    this.#member?.changed();
  }

  async close(): Promise<void> {
    this.#ended = true;
    await Promise.race([this.#joining, new Promise((done) => setTimeout(done, RETRY_MS))]);
    await this.#member?.stop();
  }

  async #join(): Promise<void> {
    const { urls, access } = this.#settings;
    const { name } = this.#host;
    while (!this.#ended) {
      let connection: NatsConnection | null = null;
      try {
        connection = await connectFleet(memberAccess(this.#settings), name);
        // Only where everybody may: a member's key may not.
        const makeLog = (withinMs?: number) => ensureStream(connection!, replicasOf(urls), withinMs);
        if (access.fleetKey === undefined) await makeLog();
        if (this.#ended) {
          await connection.close();
          return;
        }
        const remake = access.fleetKey === undefined ? { makeLog: () => makeLog(MAKE_AGAIN_MS) } : {};
        this.#member = new Member({ connection, host: this.#host, name: ownerName(name), inboxes: name, log: this.#log, ...remake });
        this.#log.info({ fleet: urls, as: name }, 'joined the fleet');
        return;
      } catch (error) {
        await connection?.close().catch(() => {});
        const reason = error instanceof Error ? error.message : String(error);
        this.#log.warn({ error: reason }, 'cannot join the fleet yet; the host keeps running');
        await new Promise((done) => setTimeout(done, RETRY_MS));
      }
    }
  }
}

/** Unique, for the log's entries of owners. */
export const ownerName = (host: string): string => `${host.slice(0, 40)}-${randomBytes(6).toString('hex')}`;
