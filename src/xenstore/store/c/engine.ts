// The C daemon's personality: each request as its wire_funcs answer it.
// Sources: tools/xenstore/xenstored_{core,watch,transaction,domain}.c (Xen 4.17).

import type { XenstorePermission } from '../../connection.js';
import { type Permissions, permissionsText } from '../../protocol/permissions.js';
import { MESSAGE, type Outbox, PAYLOAD_MAX_BYTES, type Request } from '../../protocol/wire.js';
import { type ClientState, createClientState, type DumpedClient, dumpClientState } from '../client-state.js';
import type { ControlHooks, Engine, EngineOptions, JournalChange, StoredNode } from '../engine.js';
import { fail, StoreFailure } from '../failure.js';
import { QUOTA, type StoreQuota } from '../limits.js';
import { type Watch, watchKey } from '../watches.js';
import { control, describeDomain } from './control.js';
import { directoryPart } from './directory-part.js';
import type { Domain } from './domains.js';
import { checkStore } from './invariants.js';
import { nodeBytes, watchBytes } from './memory.js';
import { childOf, isValidName } from './names.js';
import { listingOf, type Node } from './nodes.js';
import { domidOf, intOf, unsignedOf } from './numbers.js';
import { oneString, text } from './requests.js';
import { placeNode } from './restore.js';
import { type Client, Store } from './store.js';
import { Transaction } from './transaction.js';
import { WriteRate } from './write-rate.js';

const OK = 'OK\0';
const DOMID_SELF = 0x7ff0;
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

interface DumpedStore {
  readonly live: ReadonlyMap<string, Node>;
  readonly domains: readonly Domain[];
  readonly special: ReadonlyMap<string, Permissions>;
  readonly generation: number;
  readonly order: number;
}
type DumpedTransactions = ReadonlyMap<number, Pick<Transaction, 'accessed' | 'counts' | 'created' | 'failed'>>;

export class XenstoredEngine implements Engine {
  readonly personality = 'xenstored';
  readonly store: Store;
  onDomain: Engine['onDomain'];
  private readonly clients = new Set<Client>();
  private readonly hooks: ControlHooks;
  private order = 0;
  private readonly writeRate: WriteRate;
  private openTransactions = 0;
  /** The daemon's list of connections: of domain 0 as they come, and of introduced domains. */
  private readonly line: (Client | number)[] = [];

  constructor(options: EngineOptions = {}) {
    this.store = new Store({ ...QUOTA.xenstored, ...options.quota }, options.domainExists ?? (() => true), options.journal);
    this.hooks = options.control ?? {};
    this.writeRate = new WriteRate(options.nowMs ?? (() => performance.now()));
  }

  get quota(): StoreQuota {
    return this.store.quota;
  }

  connect(domid: number, out: Outbox): Client {
    if (domid !== 0) this.store.domains.allocate(domid, this.store.generation);
    const client = createClientState<Transaction>(domid, out);
    this.clients.add(client);
    if (domid === 0) this.line.push(client);
    return client;
  }

  disconnect(client: ClientState): void {
    this.reset(client as Client);
    this.clients.delete(client as Client);
    this.leave(client as Client);
  }

  process(state: ClientState, request: Request): void {
    const client = state as Client;
    const { type, requestId, txId } = request;
    this.store.request++;
    // A domain that was released may still have a connection of this process.
    if (client.domid !== 0) this.store.domains.allocate(client.domid, this.store.generation);
    const { liveChanges } = this.store;
    try {
      if (!KNOWN.has(type)) fail('ENOSYS');
      if (client.domid !== 0 && PRIVILEGED.has(type)) fail('EACCES');
      let tx: Transaction | undefined;
      if (txId !== 0 && type !== MESSAGE.watch && type !== MESSAGE.unwatch) tx = client.transactions.get(txId) ?? fail('ENOENT');
      if (type === MESSAGE.watch) {
        const watch = this.watch(client, request);
        client.out.reply(type, requestId, txId, OK);
        this.store.tell(watch, watch.path);
        return;
      }
      if (type === MESSAGE.release) {
        const domid = this.namedDomain(request);
        // The daemon holds on to the connection that it will look at next until it comes to it: that domain goes after the reply.
        const late = this.line[this.line.indexOf(client) + 1] === domid;
        if (!late) this.release(domid);
        client.out.reply(type, requestId, txId, OK);
        if (late) this.release(domid);
        return;
      }
      const payload = this.perform(client, tx, request);
      if (payload.length > PAYLOAD_MAX_BYTES) fail('E2BIG');
      client.out.reply(type, requestId, txId, payload);
    } catch (error) {
      if (!(error instanceof StoreFailure)) throw error;
      client.out.reply(MESSAGE.error, requestId, txId, `${error.errno}\0`);
    } finally {
      if (client.domid !== 0 && this.openTransactions > 0) this.writeRate.debit(client.domid, this.store.liveChanges - liveChanges);
    }
  }

