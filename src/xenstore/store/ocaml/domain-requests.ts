// The requests of domain 0 about domains: INTRODUCE, RELEASE, IS_DOMAIN_INTRODUCED, RESUME and
// SET_TARGET. Source: tools/ocaml/xenstored/process.ml do_introduce, do_release, do_resume,
// do_set_target (Xen 4.17).

import { DOMID_SELF } from '../../../base/ids.js';
import type { Journal } from '../engine.js';
import { fail } from '../failure.js';
import type { Journaled } from '../journaled.js';
import type { Announcer } from './announcer.js';
import { firstDigits, nativeintOfString, numberOfString } from './numbers.js';
import { type Parts, plainText } from './paths.js';
import { dom0Only, strings, twoStrings } from './requests.js';
import type { Store } from './store.js';
import type { Client } from './transaction.js';
import { find } from './tree.js';

export interface Domain {
  readonly domid: number;
  readonly mfn: string;
  port: number;
}

export interface DomainHooks {
  readonly clients: ReadonlySet<Client>;
  readonly journaled: Journaled;
  readonly announcer: Announcer;
  /** Drops a client's watches and transactions. */
  reset(client: Client): void;
  onDomain(domid: number, introduced: boolean): void;
  onPort(domid: number): void;
}

export class DomainRequests {
  readonly introduced = new Map<number, Domain>([[0, { domid: 0, mfn: '0', port: 0 }]]);
  readonly #store: Store;
  readonly #hooks: DomainHooks;

  constructor(store: Store, hooks: DomainHooks) {
    this.#store = store;
    this.#hooks = hooks;
  }

  introduce(client: Client, payload: string): void {
    dom0Only(client);
    const [domidText, mfnText, portText] = strings(payload);
    if (mfnText === undefined || portText === undefined) fail('EINVAL');
    const port = numberOfString(portText) ?? fail('EINVAL');
    const mfn = nativeintOfString(mfnText) ?? fail('EIO');
    const domid = numberOfString(domidText!) ?? fail('EINVAL');
    const { journaled, announcer, clients } = this.#hooks;
    const { journal, undo } = journaled;
    const known = this.introduced.get(domid);
    if (known === undefined) {
      this.introduced.set(domid, { domid, mfn, port });
      journal?.introduce(domid, mfn, port);
      undo?.note(() => this.introduced.delete(domid));
      journaled.commit();
      if (!this.introduced.has(0)) fail('EINVAL');
      announcer.tellSpecial('@introduceDomain', this.#store.root, clients);
      this.#hooks.onDomain(domid, true);
      return;
    }
    if (known.mfn !== mfn) fail('EINVAL');
    const before = known.port;
    known.port = port;
    undo?.note(() => {
      known.port = before;
    });
    journal?.introduce(domid, mfn, port);
    if (domid !== 0) this.#hooks.onPort(domid);
  }

  release(client: Client, payload: string): void {
    dom0Only(client);
    const [domidText, rest, more] = strings(payload);
    if (rest !== '' || more !== undefined) fail('EINVAL');
    const domid = numberOfString(domidText!) ?? fail('EINVAL');
    const { journaled, announcer, clients } = this.#hooks;
    // First: a release that the journal refuses must not have begun, for the domain's watches and
    // transactions would be lost.
    journaled.journal?.release(domid);
    journaled.commit();
    const known = this.introduced.delete(domid);
    for (const other of clients) {
      if (other.domid === domid && domid !== 0) this.#hooks.reset(other);
      if (other.target === domid) other.target = undefined;
    }
    this.#store.forget(domid);
    journaled.undo?.clear();
    if (!known) fail('EINVAL');
    this.#hooks.onDomain(domid, false);
    if (!this.introduced.has(0)) fail('ENOENT');
    announcer.tellSpecial('@releaseDomain', this.#store.root, clients);
  }

  isIntroduced(client: Client, payload: string): boolean {
    const domid = this.#named(client, payload);
    return domid === DOMID_SELF || this.introduced.has(domid);
  }

  resume(client: Client, payload: string): void {
    if (!this.introduced.has(this.#named(client, payload))) fail('EINVAL');
  }

  setTarget(client: Client, payload: string): void {
    dom0Only(client);
    const [domid, target] = twoStrings(payload).map((text) => Number(firstDigits(text))) as [number, number];
    if (!this.introduced.has(domid)) fail('ENOENT');
    for (const other of this.#hooks.clients) if (other.domid === domid && domid !== 0) other.target = target;
  }

  #named(client: Client, payload: string): number {
    dom0Only(client);
    return numberOfString(strings(payload)[0]!) ?? fail('EINVAL');
  }
}

/** Writes a node of the live store to the journal, as it is now. */
export function journalNode(journal: Journal | undefined, store: Store, parts: Parts): void {
  if (journal === undefined) return;
  const node = find(store.root, parts)!;
  journal.set(plainText(parts), node.value, node.permissions);
}
