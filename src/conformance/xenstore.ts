// Conformance kind `xenstore`: raw conversations with one of the two daemons (format:
// conformance/README.md).
import * as z from 'zod';
import { InputError } from '../base/errors.js';
import { createEngine } from '../xenstore/in-process.js';
import { type Bytes, MESSAGE, PAYLOAD_MAX_BYTES } from '../xenstore/protocol/wire.js';
import type { ClientState } from '../xenstore/store/client-state.js';
import type { Engine } from '../xenstore/store/engine.js';
import type { Personality, StoreQuota } from '../xenstore/store/limits.js';
import type { ConformancePlayer, JsonObject, JsonValue } from './player.js';
import { type RecordedStep, requestsFor, type StartingState, startingState } from './xenstore-state.js';

/** Sent for a transaction's symbol without a value. */
const UNBOUND_TX = 0xfffffff0;
/** Domains 0 to this one exist for the hypervisor of the recorded daemons. */
const HIGHEST_DOMAIN = 8;

const word = z.int().min(0).max(0xffffffff);
const payload = z.base64();
const stepSchema = z.looseObject({
  conn: z.int().min(0).max(1023),
  type: word,
  tx: z.union([z.literal(0), z.string(), z.object({ raw: word })]),
  payload_b64: payload,
  newtx: z.string().optional(),
  check: z.enum(['exact', 'set', 'error', 'skip']).default('exact'),
});
const lineSchema = z
  .looseObject({
    conns: z.int().min(1).max(1024),
    domids: z.array(z.int().min(0).max(HIGHEST_DOMAIN)).optional(),
    begin: z.array(z.object({ type: word, payload_b64: payload })).optional(),
    steps: z.array(stepSchema),
  })
  .refine(({ conns, domids }) => domids === undefined || domids.length === conns, {
    message: 'domids must name the domain of each connection',
    path: ['domids'],
  });
type Step = z.output<typeof stepSchema>;

/** Requests of domain 0 before a conversation begins: [type, payload]. */
type Prelude = readonly (readonly [type: number, payload: string])[];

/** Before a conversation with guests, domain 0 introduces each and gives it a home. */
export function guestPrelude(domids: readonly number[]): Prelude {
  return [...new Set(domids)]
    .filter((domid) => domid !== 0)
    .flatMap((domid) => [
      [MESSAGE.introduce, `${domid}\x001\x001\0`],
      [MESSAGE.mkdir, `/local/domain/${domid}\0`],
      [MESSAGE.setPermissions, `/local/domain/${domid}\0n${domid}\0`],
    ]);
}

interface Answer {
  reply: { type: number; payload_b64: string; tx?: number; newtx?: string; rawtx?: number; gen?: string } | null;
  events: { conn: number; payload_b64: string; pre?: true }[];
  closed?: true;
  reopened?: true;
  txunbound?: true;
}

export interface XenstorePlayer extends ConformancePlayer {
  /**
   * Requests of domain 0 that bring a fresh daemon to the state at the start of a record; [] if
   * that was fresh.
   */
  beginOf(record: JsonObject): { readonly type: number; readonly payload_b64: string }[];
}

/** `quota`: the start options of the recorded daemon that differ from its defaults. */
export function createXenstorePlayer(personality: Personality, quota: Partial<StoreQuota> = {}): XenstorePlayer {
  const play = (line: JsonObject): JsonObject => {
    const parsed = parse(line);
    const begin = (parsed.begin ?? []).map(({ type, payload_b64 }) => [type, text(payload_b64)] as const);
    const answers = playSteps({ personality, quota }, parsed, begin);
    const steps = parsed.steps.map(({ conn, type, tx, payload_b64, newtx, check }, at): JsonObject => {
      const requestJson: JsonObject = { conn, type, tx, payload_b64, ...(newtx === undefined ? {} : { newtx }) };
      return { ...requestJson, ...(answers[at] as unknown as JsonObject), check };
    });
    return { ...line, daemon: personality, steps };
  };
  return {
    play,
    beginOf: (record) =>
      requestsFor(stateOf(personality, (record.steps ?? []) as readonly JsonObject[])).map(([type, payload]) => ({
        type,
        payload_b64: base64(payload),
      })),
    check(line) {
      const recorded = (line.steps ?? []) as readonly JsonObject[];
      const parsed = parse(line);
      const answers = playSteps({ personality, quota }, parsed, requestsFor(stateOf(personality, recorded)));
      return answers.flatMap((ours, at) => compareStep(parsed.steps[at]!, recorded[at]!, ours, at));
    },
  };
}

