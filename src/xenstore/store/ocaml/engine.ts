// oxenstored's personality: each request as its process.ml answers it.
// Requests that need no more than a store are in simple.ts, those on transactions in
// transaction-requests.ts, those on domains in domain-requests.ts.
// Sources: tools/ocaml/xenstored/{process,connection,connections,domains}.ml (Xen 4.17).

import type { Permissions } from '../../protocol/permissions.js';
import { MESSAGE, type Outbox, PAYLOAD_MAX_BYTES, type Request } from '../../protocol/wire.js';
import { type ClientState, createClientState, type DumpedClient, dumpClientState, type Watch, watchKey } from '../client-state.js';
import { DomainUsage } from '../domain-usage.js';
import type { ControlHooks, Engine, EngineOptions, Journal, JournalChange, StoredNode } from '../engine.js';
import { fail, StoreFailure } from '../failure.js';
import { Journaled } from '../journaled.js';
import { QUOTA, type StoreQuota } from '../limits.js';
import { Releases } from '../releases.js';
import { WatchIndex } from '../watches.js';
import type { Work } from '../work.js';
import { Announcer } from './announcer.js';
import { ConflictCredit } from './conflict-credit.js';
import { control } from './control.js';
import { type Domain, DomainRequests, journalNode } from './domain-requests.js';
import { History } from './history.js';
import { checkStore } from './invariants.js';
import { absolute, type Parts, plainText, split } from './paths.js';
import { isDom0 } from './permits.js';
import { twoStrings } from './requests.js';
import { placeNode } from './restore.js';
import { type Recorder, SIMPLE, simple } from './simple.js';
import { Store } from './store.js';
import { type Client, type DumpedTransaction, Transaction } from './transaction.js';
import { TransactionRequests } from './transaction-requests.js';
import { type CarriedNode, carry, epochsAfter, find, lastEpoch, type Node, namesOf, revive } from './tree.js';

interface DumpedStore {
  readonly root: CarriedNode;
  readonly counts: ReadonlyMap<number, number>;
  readonly domains: ReadonlyMap<number, Domain>;
  readonly epoch: number;
  readonly order: number;
  readonly releases: ReturnType<Releases['dump']>;
}

const OK = 'OK\0';
/**
 * What the daemon remembers to find out who caused a conflict (process.ml retain_op_in_history).
 */
const CHANGES: ReadonlySet<number> = new Set([MESSAGE.write, MESSAGE.mkdir, MESSAGE.rm, MESSAGE.setPermissions]);
/** As a fresh daemon has them; the events of domains are nodes here, with permissions like any. */
const FIRST_NODES: readonly Parts[] = [['tool'], ['tool', 'xenstored'], ['@introduceDomain'], ['@releaseDomain'], ['local']];

export class OxenstoredEngine implements Engine {
  readonly personality = 'oxenstored';
  readonly quota: StoreQuota;
  readonly store = new Store();
  readonly index = new WatchIndex(this.store.work);
  onDomain: Engine['onDomain'];
  onPort: Engine['onPort'];
  readonly #clients = new Set<Client>();
  readonly #usage = new DomainUsage();
  readonly #releases: Releases;
  readonly #domains: DomainRequests;
  readonly #transactions: TransactionRequests;
  readonly #hooks: ControlHooks;
  readonly #journal: Journal | undefined;
  readonly #journaled: Journaled;
  readonly #announcer: Announcer;
  readonly #history: History;
  readonly #credit: ConflictCredit;
  /** What the request on the live store did, until its watch events are sent. */
  readonly #recorder: Recorder;
  #order = 0;

