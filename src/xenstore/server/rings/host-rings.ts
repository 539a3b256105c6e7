// The rings of a host's domains: requests in, the engine's replies out. Xen's VIRQ_DOM_EXC
// reports domains that shut down or are gone, and these are released. Source:
// tools/xenstore/xenstored_domain.c (Xen 4.17), domain_cleanup, domain_init.
import { type Bytes, MESSAGE, type Request } from '../../protocol/wire.js';
import type { ClientState } from '../../store/client-state.js';
import type { Engine } from '../../store/engine.js';
import { newAccount } from '../account.js';
import type { ServerLimits } from '../client-limits.js';
import { beginShare } from '../fair-turns.js';
import { Session } from '../session.js';
import type { RingDoors, SharedPage } from './doors.js';
import { BrokenRing, RING_BYTES, Ring } from './ring.js';

export interface HostRingsOptions {
  readonly doors: RingDoors;
  /** What Xen knows of a domain. */
  readonly domainState: (domid: number) => 'lives' | 'shut down' | 'gone';
}

/** Xen gives it to nobody. */
const NO_PORT = 0;

interface Line {
  readonly domid: number;
  readonly ring: Ring;
  readonly page: SharedPage;
  /** Ours; NO_PORT = it could not be bound. */
  port: number;
  readonly session: Session;
  shutDown: boolean;
}

export class HostRings {
  readonly #engine: Engine;
  readonly #limits: ServerLimits;
  readonly #log: (line: string) => void;
  readonly #doors: RingDoors;
  readonly #domainState: HostRingsOptions['domainState'];
  readonly #byDomain = new Map<number, Line>();
  readonly #byPort = new Map<number, Line>();
  readonly #exceptions: number;
  readonly #input = Buffer.allocUnsafeSlow(RING_BYTES) as Bytes;
  /** Number of the turn by which shares are counted. */
  #turn = 0;
  /** Something waits to be written to them. */
  readonly #dirty = new Set<Line>();
  /** Their requests were processed in this turn. */
  readonly #served = new Set<Line>();
  /**
   * They had their share of a turn, or exceed a quota: no event says when their requests may be
   * read again.
   */
  readonly #waiting = new Set<Line>();
  /** Releases domains in Xen's name. */
  readonly #own: ClientState;

  constructor(engine: Engine, { doors, domainState }: HostRingsOptions, limits: ServerLimits, log: (line: string) => void) {
    this.#engine = engine;
    this.#limits = limits;
    this.#log = log;
    this.#doors = doors;
    this.#domainState = domainState;
    this.#own = engine.connect(0, { reply: () => {}, event: () => {} });
    this.#exceptions = doors.bindDomainExceptions();
    const { page, port } = doors.dom0();
    this.#connect(0, page, port);
  }

  /** For the event loop: readable when `turn` has something to do. */
  get fd(): number {
    return this.#doors.fd;
  }

  /** Connects an introduced domain. What fails concerns that domain alone. */
  attach(domid: number): void {
    const port = this.#engine.introducedDomains().find((one) => one.domid === domid)?.port;
    if (port === undefined) return;
    try {
      this.#connect(domid, this.#doors.map(domid), port);
    } catch (error) {
      this.#log(`domain ${domid} has no ring: ${(error as Error).message}`);
    }
  }

  detach(domid: number): void {
    const line = this.#byDomain.get(domid);
    if (line === undefined) return;
    this.#byDomain.delete(domid);
    this.#byPort.delete(line.port);
    this.#dirty.delete(line);
    this.#served.delete(line);
    this.#waiting.delete(line);
    line.session.close();
    if (line.port !== NO_PORT) this.#doors.unbind(line.port);
    line.page.release();
  }

  /** Introduced again: its event channel may be another one (introduce_domain). */
  rebind(domid: number): void {
    const line = this.#byDomain.get(domid);
    const remote = this.#engine.introducedDomains().find((one) => one.domid === domid)?.port;
    if (line === undefined || remote === undefined) {
      this.attach(domid);
      return;
    }
    this.#byPort.delete(line.port);
    this.#doors.unbind(line.port);
    line.port = NO_PORT;
    try {
      line.port = this.#doors.bind(domid, remote);
      this.#byPort.set(line.port, line);
      this.#waiting.add(line);
    } catch (error) {
      this.#log(`domain ${domid} has no ring any more: ${(error as Error).message}`);
      this.detach(domid);
    }
  }

