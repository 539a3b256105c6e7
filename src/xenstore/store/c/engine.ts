// The C daemon's personality: each request as its wire_funcs answer it.
// Sources: tools/xenstore/xenstored_{core,watch,transaction,domain}.c (Xen 4.17).

import { DOMID_SELF } from '../../../base/ids.js';
import type { XenstorePermission } from '../../connection.js';
import { type Permissions, permissionsText } from '../../protocol/permissions.js';
import { MESSAGE, type Outbox, PAYLOAD_MAX_BYTES, type Request } from '../../protocol/wire.js';
import { type ClientState, createClientState, type Watch, watchKey } from '../client-state.js';
import type { ControlHooks, Engine, EngineOptions, JournalChange, StoredNode } from '../engine.js';
import { fail, StoreFailure } from '../failure.js';
import { QUOTA, type StoreQuota } from '../limits.js';
import type { Work } from '../work.js';
import { control, describeDomain } from './control.js';
import { directoryPart } from './directory-part.js';
import { DomainRequests } from './domain-requests.js';
import { checkStore } from './invariants.js';
import { type DumpedStore, dumpClient, dumpStore, loadClient, loadStore } from './live-restart.js';
import { watchBytes } from './memory.js';
import { childOf, isValidName } from './names.js';
import { shortListingOf } from './nodes.js';
import { domidOf, unsignedOf } from './numbers.js';
import { oneString, text } from './requests.js';
import { placeNode } from './restore.js';
import { type Client, Store } from './store.js';
import { Transaction, type TransactionStart } from './transaction.js';
import { WriteRate } from './write-rate.js';

const OK = 'OK\0';
const RELATIVE_PATH_MAX = 2048;
/** Only domain 0 may send these. */
const PRIVILEGED: ReadonlySet<number> = new Set([
  MESSAGE.control,
  MESSAGE.introduce,
  MESSAGE.release,
  MESSAGE.isDomainIntroduced,
  MESSAGE.resume,
  MESSAGE.setTarget,
]);
const KNOWN: ReadonlySet<number> = new Set(Object.values(MESSAGE).filter((type) => type !== MESSAGE.watchEvent && type !== MESSAGE.error));

export class XenstoredEngine implements Engine {
  readonly personality = 'xenstored';
  readonly store: Store;
  readonly work: Work;
  onDomain: Engine['onDomain'];
  onPort: Engine['onPort'];
  readonly #clients = new Set<Client>();
  readonly #hooks: ControlHooks;
  readonly #writeRate: WriteRate;
  readonly #domains: DomainRequests;
  #order = 0;