  constructor(options: EngineOptions = {}) {
    this.quota = { ...QUOTA.oxenstored, ...options.quota };
    this.#hooks = options.control ?? {};
    this.#journal = options.journal;
    this.#journaled = new Journaled(options.journal, this.store.work);
    this.store.undo = this.#journaled.undo;
    this.#announcer = new Announcer(this.index, this.#journaled);
    this.#releases = new Releases(options.domainExists);
    const nowMs = options.nowMs ?? (() => performance.now());
    this.#history = new History(nowMs);
    this.#credit = new ConflictCredit(nowMs);
    this.#domains = new DomainRequests(this.store, {
      clients: this.#clients,
      journaled: this.#journaled,
      announcer: this.#announcer,
      reset: (client) => this.#reset(client),
      onDomain: (domid, introduced) => {
        if (!introduced) {
          this.#credit.forget(domid);
          this.#releases.add(domid);
        }
        this.onDomain?.(domid, introduced);
      },
      onPort: (domid) => this.onPort?.(domid),
    });
    this.#transactions = new TransactionRequests(this.store, this.quota, {
      usage: this.#usage,
      releases: this.#releases,
      journal: this.#journal,
      journaled: this.#journaled,
      announcer: this.#announcer,
      history: this.#history,
      credit: this.#credit,
    });
    const noteImplicit = (parts: Parts): void => journalNode(this.#journal, this.store, parts);
    this.#recorder = { noteRead: nothing, noteWrite: nothing, changes: [], noteImplicit, wholeAnswers: false };
    for (const parts of FIRST_NODES) this.store.tree.create(parts, '', this.store.root.permissions);
    this.store.count(0, FIRST_NODES.length);
  }

  get work(): Work {
    return this.store.work;
  }

  connect(domid: number, out: Outbox): Client {
    const client = createClientState<Transaction>(domid, out);
    this.#clients.add(client);
    return client;
  }

  disconnect(client: ClientState): void {
    this.#reset(client as Client);
    this.#clients.delete(client as Client);
  }

  domainShutdown(): void {
    this.#announcer.tellSpecial('@releaseDomain', this.store.root, this.#clients);
    this.#journaled.sendEvents();
  }

  process(state: ClientState, request: Request): void {
    const client = state as Client;
    const { type, requestId } = request;
    // Watches know no transactions, and their replies say so.
    const txId = type === MESSAGE.watch || type === MESSAGE.unwatch ? 0 : request.txId;
    const tx = txId === 0 ? undefined : client.transactions.get(txId);
    if (txId !== 0 && tx === undefined) {
      client.out.reply(MESSAGE.error, requestId, txId, 'EIO\0');
      return;
    }
    const payload = request.bytes.latin1Slice(request.start, request.end);
    // Events of changes follow the reply, those of a commit, an introduction or a release go before
    // it.
    let after: (() => void) | undefined;
    let answer: string;
    let failed = false;
    try {
      if (tx !== undefined && this.#transactions.isOverQuota(client, tx)) fail('EQUOTA');
      answer = SIMPLE.has(type)
        ? this.#simple(client, tx, type, payload, (then) => (after = then))
        : this.#other(client, tx, request, payload, (then) => (after = then));
      this.#journaled.commit();
    } catch (error) {
      if (!(error instanceof StoreFailure)) throw error;
      // Missing parents that the request made before it failed stay.
      answer = `${this.#keepParents(error).errno}\0`;
      failed = true;
      after = undefined;
    }
    if (tx !== undefined) {
      if (this.#transactions.isOverQuota(client, tx)) [answer, failed] = ['EQUOTA\0', true];
      else tx.operations.push({ type, payload, answer: failed ? `E${answer}` : answer });
    }
    if (answer.length > PAYLOAD_MAX_BYTES && client.domid !== 0) [answer, failed] = ['E2BIG\0', true];
    client.out.reply(failed ? MESSAGE.error : type, requestId, txId, answer);
    after?.();
    this.#journaled.sendEvents();
  }

  #keepParents(failure: StoreFailure): StoreFailure {
    try {
      this.#journaled.commit();
      return failure;
    } catch (error) {
      if (error instanceof StoreFailure) return error;
      throw error;
    }
  }

  /** It has no quota on memory; a guest that caused too many conflicts is paused. */
  listens({ domid }: ClientState): boolean {
    return domid === 0 || !this.#credit.paused(domid);
  }

  #simple(client: Client, tx: Transaction | undefined, type: number, payload: string, then: (run: () => void) => void): string {
    if (tx !== undefined) return simple(client, tx.store, this.quota, tx, type, payload);
    const { changes } = this.#recorder;
    changes.length = 0;
    // What was there before decides who hears of a removal or of new permissions.
    const before = this.index.size > 0 && (type === MESSAGE.rm || type === MESSAGE.setPermissions) ? this.store.tree.freeze() : undefined;
    const watched = CHANGES.has(type) && this.#history.wanted ? this.store.tree.freeze() : undefined;
    const answer = simple(client, this.store, this.quota, this.#recorder, type, payload);
    if (watched !== undefined) this.#history.record(client.domid, watched, this.store.tree.freeze());
    const change = changes[0];
    if (change !== undefined) {
      if (this.#journal !== undefined) {
        if (change.kind === 'rm') this.#journal.remove(plainText(change.parts));
        else journalNode(this.#journal, this.store, change.parts);
      }
      if (this.index.size > 0) then(() => this.#announcer.tell([change], before ?? this.store.root, this.store.root));
    }
    return answer;
  }

  #other(client: Client, tx: Transaction | undefined, request: Request, payload: string, then: (run: () => void) => void): string {
    switch (request.type) {
      case MESSAGE.watch: {
        const watch = this.#watch(client, payload);
        then(() => this.#announcer.send(watch, watch.path.slice(watch.hidden)));
        return OK;
      }
      case MESSAGE.unwatch:
        this.#unwatch(client, payload);
        return OK;
      case MESSAGE.transactionStart:
        if (tx !== undefined) fail('EBUSY');
        return `${this.#transactions.start(client)}\0`;
      case MESSAGE.transactionEnd:
        this.#transactions.end(client, tx, request.txId, payload);
        return OK;
      case MESSAGE.introduce:
        this.#domains.introduce(client, payload);
        return OK;
      case MESSAGE.release:
        this.#domains.release(client, payload);
        return OK;
      case MESSAGE.isDomainIntroduced:
        return this.#domains.isIntroduced(client, payload) ? 'T\0' : 'F\0';
      case MESSAGE.resume:
        this.#domains.resume(client, payload);
        return OK;
      case MESSAGE.setTarget:
        this.#domains.setTarget(client, payload);
        return OK;
      case MESSAGE.resetWatches:
        this.#reset(client);
        return OK;
      case MESSAGE.control:
        if (!isDom0(client)) return OK;
        return control(payload, this.#hooks, { store: this.store, clients: this.#clients, quota: this.quota });
      default:
        return fail('ENOSYS');
    }
  }

  *nodes(from = '/'): Generator<StoredNode> {
    const parts = split(from);
    const top = find(this.store.root, parts);
    if (top !== undefined) yield* listed(top, parts);
  }

  nodesByOwner(): Map<number, number> {
    return new Map(this.store.counts);
  }

  introducedDomains(): { domid: number; gfn: string; port: number }[] {
    return [...this.#domains.introduced.values()]
      .filter(({ domid }) => domid !== 0)
      .map(({ domid, mfn, port }) => ({ domid, gfn: mfn, port }));
  }

  /** Here they are ordinary nodes. */
  specialPermissions(): ReadonlyMap<string, Permissions> {
    return new Map();
  }

  *snapshot(): Generator<JournalChange> {
    for (const domain of this.introducedDomains()) yield { kind: 'introduce', ...domain };
    for (const { path, value, permissions } of this.nodes()) yield { kind: 'set', path, value, permissions };
  }

  restore(change: JournalChange): void {
    this.#place(change);
    this.#journaled.undo?.clear();
  }

  #place(change: JournalChange): void {
    switch (change.kind) {
      case 'set':
        placeNode(this.store, split(change.path), change.value, change.permissions);
        break;
      case 'remove': {
        const parts = split(change.path);
        if (find(this.store.root, parts) !== undefined) this.store.rm({ domid: 0, target: undefined }, parts);
        break;
      }
      case 'introduce':
        this.#domains.introduced.set(change.domid, { domid: change.domid, mfn: change.gfn, port: change.port });
        break;
      case 'release':
        this.#domains.introduced.delete(change.domid);
        this.store.forget(change.domid);
        break;
    }
  }

  dump(): unknown {
    const dumped: DumpedStore = {
      root: carry(this.store.tree.freeze()),
      counts: this.store.counts,
      domains: this.#domains.introduced,
      epoch: lastEpoch(),
      order: this.#order,
      releases: this.#releases.dump(),
    };
    return dumped;
  }

  load(dumped: unknown): void {
    const { root, counts, domains, epoch, order, releases } = dumped as DumpedStore;
    epochsAfter(epoch);
    this.store.replace(revive(root), counts);
    this.#domains.introduced.clear();
    for (const [domid, domain] of domains) this.#domains.introduced.set(domid, domain);
    this.#order = order;
    this.#releases.load(releases);
  }

  dumpClient(state: ClientState): unknown {
    return { ...dumpClientState(state), transactions: new Map([...(state as Client).transactions].map(([id, tx]) => [id, tx.dump()])) };
  }

  loadClient(state: ClientState, dumped: unknown): void {
    const client = state as Client;
    const { target, nextTransaction, watches, transactions } = dumped as DumpedClient & { transactions: Map<number, DumpedTransaction> };
    client.target = target;
    client.nextTransaction = nextTransaction;
    this.index.restore(client, watches);
    this.#usage.add(client.domid, 'watches', watches.length);
    this.#usage.add(client.domid, 'transactions', transactions.size);
    for (const [id, tx] of transactions) client.transactions.set(id, Transaction.load(this.store, tx));
  }

  checkInvariants(): void {
    checkStore(this.store, this.index, this.#clients);
  }

  #watch(client: Client, payload: string): Watch {
    const [pathText, token] = twoStrings(payload);
    const path = absolute(pathText, client.home);
    if (!path.startsWith('@')) split(path);
    if (!isDom0(client) && this.#usage.of(client.domid, 'watches') > this.quota.watches) fail('EQUOTA');
    const key = watchKey(path, token);
    if (client.watches.has(key)) fail('EEXIST');
    const relative = !pathText.startsWith('/') && !pathText.startsWith('@');
    const watch: Watch = { client, path, token, hidden: relative ? client.home.length + 1 : 0, order: ++this.#order };
    client.watches.set(key, watch);
    this.index.add(watch);
    this.#usage.add(client.domid, 'watches', 1);
    return watch;
  }

  #unwatch(client: Client, payload: string): void {
    const [pathText, token] = twoStrings(payload);
    const key = watchKey(absolute(pathText, client.home), token);
    const watch = client.watches.get(key) ?? fail('ENOENT');
    client.watches.delete(key);
    this.index.delete(watch);
    this.#usage.add(client.domid, 'watches', -1);
  }

  #reset(client: Client): void {
    for (const watch of client.watches.values()) this.index.delete(watch);
    this.#usage.add(client.domid, 'watches', -client.watches.size);
    client.watches.clear();
    this.#transactions.abandon(client);
  }
}

function* listed(node: Node, parts: Parts): Generator<StoredNode> {
  yield { path: plainText(parts), value: node.value, permissions: node.permissions };
  for (const name of namesOf(node)) yield* listed(node.children!.get(name)!, [...parts, name]);
}

function nothing(): void {}