  listens({ domid }: ClientState, waitingBytes: number): boolean {
    if (domid === 0) return true;
    return (this.store.domains.find(domid)?.memory ?? 0) + waitingBytes < this.quota.memoryBytes && !this.writeRate.exceeded(domid);
  }

  private perform(client: Client, tx: Transaction | undefined, request: Request): string {
    const { store } = this;
    switch (request.type) {
      case MESSAGE.read:
        return (store.find(client, tx, this.name(client, request), 'read') ?? fail('ENOENT')).value;
      case MESSAGE.write: {
        const { bytes, start, end } = request;
        const nul = bytes.indexOf(0, start);
        if (nul < 0 || nul >= end) fail('EINVAL');
        store.write(client, tx, store.absolute(client, bytes.latin1Slice(start, nul)), bytes.latin1Slice(nul + 1, end));
        return OK;
      }
      case MESSAGE.directory:
        return listingOf(store.find(client, tx, this.name(client, request), 'read') ?? fail('ENOENT'));
      case MESSAGE.getPermissions: {
        const node = store.find(client, tx, this.name(client, request), 'read') ?? fail('ENOENT');
        return permissionsText(node.permissions, (domid) => String(domid | 0));
      }
      case MESSAGE.mkdir:
        store.mkdir(client, tx, this.name(client, request));
        return OK;
      case MESSAGE.rm:
        store.rm(client, tx, this.name(client, request));
        return OK;
      case MESSAGE.setPermissions:
        this.setPermissions(client, tx, request);
        return OK;
      case MESSAGE.transactionStart:
        return `${this.start(client, tx)}\0`;
      case MESSAGE.transactionEnd:
        this.end(client, tx, request);
        return OK;
      case MESSAGE.unwatch:
        this.unwatch(client, request);
        return OK;
      case MESSAGE.directoryPart:
        return directoryPart(store, client, tx, request);
      case MESSAGE.getDomainPath:
        return `/local/domain/${unsignedOf(oneString(request))}\0`;
      case MESSAGE.resetWatches:
        this.reset(client);
        return OK;
      case MESSAGE.isDomainIntroduced: {
        const domid = unsignedOf(oneString(request));
        return domid === DOMID_SELF || store.domains.introduced(domid) !== undefined ? 'T\0' : 'F\0';
      }
      case MESSAGE.introduce:
        this.introduce(request);
        return OK;
      case MESSAGE.resume:
        this.namedDomain(request);
        return OK;
      case MESSAGE.setTarget:
        this.setTarget(request);
        return OK;
      case MESSAGE.control:
        return control(store, text(request), this.hooks, (domid) =>
          describeDomain(store.domains.find(domid) ?? fail('ENOENT'), this.clients),
        );
      default:
        return fail('ENOSYS');
    }
  }