  constructor(options: EngineOptions = {}) {
    this.store = new Store({ ...QUOTA.xenstored, ...options.quota }, options.domainExists, options.journal);
    this.work = this.store.work;
    this.#hooks = options.control ?? {};
    this.#writeRate = new WriteRate(options.nowMs ?? (() => performance.now()));
    this.#domains = new DomainRequests(this.store, {
      clients: this.#clients,
      reset: (client) => this.#reset(client),
      onDomain: (domid, introduced) => {
        if (!introduced) this.#writeRate.forget(domid);
        this.onDomain?.(domid, introduced);
      },
      onPort: (domid) => this.onPort?.(domid),
    });
  }

  get quota(): StoreQuota {
    return this.store.checks.quota;
  }

  connect(domid: number, out: Outbox): Client {
    if (domid !== 0) this.store.domains.allocate(domid, this.store.generation);
    const client = createClientState<Transaction>(domid, out);
    this.#clients.add(client);
    if (domid === 0) this.#domains.enter(client);
    return client;
  }

  disconnect(client: ClientState): void {
    this.#reset(client as Client);
    this.#clients.delete(client as Client);
    this.#domains.leave(client as Client);
  }

  domainShutdown(): void {
    this.store.fireSpecial('@releaseDomain');
    this.store.journaled.sendEvents();
  }

  process(state: ClientState, request: Request): void {
    const client = state as Client;
    const { type, requestId, txId } = request;
    this.store.announcer.request++;
    // A domain that was released may still have a connection of this process.
    if (client.domid !== 0) this.store.domains.allocate(client.domid, this.store.generation);
    const { liveChanges } = this.store;
    try {
      if (!KNOWN.has(type)) fail('ENOSYS');
      if (client.domid !== 0 && PRIVILEGED.has(type)) fail('EACCES');
      let tx: Transaction | undefined;
      if (txId !== 0 && type !== MESSAGE.watch && type !== MESSAGE.unwatch) tx = client.transactions.get(txId) ?? fail('ENOENT');
      if (type === MESSAGE.watch) {
        const watch = this.#watch(client, request);
        client.out.reply(type, requestId, txId, OK);
        this.store.announcer.send(watch, watch.path);
        this.store.journaled.sendEvents();
        return;
      }
      if (type === MESSAGE.release) {
        this.#domains.release(client, request, () => client.out.reply(type, requestId, txId, OK));
        return;
      }
      const payload = this.#perform(client, tx, request);
      if (payload.length > PAYLOAD_MAX_BYTES) fail('E2BIG');
      this.store.journaled.commit();
      client.out.reply(type, requestId, txId, payload);
    } catch (error) {
      if (!(error instanceof StoreFailure)) throw error;
      client.out.reply(MESSAGE.error, requestId, txId, `${error.errno}\0`);
    } finally {
      if (client.domid !== 0 && this.store.usage.openTransactions > 0)
        this.#writeRate.debit(client.domid, this.store.liveChanges - liveChanges);
    }
  }

  listens({ domid }: ClientState, waitingBytes: number): boolean {
    if (domid === 0) return true;
    return (this.store.domains.find(domid)?.memory ?? 0) + waitingBytes < this.quota.memoryBytes && !this.#writeRate.exceeded(domid);
  }

  #perform(client: Client, tx: Transaction | undefined, request: Request): string {
    const { store } = this;
    switch (request.type) {
      case MESSAGE.read:
        return (store.find(client, tx, this.#name(client, request), 'read') ?? fail('ENOENT')).value;
      case MESSAGE.write: {
        const { bytes, start, end } = request;
        const nul = bytes.indexOf(0, start);
        if (nul < 0 || nul >= end) fail('EINVAL');
        store.write(client, tx, store.absolute(client, bytes.latin1Slice(start, nul)), bytes.latin1Slice(nul + 1, end));
        return OK;
      }
      case MESSAGE.directory:
        return shortListingOf(store.find(client, tx, this.#name(client, request), 'read') ?? fail('ENOENT'));
      case MESSAGE.getPermissions: {
        const node = store.find(client, tx, this.#name(client, request), 'read') ?? fail('ENOENT');
        return permissionsText(node.permissions, ({ domid }) => String(domid | 0));
      }
      case MESSAGE.mkdir:
        store.mkdir(client, tx, this.#name(client, request));
        return OK;
      case MESSAGE.rm:
        store.rm(client, tx, this.#name(client, request));
        return OK;
      case MESSAGE.setPermissions:
        this.#setPermissions(client, tx, request);
        return OK;
      case MESSAGE.transactionStart:
        return `${this.#start(client, tx)}\0`;
      case MESSAGE.transactionEnd:
        this.#end(client, tx, request);
        return OK;
      case MESSAGE.unwatch:
        this.#unwatch(client, request);
        return OK;
      case MESSAGE.directoryPart:
        return directoryPart(store, client, tx, request);
      case MESSAGE.getDomainPath:
        return `/local/domain/${unsignedOf(oneString(request))}\0`;
      case MESSAGE.resetWatches:
        this.#reset(client);
        return OK;
      case MESSAGE.isDomainIntroduced: {
        const domid = unsignedOf(oneString(request));
        return domid === DOMID_SELF || store.domains.introduced(domid) !== undefined ? 'T\0' : 'F\0';
      }
      case MESSAGE.introduce:
        this.#domains.introduce(request);
        return OK;
      case MESSAGE.resume:
        this.#domains.introduced(request);
        return OK;
      case MESSAGE.setTarget:
        this.#domains.setTarget(request);
        return OK;
      case MESSAGE.control:
        return control(store, text(request), this.#hooks, (domid) =>
          describeDomain(store.domains.find(domid) ?? fail('ENOENT'), this.#clients),
        );
      default:
        return fail('ENOSYS');
    }
  }

  *nodes(from = '/'): Generator<StoredNode> {
    const node = this.store.live.get(from);
    if (node === undefined) return;
    yield { path: from, value: node.value, permissions: node.permissions };
    if (node.children !== undefined) for (const name of node.children.keys()) yield* this.nodes(childOf(from, name));
  }

  nodesByOwner(): Map<number, number> {
    return new Map([...this.store.domains.all()].filter(({ nodes }) => nodes !== 0).map(({ domid, nodes }) => [domid, nodes]));
  }

  introducedDomains(): { domid: number; gfn: string; port: number }[] {
    return [...this.store.domains.all()]
      .filter(({ domid, introduced }) => introduced && domid !== 0)
      .map(({ domid, gfn, port }) => ({ domid, gfn, port }));
  }

  specialPermissions(): ReadonlyMap<string, Permissions> {
    return this.store.special;
  }

  *snapshot(): Generator<JournalChange> {
    const { domains, live, special } = this.store;
    for (const domain of this.introducedDomains()) yield { kind: 'introduce', ...domain };
    for (const { path, value, permissions } of this.nodes()) {
      // An entry of an earlier domain would count again for the one that is there when the store is
      // restored.
      const { since } = live.get(path)!;
      yield { kind: 'set', path, value, permissions: permissions.filter((entry, at) => at === 0 || domains.counts(entry, since)) };
    }
    for (const [path, permissions] of special) yield { kind: 'set', path, value: '', permissions };
  }

  restore(change: JournalChange): void {
    this.#place(change);
    this.store.journaled.undo?.clear();
  }

  #place(change: JournalChange): void {
    const { store } = this;
    switch (change.kind) {
      case 'set':
        store.domains.refer(change.permissions, store.generation);
        if (store.special.has(change.path)) store.special.set(change.path, change.permissions);
        else placeNode(store, change.path, change.value, change.permissions);
        break;
      case 'remove':
        if (store.live.has(change.path) && change.path !== '/') store.remove(undefined, change.path);
        break;
      case 'introduce':
        if (store.domains.introduced(change.domid) === undefined) this.#domains.enter(change.domid);
        Object.assign(store.domains.allocate(change.domid, store.generation), { introduced: true, gfn: change.gfn, port: change.port });
        break;
      case 'release':
        if (store.domains.introduced(change.domid) === undefined) break;
        store.removeOwnedBy(change.domid);
        store.domains.release(change.domid);
        this.#domains.leave(change.domid);
        break;
    }
  }

  dump(): unknown {
    return dumpStore(this.store, this.#order);
  }

  load(dumped: unknown): void {
    const { order } = dumped as DumpedStore;
    loadStore(this.store, dumped as DumpedStore);
    for (const { domid } of this.introducedDomains()) this.#domains.enter(domid);
    this.#order = order;
  }

  dumpClient(client: ClientState): unknown {
    return dumpClient(client as Client);
  }

  loadClient(client: ClientState, dumped: unknown): void {
    loadClient(this.store, client as Client, dumped as ReturnType<typeof dumpClient>, (start) =>
      this.#newTransaction(client as Client, start),
    );
  }

  checkInvariants(): void {
    checkStore(this.store, this.#clients);
  }

  /** The one path of a request, absolute. */
  #name(client: Client, request: Request): string {
    const name = oneString(request);
    return name.charCodeAt(0) === 0x2f ? name : this.store.absolute(client, name);
  }

  #setPermissions(client: Client, tx: Transaction | undefined, request: Request): void {
    const { store } = this;
    const strings = text(request).split('\0');
    // What follows the last NUL is no string; it is not looked at, but the permissions before it
    // are read through their NULs.
    strings.pop();
    if (strings.length < 2) fail('EINVAL');
    const [path, ...entries] = strings as [string, ...string[]];
    if (client.domid !== 0 && entries.length > this.quota.permissions) fail('ENOSPC');
    const permissions = entries.map((entry): XenstorePermission => {
      const domid = domidOf(entry.slice(1));
      const access = entry[0];
      if (domid === undefined || (access !== 'n' && access !== 'r' && access !== 'w' && access !== 'b')) fail('EINVAL');
      return { domid, access };
    });
    store.domains.refer(permissions, store.generation);
    if (store.domains.find(permissions[0]!.domid) === undefined) fail('ENOENT');
    if (path.startsWith('@')) {
      const before = store.special.get(path) ?? fail('EINVAL');
      const may = store.domains.isOwner(client, before);
      if (!may) fail('EACCES');
      store.special.set(path, permissions);
      store.journaled.undo?.note(() => store.special.set(path, before));
      store.journaled.journal?.set(path, '', permissions);
      return;
    }
    store.setPermissions(client, tx, store.absolute(client, path), permissions);
  }

  #start(client: Client, tx: Transaction | undefined): number {
    if (tx !== undefined) fail('EBUSY');
    if (client.domid !== 0 && this.store.usage.of(client.domid, 'transactions') > this.quota.transactions) fail('ENOSPC');
    this.store.generation++;
    let id = client.nextTransaction;
    while (id === 0 || client.transactions.has(id)) id = (id + 1) >>> 0;
    client.nextTransaction = (id + 1) >>> 0;
    client.transactions.set(id, this.#newTransaction(client, this.#transactionStart(client)));
    this.store.usage.add(client.domid, 'transactions', 1);
    return id;
  }

  #transactionStart({ domid }: Client): TransactionStart {
    const { generation, domains } = this.store;
    const limit = domid === 0 ? Number.POSITIVE_INFINITY : this.quota.transactionNodes;
    return { limit, startedAt: generation, releases: domains.releases.count };
  }

  #newTransaction({ domid }: Client, start: TransactionStart): Transaction {
    return new Transaction(this.store.live, start, (bytes) => this.store.domains.charge(domid, bytes));
  }

  #end(client: Client, tx: Transaction | undefined, request: Request): void {
    const how = oneString(request);
    if (how !== 'T' && how !== 'F') fail('EINVAL');
    if (tx === undefined) fail('ENOENT');
    client.transactions.delete(request.txId);
    try {
      if (how === 'T') {
        this.store.commit(client, tx);
        // One change, and only for the sake of other transactions.
        if (client.domid !== 0 && this.store.usage.openTransactions > 1) this.#writeRate.debit(client.domid, 1);
      }
    } finally {
      this.store.usage.add(client.domid, 'transactions', -1);
      tx.charge(-tx.memory);
    }
  }

  #watch(client: Client, request: Request): Watch {
    const strings = text(request).split('\0');
    if (strings.length !== 3) fail('EINVAL');
    const [pathText, token] = strings as [string, string];
    const path = this.store.absolute(client, pathText);
    if (pathText.startsWith('@') ? pathText.length > RELATIVE_PATH_MAX : !isValidName(path, this.quota.pathBytes)) fail('EINVAL');
    const key = watchKey(path, token);
    if (client.watches.has(key)) fail('EEXIST');
    if (client.domid !== 0 && this.store.usage.of(client.domid, 'watches') > this.quota.watches) fail('E2BIG');
    const relative = !pathText.startsWith('/') && !pathText.startsWith('@');
    const watch: Watch = { client, path, token, hidden: relative ? client.home.length + 1 : 0, order: ++this.#order };
    this.store.checks.memory(client, undefined, client.domid, watchBytes(watch));
    this.store.domains.charge(client.domid, watchBytes(watch));
    client.watches.set(key, watch);
    this.store.index.add(watch);
    this.store.usage.add(client.domid, 'watches', 1);
    return watch;
  }

  #unwatch(client: Client, request: Request): void {
    const strings = text(request).split('\0');
    if (strings.length !== 3) fail('EINVAL');
    const key = watchKey(this.store.absolute(client, strings[0]!), strings[1]!);
    const watch = client.watches.get(key) ?? fail('ENOENT');
    client.watches.delete(key);
    this.store.domains.charge(client.domid, -watchBytes(watch));
    this.store.index.delete(watch);
    this.store.usage.add(client.domid, 'watches', -1);
  }

  #reset(client: Client): void {
    const { index, domains, usage } = this.store;
    for (const watch of client.watches.values()) {
      index.delete(watch);
      domains.charge(client.domid, -watchBytes(watch));
    }
    for (const tx of client.transactions.values()) tx.charge(-tx.memory);
    usage.add(client.domid, 'watches', -client.watches.size);
    usage.add(client.domid, 'transactions', -client.transactions.size);
    client.watches.clear();
    client.transactions.clear();
  }
}
