// The requests of domain 0 about domains: INTRODUCE, RELEASE, RESUME, SET_TARGET, and the order in
// which the daemon serves them. Source: tools/xenstore/xenstored_domain.c do_introduce, do_release,
// do_resume, do_set_target (Xen 4.17).

import type { Request } from '../../protocol/wire.js';
import { fail } from '../failure.js';
import { intOf, unsignedOf } from './numbers.js';
import { oneString, text } from './requests.js';
import type { Client, Store } from './store.js';

/** What a release or an introduction asks of the rest of the engine. */
export interface DomainHooks {
  readonly clients: ReadonlySet<Client>;
  /** Drops a client's watches and transactions. */
  reset(client: Client): void;
  onDomain(domid: number, introduced: boolean): void;
  onPort(domid: number): void;
}

export class DomainRequests {
  readonly #store: Store;
  readonly #hooks: DomainHooks;
  /** The daemon's list of connections: those of domain 0 as they come, and introduced domains. */
  readonly #connections: (Client | number)[] = [];

  constructor(store: Store, hooks: DomainHooks) {
    this.#store = store;
    this.#hooks = hooks;
  }

  enter(connection: Client | number): void {
    this.#connections.push(connection);
  }

  leave(connection: Client | number): void {
    const at = this.#connections.indexOf(connection);
    if (at >= 0) this.#connections.splice(at, 1);
  }

  introduce(request: Request): void {
    const strings = text(request).split('\0');
    if (strings.length < 4) fail('EINVAL');
    const domid = unsignedOf(strings[0]!);
    const port = intOf(strings[2]!);
    if (port === 0) fail('EINVAL');
    const store = this.#store;
    const domain = store.domains.allocate(domid, store.generation);
    const known = domain.introduced;
    const { gfn, port: portBefore } = domain;
    Object.assign(domain, { introduced: true, gfn: strings[1]!, port });
    store.journaled.undo?.note(() => Object.assign(domain, { introduced: known, gfn, port: portBefore }));
    store.journaled.journal?.introduce(domid, domain.gfn, port);
    if (!known) store.fireSpecial('@introduceDomain');
    store.journaled.commit();
    if (!known) this.enter(domid);
    for (const client of this.#hooks.clients) if (client.domid === domid && domid !== 0) this.#hooks.reset(client);
    if (!known) this.#hooks.onDomain(domid, true);
    else if (domid !== 0) this.#hooks.onPort(domid);
  }

  /**
   * Answers RELEASE. When the domain's connection follows the requester's in the daemon's list, the
   * daemon holds a reference to it and releases it only after the reply.
   */
  release(client: Client, request: Request, reply: () => void): void {
    const domid = this.introduced(request);
    // First: a release that the journal refuses must not have begun, for the domain's watches and
    // transactions would be lost.
    this.#store.journaled.journal?.release(domid);
    this.#store.journaled.commit();
    const late = this.#connections[this.#connections.indexOf(client) + 1] === domid;
    if (!late) this.#release(domid);
    reply();
    if (late) this.#release(domid);
  }

  /**
   * The introduced domain that a request names. @throws StoreFailure EINVAL for domain 0, ENOENT
   */
  introduced(request: Request): number {
    const domid = unsignedOf(oneString(request));
    if (domid === 0) fail('EINVAL');
    if (this.#store.domains.introduced(domid) === undefined) fail('ENOENT');
    return domid;
  }

  setTarget(request: Request): void {
    const strings = text(request).split('\0');
    if (strings.length < 3) fail('EINVAL');
    const [domid, target] = [unsignedOf(strings[0]!), unsignedOf(strings[1]!)];
    for (const id of [domid, target]) if (this.#store.domains.introduced(id) === undefined) fail('ENOENT');
    for (const client of this.#hooks.clients) if (client.domid === domid) client.target = target;
  }

  #release(domid: number): void {
    const store = this.#store;
    for (const client of this.#hooks.clients) {
      if (client.domid === domid) this.#hooks.reset(client);
      if (client.target === domid) client.target = undefined;
    }
    store.removeOwnedBy(domid);
    store.domains.release(domid);
    this.leave(domid);
    store.fireSpecial('@releaseDomain');
    // What a release removes is in its entry.
    store.journaled.journal?.discard();
    store.journaled.undo?.clear();
    store.journaled.sendEvents();
    this.#hooks.onDomain(domid, false);
  }
}
