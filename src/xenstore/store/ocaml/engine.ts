// oxenstored's personality: each request as its process.ml answers it.
// Sources: tools/ocaml/xenstored/{process,connection,connections,domains}.ml (Xen 4.17).

import type { Permissions } from '../../protocol/permissions.js';
import { MESSAGE, type Outbox, PAYLOAD_MAX_BYTES, type Request } from '../../protocol/wire.js';
import { type ClientState, createClientState, type DumpedClient, dumpClientState } from '../client-state.js';
import type { ControlHooks, Engine, EngineOptions, Journal, JournalChange, StoredNode } from '../engine.js';
import { fail, StoreFailure } from '../failure.js';
import { QUOTA, type StoreQuota } from '../limits.js';
import { type Watch, WatchIndex, watchKey } from '../watches.js';
import { Announcer } from './announcer.js';
import { control } from './control.js';
import { checkStore } from './invariants.js';
import { journalChanges } from './journal.js';
import { firstDigits, intOfString, nativeintOfString } from './numbers.js';
import { absolute, type Parts, plainText, split } from './paths.js';
import { isDom0 } from './permits.js';
import { placeNode } from './restore.js';
import { type Recorder, SIMPLE, simple } from './simple.js';
import { Store } from './store.js';
import { type DumpedTransaction, type Operation, Transaction } from './transaction.js';
import { epochsAfter, find, lastEpoch, type Node, namesOf } from './tree.js';

export type Client = ClientState<Transaction>;

interface Domain {
  readonly domid: number;
  readonly mfn: string;
  port: number;
}

interface DumpedStore {
  readonly root: Node;
  readonly counts: ReadonlyMap<number, number>;
  readonly domains: ReadonlyMap<number, Domain>;
  readonly epoch: number;
  readonly order: number;
}

const OK = 'OK\0';
const DOMID_SELF = 0x7ff0;
const HIGHEST_TRANSACTION = 0x3ffffffe;
/** More strings than this in a payload stay together (process.ml split). */
const MOST_STRINGS = 8;
/** As a fresh daemon has them; the events of domains are nodes here, with permissions like any. */
const FIRST_NODES: readonly Parts[] = [['tool'], ['tool', 'xenstored'], ['@introduceDomain'], ['@releaseDomain'], ['local']];

export class OxenstoredEngine implements Engine {
  readonly personality = 'oxenstored';
  readonly quota: StoreQuota;
  readonly store = new Store();
  readonly index = new WatchIndex();
  onDomain: Engine['onDomain'];
  private readonly clients = new Set<Client>();
  private readonly domains = new Map<number, Domain>([[0, { domid: 0, mfn: '0', port: 0 }]]);
  private readonly hooks: ControlHooks;
  private readonly journal: Journal | undefined;
  private readonly announcer: Announcer;
  /** What the request on the live store did, until its watches are told. */
  private readonly recorder: Recorder;
  private order = 0;

  constructor(options: EngineOptions = {}) {
    this.quota = { ...QUOTA.oxenstored, ...options.quota };
    this.hooks = options.control ?? {};
    this.journal = options.journal;
    this.announcer = new Announcer(this.index);
    this.recorder = { noteRead: nothing, noteWrite: nothing, changes: [], noteImplicit: (parts) => this.journalNode(parts) };
    for (const parts of FIRST_NODES) this.store.tree.create(parts, '', this.store.root.permissions);
    this.store.count(0, FIRST_NODES.length);
  }

  connect(domid: number, out: Outbox): Client {
    const client = createClientState<Transaction>(domid, out);
    this.clients.add(client);
    return client;
  }

  disconnect(client: ClientState): void {
    this.reset(client as Client);
    this.clients.delete(client as Client);
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
    // Events of changes follow the reply, those of a commit, an introduction or a release go before it.
    let after: (() => void) | undefined;
    let answer: string;
    let failed = false;
    try {
      this.checkRequests(client, tx);
      answer = SIMPLE.has(type)
        ? this.simple(client, tx, type, payload, (then) => (after = then))
        : this.other(client, tx, request, payload, (then) => (after = then));
    } catch (error) {
      if (!(error instanceof StoreFailure)) throw error;
      answer = `${error.errno}\0`;
      failed = true;
    }
    if (tx !== undefined) {
      if (this.overRequests(client, tx)) [answer, failed] = ['EQUOTA\0', true];
      else tx.operations.push({ type, payload, answer: failed ? `E${answer}` : answer });
    }
    if (answer.length > PAYLOAD_MAX_BYTES && client.domid !== 0) [answer, failed] = ['E2BIG\0', true];
    client.out.reply(failed ? MESSAGE.error : type, requestId, txId, answer);
    after?.();
  }

  /** It has no quota on memory. */
  listens(): boolean {
    return true;
  }