  /** One pending port, when the event loop says so. */
  turn(): void {
    const port = this.#doors.pending();
    if (port === this.#exceptions) this.#domainExceptions();
    const line = this.#byPort.get(port);
    if (line === undefined) return;
    beginShare(line.session.account, this.#turn, this.#limits.turnUnits);
    this.#guarded(line, () => this.#serve(line));
  }

  /** Requests wait that may be answered, or replies: another turn should not wait for an event. */
  get hasMore(): boolean {
    if (this.#dirty.size > 0) return true;
    for (const { session } of this.#waiting) if (session.listens) return true;
    return false;
  }

  /**
   * Replies of this turn, once what they tell is durable; then requests that waited. Their replies
   * are those of the next turn.
   */
  flush(): void {
    this.#served.clear();
    const lines = [...this.#dirty];
    this.#dirty.clear();
    for (const line of lines) this.#guarded(line, () => this.#send(line));
    this.#serveWaiting();
  }

  /** Domain 0, then guests as far as a turn may take; those that are served go to the end. */
  #serveWaiting(): void {
    this.#turn++;
    let units = 0;
    const lines = [...this.#waiting].filter(({ session }) => session.listens);
    for (const line of lines.sort((a, b) => Number(a.domid !== 0) - Number(b.domid !== 0))) {
      if (units >= this.#limits.guestTurnUnits) return;
      const { account } = line.session;
      beginShare(account, this.#turn, this.#limits.turnUnits);
      const before = account.units;
      this.#guarded(line, () => this.#serve(line));
      units += account.units - before;
    }
  }

  /** Changes of this turn may not survive: who made them gets no reply, as after a crash. */
  uncertain(): void {
    for (const { domid } of [...this.#served]) {
      this.#log(`domain ${domid} is disconnected: its last change may be lost`);
      this.detach(domid);
    }
  }

  #connect(domid: number, page: SharedPage, remotePort: number): void {
    let port: number;
    try {
      port = this.#doors.bind(domid, remotePort);
    } catch (error) {
      page.release();
      throw error;
    }
    const holder: { line?: Line } = {};
    // Of its own: a domain's sockets, where it has some, have another.
    const account = newAccount();
    const session = new Session(this.#engine, domid, this.#limits, account, () => {
      if (holder.line !== undefined) this.#dirty.add(holder.line);
    });
    const line: Line = { domid, ring: new Ring(page.memory), page, port, session, shutDown: false };
    holder.line = line;
    this.#byDomain.set(domid, line);
    this.#byPort.set(port, line);
    // It starts the xenbus of dom0's kernel. A PV guest that has no handler yet dies of an event
    // that nothing calls for.
    if (domid === 0) this.#doors.notify(port);
    // Earlier requests of the domain have no event. They are read later, because the requests of
    // another domain are being read from the same buffer.
    this.#waiting.add(line);
  }

  #serve(line: Line): void {
    const { ring, session, port } = line;
    this.#waiting.delete(line);
    if (session.canResume) {
      this.#served.add(line);
      session.resume();
    }
    // A domain can write as fast as it is read.
    let taken = 0;
    while (session.reads && !session.spent && taken < this.#limits.turnBytes) {
      const bytes = ring.take(this.#input);
      if (bytes === 0) break;
      taken += bytes;
      this.#served.add(line);
      session.receive(this.#input, bytes);
    }
    if (taken > 0) this.#doors.notify(port);
    // The domain may have made room for what waits.
    if (session.out.length > 0) this.#dirty.add(line);
    if (session.ending) throw new BrokenRing('it sent a message that is too long');
    if (!session.reads || session.spent || taken >= this.#limits.turnBytes) this.#waiting.add(line);
  }

  #send(line: Line): void {
    const { ring, session, port } = line;
    const { out } = session;
    if (out.overflowed) throw new BrokenRing('it does not read what waits for it');
    let any = false;
    while (out.length > 0) {
      const sent = ring.put(out.bytes.subarray(out.start, out.end));
      if (sent === 0) break;
      out.sent(sent);
      any = true;
    }
    if (out.length > 0) out.behind = true;
    session.countReplies();
    if (any) this.#doors.notify(port);
    if (session.canResume) this.#waiting.add(line);
  }

  /**
   * A broken ring ends that domain's connection alone. A line that another domain's request has
   * released is skipped, because its page is no longer mapped.
   */
  #guarded(line: Line, work: () => void): void {
    if (this.#byDomain.get(line.domid) !== line) return;
    try {
      work();
    } catch (error) {
      if (!(error instanceof BrokenRing)) throw error;
      this.#log(`the ring of domain ${line.domid} is closed: ${error.message}`);
      if (this.#byDomain.get(line.domid) === line) this.detach(line.domid);
    }
  }

  #domainExceptions(): void {
    let changed = false;
    for (const { domid } of this.#engine.introducedDomains()) {
      const state = this.#domainState(domid);
      const line = this.#byDomain.get(domid);
      if (state === 'gone') {
        this.#release(domid);
        changed = true;
      } else if (state === 'shut down' && line !== undefined && !line.shutDown) {
        line.shutDown = true;
        this.#engine.domainShutdown();
        changed = true;
      }
    }
    if (changed) this.#log('Xen told of domains that shut down or went');
  }

  #release(domid: number): void {
    const bytes = Buffer.from(`${domid}\0`, 'latin1') as Bytes;
    const request: Request = { type: MESSAGE.release, requestId: 0, txId: 0, bytes, start: 0, end: bytes.length };
    this.#engine.process(this.#own, request);
    this.detach(domid);
  }
}