function stateOf(personality: Personality, recorded: readonly JsonObject[]): StartingState {
  const steps = recorded.map(({ type, tx, payload_b64, reply }): RecordedStep => {
    const { type: replyType, payload_b64: answer } = (reply ?? {}) as JsonObject;
    return {
      type: Number(type),
      payload: text(payload_b64),
      reply: reply === null || reply === undefined ? undefined : { type: Number(replyType), payload: text(answer) },
      inTransaction: tx !== 0,
    };
  });
  return startingState(personality, steps);
}

function parse(line: JsonObject): z.output<typeof lineSchema> {
  const parsed = lineSchema.safeParse(line);
  if (parsed.success) {
    const stranger = parsed.data.steps.findIndex(({ conn }) => conn >= parsed.data.conns);
    if (stranger >= 0) throw new InputError('a connection that is not among conns', { path: `steps.${stranger}.conn` }, 'raise conns');
    return parsed.data;
  }
  const issue = parsed.error.issues[0]!;
  throw new InputError(issue.message, { path: issue.path.join('.') }, 'give a case as conformance/README.md describes');
}

class Player {
  readonly #engine: Engine;
  readonly #domids: readonly number[];
  readonly #clients: ClientState[] = [];
  #events: Answer['events'] = [];
  #reply: Answer['reply'] = null;
  #asking = -1;

  constructor(engine: Engine, domids: readonly number[]) {
    this.#engine = engine;
    this.#domids = domids;
    for (let conn = 0; conn < domids.length; conn++) this.#open(conn);
  }

  ask(conn: number, type: number, txId: number, bytes: Buffer): Pick<Answer, 'reply' | 'events'> {
    this.#events = [];
    this.#reply = null;
    this.#asking = conn;
    this.#engine.process(this.#clients[conn]!, { type, requestId: 1, txId, bytes: bytes as Bytes, start: 0, end: bytes.length });
    return { reply: this.#reply, events: this.#events };
  }

  reopen(conn: number): void {
    this.#engine.disconnect(this.#clients[conn]!);
    this.#open(conn);
  }

  close(): void {
    for (const client of this.#clients) this.#engine.disconnect(client);
  }

  #open(conn: number): void {
    this.#clients[conn] = this.#engine.connect(this.#domids[conn]!, {
      reply: (type, _requestId, txId, text) => {
        this.#reply = { type, payload_b64: base64(text), tx: txId };
      },
      event: (path, token) => {
        // The order of an event is known only relative to the reply on its own connection.
        const pre = conn === this.#asking && this.#reply === null;
        this.#events.push({ conn, payload_b64: base64(`${path}\0${token}\0`), ...(pre ? { pre: true as const } : {}) });
      },
    });
  }
}