  private simple(client: Client, tx: Transaction | undefined, type: number, payload: string, then: (run: () => void) => void): string {
    if (tx !== undefined) return simple(client, tx.store, this.quota, tx, type, payload);
    const { changes } = this.recorder;
    changes.length = 0;
    // What was there before decides who hears of a removal or of new permissions.
    const before = this.index.size > 0 && (type === MESSAGE.rm || type === MESSAGE.setPermissions) ? this.store.tree.freeze() : undefined;
    const answer = simple(client, this.store, this.quota, this.recorder, type, payload);
    const change = changes[0];
    if (change !== undefined) {
      if (this.journal !== undefined) {
        if (change.kind === 'rm') this.journalRemoval(change.parts);
        else this.journalNode(change.parts);
      }
      if (this.index.size > 0) then(() => this.announcer.tell([change], before ?? this.store.root, this.store.root));
    }
    return answer;
  }

  private other(client: Client, tx: Transaction | undefined, request: Request, payload: string, then: (run: () => void) => void): string {
    switch (request.type) {
      case MESSAGE.watch: {
        const watch = this.watch(client, payload);
        then(() => this.announcer.send(watch, watch.path.slice(watch.hidden)));
        return OK;
      }
      case MESSAGE.unwatch:
        this.unwatch(client, payload);
        return OK;
      case MESSAGE.transactionStart:
        if (tx !== undefined) fail('EBUSY');
        return `${this.start(client)}\0`;
      case MESSAGE.transactionEnd:
        this.end(client, tx, request.txId, payload);
        return OK;
      case MESSAGE.introduce:
        this.introduce(client, payload);
        return OK;
      case MESSAGE.release:
        this.release(client, payload);
        return OK;
      case MESSAGE.isDomainIntroduced: {
        dom0Only(client);
        const domid = intOfString(strings(payload)[0]!) ?? fail('EINVAL');
        return domid === DOMID_SELF || this.domains.has(domid) ? 'T\0' : 'F\0';
      }
      case MESSAGE.resume: {
        dom0Only(client);
        const domid = intOfString(strings(payload)[0]!) ?? fail('EINVAL');
        return this.domains.has(domid) ? OK : fail('EINVAL');
      }
      case MESSAGE.setTarget:
        this.setTarget(client, payload);
        return OK;
      case MESSAGE.resetWatches:
        this.reset(client);
        return OK;
      case MESSAGE.control:
        if (!isDom0(client)) return OK;
        return control(payload, this.hooks, { store: this.store, clients: this.clients, quota: this.quota });
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
    return [...this.domains.values()].filter(({ domid }) => domid !== 0).map(({ domid, mfn, port }) => ({ domid, gfn: mfn, port }));
  }

  /** Here they are ordinary nodes. */
  specialPermissions(): ReadonlyMap<string, Permissions> {
    return new Map();
  }

  restore(change: JournalChange): void {
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
        this.domains.set(change.domid, { domid: change.domid, mfn: change.gfn, port: change.port });
        break;
      case 'release':
        this.domains.delete(change.domid);
        break;
    }
  }

  dump(): unknown {
    const { root } = this.store;
    const dumped: DumpedStore = { root, counts: this.store.counts, domains: this.domains, epoch: lastEpoch(), order: this.order };
    return dumped;
  }

  load(dumped: unknown): void {
    const { root, counts, domains, epoch, order } = dumped as DumpedStore;
    epochsAfter(epoch);
    this.store.replace(root, counts);
    this.domains.clear();
    for (const [domid, domain] of domains) this.domains.set(domid, domain);
    this.order = order;
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
    for (const [id, tx] of transactions) client.transactions.set(id, Transaction.load(this.store, tx));
  }

  checkInvariants(): void {
    checkStore(this.store, this.index, this.clients);
  }

  private overRequests(client: Client, tx: Transaction): boolean {
    if (isDom0(client) || (!tx.quotaReached && tx.operations.length < this.quota.transactionNodes)) return false;
    tx.quotaReached = true;
    return true;
  }

  private checkRequests(client: Client, tx: Transaction | undefined): void {
    if (tx !== undefined && this.overRequests(client, tx)) fail('EQUOTA');
  }

  private start(client: Client): number {
    if (!isDom0(client) && client.transactions.size > this.quota.transactions) fail('EQUOTA');
    const clip = (id: number): number => (id <= 0 || id > HIGHEST_TRANSACTION ? 1 : id);
    let id = clip(client.nextTransaction);
    while (client.transactions.has(id)) id = clip(id + 1);
    client.nextTransaction = id + 1;
    client.transactions.set(id, new Transaction(this.store));
    return id;
  }

  private end(client: Client, tx: Transaction | undefined, txId: number, payload: string): void {
    const how = strings(payload)[0];
    if (how !== 'T' && how !== 'F') fail('EINVAL');
    if (tx === undefined) fail('ENOENT');
    const commit = how === 'T' && tx.changes.length > 0;
    client.transactions.delete(txId);
    if (!commit) return;
    if (!tx.commit(this.store) && !this.replay(client, tx)) fail('EAGAIN');
    if (this.journal !== undefined) journalChanges(this.journal, tx, this.store.root);
    this.announcer.tell(tx.changes, tx.oldRoot, tx.store.root);
  }