  *nodes(from = '/'): Generator<StoredNode> {
    const node = this.store.live.get(from);
    if (node === undefined) return;
    yield { path: from, value: node.value, permissions: node.permissions };
    if (node.children !== undefined) for (const name of node.children) yield* this.nodes(childOf(from, name));
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

  restore(change: JournalChange): void {
    const { store } = this;
    switch (change.kind) {
      case 'set':
        store.domains.refer(change.permissions, 0);
        if (store.special.has(change.path)) store.special.set(change.path, change.permissions);
        else placeNode(store, change.path, change.value, change.permissions);
        break;
      case 'remove':
        if (store.live.has(change.path) && change.path !== '/') store.remove(undefined, change.path);
        break;
      case 'introduce':
        if (store.domains.introduced(change.domid) === undefined) this.line.push(change.domid);
        Object.assign(store.domains.allocate(change.domid, 0), { introduced: true, gfn: change.gfn, port: change.port });
        break;
      case 'release':
        if (store.domains.introduced(change.domid) === undefined) break;
        store.domains.forget(change.domid);
        this.leave(change.domid);
        break;
    }
  }

  dump(): unknown {
    const { live, domains, special, generation } = this.store;
    const dumped: DumpedStore = { live, domains: [...domains.all()], special, generation, order: this.order };
    return dumped;
  }

  load(dumped: unknown): void {
    const { live, domains, special, generation, order } = dumped as DumpedStore;
    const { store } = this;
    store.live.clear();
    for (const { domid, introduced } of domains) if (introduced && domid !== 0) this.line.push(domid);
    for (const domain of domains) Object.assign(store.domains.allocate(domain.domid, domain.generation), domain, { memory: 0 });
    for (const [path, node] of live) {
      store.live.set(path, node);
      store.domains.charge(node.permissions[0]!.domid, nodeBytes(path, node));
    }
    for (const [event, permissions] of special) store.special.set(event, permissions);
    store.generation = generation;
    this.order = order;
  }

  dumpClient(state: ClientState): unknown {
    const { transactions } = state as Client;
    const dumped: DumpedTransactions = new Map(
      [...transactions].map(([id, { accessed, counts, created, failed }]) => [id, { accessed, counts, created, failed }]),
    );
    return { ...dumpClientState(state), transactions: dumped };
  }

  loadClient(state: ClientState, dumped: unknown): void {
    const client = state as Client;
    const { target, nextTransaction, watches, transactions } = dumped as DumpedClient & { transactions: DumpedTransactions };
    client.target = target;
    client.nextTransaction = nextTransaction;
    this.store.index.restore(client, watches);
    for (const watch of watches) this.store.domains.charge(client.domid, watchBytes(watch));
    for (const [id, { accessed, counts, created, failed }] of transactions) {
      const tx = this.newTransaction(client);
      for (const [path, access] of accessed) {
        tx.accessed.set(path, access);
        if (access.node !== undefined) tx.charge(tx.bytesOf(path, access.node));
      }
      for (const [domid, delta] of counts) tx.counts.set(domid, delta);
      tx.created = created;
      tx.failed = failed;
      client.transactions.set(id, tx);
      this.openTransactions++;
    }
  }

  checkInvariants(): void {
    checkStore(this.store, this.clients);
  }

  /** The one path of a request, absolute. */
  private name(client: Client, request: Request): string {
    const name = oneString(request);
    return name.charCodeAt(0) === 0x2f ? name : this.store.absolute(client, name);
  }

  private setPermissions(client: Client, tx: Transaction | undefined, request: Request): void {
    const { store } = this;
    const strings = text(request).split('\0');
    // What follows the last NUL is no string; it is not looked at, but the permissions before it are read through their NULs.
    strings.pop();
    if (strings.length < 2) fail('EINVAL');
    const [path, ...entries] = strings as [string, ...string[]];
    if (client.domid !== 0 && entries.length > store.quota.permissions) fail('ENOSPC');
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
      store.journal?.set(path, '', permissions);
      return;
    }
    store.setPermissions(client, tx, store.absolute(client, path), permissions);
  }

  private start(client: Client, tx: Transaction | undefined): number {
    if (tx !== undefined) fail('EBUSY');
    if (client.domid !== 0 && client.transactions.size > this.quota.transactions) fail('ENOSPC');
    this.store.generation++;
    let id = client.nextTransaction;
    while (id === 0 || client.transactions.has(id)) id = (id + 1) >>> 0;
    client.nextTransaction = (id + 1) >>> 0;
    client.transactions.set(id, this.newTransaction(client));
    this.openTransactions++;
    return id;
  }

  private newTransaction({ domid }: Client): Transaction {
    const { live, domains, generation } = this.store;
    const limit = domid === 0 ? Number.POSITIVE_INFINITY : this.quota.transactionNodes;
    return new Transaction(live, limit, generation, (bytes) => domains.charge(domid, bytes));
  }