function playSteps(
  options: { readonly personality: Personality; readonly quota: Partial<StoreQuota> },
  { conns, domids = Array.from({ length: conns }, () => 0), steps }: z.output<typeof lineSchema>,
  left: Prelude = [],
): Answer[] {
  const engine = createEngine({ ...options, domainExists: (domid) => domid <= HIGHEST_DOMAIN });
  // Every daemon of a host has it (xen-init-dom0). Without it the first relative path of a
  // conversation would create it.
  engine.restore({ kind: 'set', path: '/local/domain/0', value: '', permissions: [{ domid: 0, access: 'n' }] });
  const before = new Player(engine, [0]);
  for (const [type, payload] of [...left, ...guestPrelude(domids)]) before.ask(0, type, 0, Buffer.from(payload, 'latin1'));
  before.close();
  const player = new Player(engine, domids);
  const bound = new Map<string, number>();
  const answers = steps.map((step): Answer => {
    const bytes = Buffer.from(step.payload_b64, 'base64');
    const unbound = typeof step.tx === 'string' && !bound.has(step.tx);
    let tx: number;
    if (typeof step.tx === 'string') tx = bound.get(step.tx) ?? UNBOUND_TX;
    else tx = typeof step.tx === 'number' ? step.tx : step.tx.raw;
    const extra = unbound ? { txunbound: true as const } : {};
    if (bytes.length > PAYLOAD_MAX_BYTES) {
      player.reopen(step.conn);
      return { reply: null, events: [], closed: true, reopened: true, ...extra };
    }
    const { reply, events } = player.ask(step.conn, step.type, tx, bytes);
    events.sort((a, b) => a.conn - b.conn);
    if (reply === null) throw new Error('a request without a reply');
    if (reply.tx === tx) delete reply.tx;
    if (step.newtx !== undefined && reply.type === MESSAGE.transactionStart) {
      const id = Number.parseInt(Buffer.from(reply.payload_b64, 'base64').toString('latin1'), 10);
      bound.set(step.newtx, id);
      Object.assign(reply, { payload_b64: base64(`${step.newtx}\0`), newtx: step.newtx, rawtx: id });
    }
    if (reply.type === MESSAGE.directoryPart) {
      const text = Buffer.from(reply.payload_b64, 'base64').toString('latin1');
      const nul = text.indexOf('\0');
      Object.assign(reply, { payload_b64: base64(`GEN${text.slice(nul)}`), gen: text.slice(0, nul) });
    }
    return { reply, events, ...extra };
  });
  player.close();
  return answers;
}

/** The differences between the record of a step and our answer, by its `check`. */
function compareStep(step: Step, recorded: JsonObject, ours: Answer, at: number): string[] {
  if (step.check === 'skip') return [];
  const differences: string[] = [];
  const say = (what: string, theirs: unknown, mine: unknown): void => {
    differences.push(`steps[${at}] (type ${step.type}) ${what}: recorded ${JSON.stringify(theirs)}, here ${JSON.stringify(mine)}`);
  };
  const reply = recorded.reply as JsonObject | null | undefined;
  const closed = recorded.closed === true || recorded.synctimeout === true;
  if (closed !== (ours.closed === true)) say('closed', closed, ours.closed === true);
  if (!closed && reply !== null && reply !== undefined && ours.reply !== null) {
    const theirText = text(reply.payload_b64);
    const ourText = text(ours.reply.payload_b64);
    if (reply.type !== ours.reply.type) say('reply', [reply.type, theirText], [ours.reply.type, ourText]);
    else if (step.check === 'set' && reply.type !== MESSAGE.error) {
      if (sortedNames(theirText) !== sortedNames(ourText)) say('children', theirText, ourText);
    } else if (step.check === 'exact' && theirText !== ourText) {
      say('payload', theirText, ourText);
    }
    if ((reply.tx ?? null) !== (ours.reply.tx ?? null)) say('tx of the reply', reply.tx ?? null, ours.reply.tx ?? null);
  }
  const theirEvents = shownEvents((recorded.events ?? []) as unknown as Answer['events']);
  const ourEvents = shownEvents(ours.events);
  if (theirEvents !== ourEvents) say('events', theirEvents, ourEvents);
  return differences;
}

/** By connection, in order within each. */
function shownEvents(events: Answer['events']): string {
  const byConn = events.map(({ conn, payload_b64, pre }) => [conn, text(payload_b64), pre === true] as const);
  return JSON.stringify(byConn.sort((a, b) => a[0] - b[0]));
}

function sortedNames(names: string): string {
  return names.split('\0').sort().join('\0');
}

function text(payload64: JsonValue | undefined): string {
  return Buffer.from(String(payload64 ?? ''), 'base64').toString('latin1');
}

function base64(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString('base64');
}