  /** Makes the transaction's requests again on the store as it is now; each must answer as before. */
  private replay(client: Client, tx: Transaction): boolean {
    const id = this.start(client);
    const again = client.transactions.get(id)!;
    client.transactions.delete(id);
    return tx.operations.every((operation) => this.answersAgain(client, again, operation)) && again.commit(this.store);
  }

  private answersAgain(client: Client, again: Transaction, { type, payload, answer }: Operation): boolean {
    if (!SIMPLE.has(type)) return false;
    try {
      return simple(client, again.store, this.quota, again, type, payload) === answer;
    } catch (error) {
      if (!(error instanceof StoreFailure)) throw error;
      return answer === `E${error.errno}\0`;
    }
  }

  private watch(client: Client, payload: string): Watch {
    const [given, token] = threeStrings(payload);
    const path = absolute(given, client.home);
    if (!path.startsWith('@')) split(path);
    if (!isDom0(client) && client.watches.size > this.quota.watches) fail('EQUOTA');
    const key = watchKey(path, token);
    if (client.watches.has(key)) fail('EEXIST');
    const relative = !given.startsWith('/') && !given.startsWith('@');
    const watch: Watch = { client, path, token, hidden: relative ? client.home.length + 1 : 0, order: ++this.order };
    client.watches.set(key, watch);
    this.index.add(watch);
    return watch;
  }

  private unwatch(client: Client, payload: string): void {
    const [given, token] = threeStrings(payload);
    const key = watchKey(absolute(given, client.home), token);
    const watch = client.watches.get(key) ?? fail('ENOENT');
    client.watches.delete(key);
    this.index.delete(watch);
  }

  private reset(client: Client): void {
    for (const watch of client.watches.values()) this.index.delete(watch);
    client.watches.clear();
    client.transactions.clear();
  }

  private introduce(client: Client, payload: string): void {
    dom0Only(client);
    const [domidText, mfnText, portText] = strings(payload);
    if (mfnText === undefined || portText === undefined) fail('EINVAL');
    const port = intOfString(portText) ?? fail('EINVAL');
    const mfn = nativeintOfString(mfnText) ?? fail('EIO');
    const domid = intOfString(domidText!) ?? fail('EINVAL');
    const known = this.domains.get(domid);
    if (known === undefined) {
      this.domains.set(domid, { domid, mfn, port });
      this.journal?.introduce(domid, mfn, port);
      if (!this.domains.has(0)) fail('EINVAL');
      this.announcer.tellSpecial('@introduceDomain', this.store.root, this.clients);
      this.onDomain?.(domid, true);
      return;
    }
    if (known.mfn !== mfn) fail('EINVAL');
    known.port = port;
    this.journal?.introduce(domid, mfn, port);
  }

  private release(client: Client, payload: string): void {
    dom0Only(client);
    const [domidText, rest, more] = strings(payload);
    if (rest !== '' || more !== undefined) fail('EINVAL');
    const domid = intOfString(domidText!) ?? fail('EINVAL');
    const known = this.domains.delete(domid);
    for (const other of this.clients) {
      if (other.domid === domid && domid !== 0) this.reset(other);
      if (other.target === domid) other.target = undefined;
    }
    this.store.forget(
      domid,
      (parts) => this.journalRemoval(parts),
      (parts) => this.journalNode(parts),
    );
    if (!known) fail('EINVAL');
    this.journal?.release(domid);
    this.onDomain?.(domid, false);
    if (!this.domains.has(0)) fail('ENOENT');
    this.announcer.tellSpecial('@releaseDomain', this.store.root, this.clients);
  }

  private setTarget(client: Client, payload: string): void {
    dom0Only(client);
    const [domid, target] = threeStrings(payload).map(firstDigits) as [number, number];
    if (!this.domains.has(domid)) fail('ENOENT');
    for (const other of this.clients) if (other.domid === domid && domid !== 0) other.target = target;
  }

  private journalNode(parts: Parts): void {
    if (this.journal === undefined) return;
    const node = find(this.store.root, parts)!;
    this.journal.set(plainText(parts), node.value, node.permissions);
  }

  private journalRemoval(parts: Parts): void {
    this.journal?.remove(plainText(parts));
  }
}

function* listed(node: Node, parts: Parts): Generator<StoredNode> {
  yield { path: plainText(parts), value: node.value, permissions: node.permissions };
  for (const name of namesOf(node)) yield* listed(node.children!.get(name)!, [...parts, name]);
}

/** The strings of a payload; the last one holds what follows the last NUL, and all that is more than MOST_STRINGS. */
function strings(payload: string): string[] {
  const parts = payload.split('\0');
  return parts.length <= MOST_STRINGS ? parts : [...parts.slice(0, MOST_STRINGS - 1), parts.slice(MOST_STRINGS - 1).join('\0')];
}

/** Two strings and nothing behind them. */
function threeStrings(payload: string): [string, string] {
  const [first, second, end, more] = strings(payload);
  if (second === undefined || end !== '' || more !== undefined) fail('EINVAL');
  return [first!, second];
}

function dom0Only(client: Client): void {
  if (!isDom0(client)) fail('EACCES');
}

function nothing(): void {}