  private end(client: Client, tx: Transaction | undefined, request: Request): void {
    const how = oneString(request);
    if (how !== 'T' && how !== 'F') fail('EINVAL');
    if (tx === undefined) fail('ENOENT');
    client.transactions.delete(request.txId);
    try {
      if (how === 'T') {
        this.store.commit(client, tx);
        // One change, and only for the sake of other transactions.
        if (client.domid !== 0 && this.openTransactions > 1) this.writeRate.debit(client.domid, 1);
      }
    } finally {
      this.openTransactions--;
      tx.charge(-tx.memory);
    }
  }

  private watch(client: Client, request: Request): Watch {
    const strings = text(request).split('\0');
    if (strings.length !== 3) fail('EINVAL');
    const [given, token] = strings as [string, string];
    const path = this.store.absolute(client, given);
    if (given.startsWith('@') ? given.length > RELATIVE_PATH_MAX : !isValidName(path, this.quota.pathBytes)) fail('EINVAL');
    const key = watchKey(path, token);
    if (client.watches.has(key)) fail('EEXIST');
    if (client.domid !== 0 && client.watches.size > this.quota.watches) fail('E2BIG');
    const relative = !given.startsWith('/') && !given.startsWith('@');
    const watch: Watch = { client, path, token, hidden: relative ? client.home.length + 1 : 0, order: ++this.order };
    this.store.checkMemory(client, undefined, client.domid, watchBytes(watch));
    this.store.domains.charge(client.domid, watchBytes(watch));
    client.watches.set(key, watch);
    this.store.index.add(watch);
    return watch;
  }

  private unwatch(client: Client, request: Request): void {
    const strings = text(request).split('\0');
    if (strings.length !== 3) fail('EINVAL');
    const key = watchKey(this.store.absolute(client, strings[0]!), strings[1]!);
    const watch = client.watches.get(key) ?? fail('ENOENT');
    client.watches.delete(key);
    this.store.domains.charge(client.domid, -watchBytes(watch));
    this.store.index.delete(watch);
  }

  private reset(client: Client): void {
    for (const watch of client.watches.values()) {
      this.store.index.delete(watch);
      this.store.domains.charge(client.domid, -watchBytes(watch));
    }
    for (const tx of client.transactions.values()) tx.charge(-tx.memory);
    client.watches.clear();
    this.openTransactions -= client.transactions.size;
    client.transactions.clear();
  }

  private introduce(request: Request): void {
    const strings = text(request).split('\0');
    if (strings.length < 4) fail('EINVAL');
    const domid = unsignedOf(strings[0]!);
    const port = intOf(strings[2]!);
    if (port === 0) fail('EINVAL');
    const { store } = this;
    const domain = store.domains.allocate(domid, store.generation);
    const known = domain.introduced;
    domain.introduced = true;
    if (!known) this.line.push(domid);
    domain.gfn = strings[1]!;
    domain.port = port;
    store.journal?.introduce(domid, domain.gfn, port);
    if (!known) store.fireSpecial('@introduceDomain');
    for (const client of this.clients) if (client.domid === domid && domid !== 0) this.reset(client);
    if (!known) this.onDomain?.(domid, true);
  }

  private namedDomain(request: Request): number {
    const domid = unsignedOf(oneString(request));
    if (domid === 0) fail('EINVAL');
    if (this.store.domains.introduced(domid) === undefined) fail('ENOENT');
    return domid;
  }

  private release(domid: number): void {
    const { store } = this;
    for (const client of this.clients) {
      if (client.domid === domid) this.reset(client);
      if (client.target === domid) client.target = undefined;
    }
    store.removeOwnedBy(domid);
    store.domains.forget(domid);
    this.leave(domid);
    this.writeRate.forget(domid);
    store.journal?.release(domid);
    store.fireSpecial('@releaseDomain');
    this.onDomain?.(domid, false);
  }

  private leave(who: Client | number): void {
    const at = this.line.indexOf(who);
    if (at >= 0) this.line.splice(at, 1);
  }

  private setTarget(request: Request): void {
    const strings = text(request).split('\0');
    if (strings.length < 3) fail('EINVAL');
    const [domid, target] = [unsignedOf(strings[0]!), unsignedOf(strings[1]!)];
    for (const id of [domid, target]) if (this.store.domains.introduced(id) === undefined) fail('ENOENT');
    for (const client of this.clients) if (client.domid === domid) client.target = target;
  }
}
