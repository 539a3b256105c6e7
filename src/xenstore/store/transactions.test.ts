// Transactions of several clients in every order that chance brings, against a model: what was
// committed is what some serial order of the committed transactions gives (the C daemon), or what
// oxenstored's merge rule gives: its requests done again at the commit, each answered as before,
// or, where nothing that it read or changed was touched meanwhile, what it read and changed alone.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cases } from '../../../test/support/cases.js';
import { XenError } from '../../base/errors.js';
import type { XenstoreConnection } from '../connection.js';
import { createXenstore } from '../in-process.js';

const KEYS = ['/m/a', '/m/b', '/m/c'] as const;

interface RequestStep {
  readonly kind: 'read' | 'write' | 'rm';
  readonly client: number;
  readonly key: number;
  readonly value: number;
}

type Step =
  | { readonly kind: 'start'; readonly client: number }
  | RequestStep
  | { readonly kind: 'end'; readonly client: number; readonly commit: boolean };

const client = fc.integer({ min: 0, max: 2 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('start' as const), client }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom('read' as const, 'write' as const, 'rm' as const),
      client,
      key: fc.integer({ min: 0, max: KEYS.length - 1 }),
      value: fc.integer({ min: 0, max: 9 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('end' as const), client, commit: fc.boolean() }) },
);

interface Open {
  readonly tx: number;
  readonly done: Done[];
  /** As the transaction sees it. */
  readonly view: Map<string, string>;
}

interface Done {
  readonly key: string;
  readonly kind: 'read' | 'write' | 'rm';
  readonly value: string;
  /** What a read answered; undefined: absent. */
  readonly answer: string | undefined;
  /** A read of what was there, or a change of what the transaction saw. */
  readonly effective: boolean;
}

const shown = (state: ReadonlyMap<string, string>): string => JSON.stringify([...state].sort());

/** Does it again on a model; false when a read would answer otherwise. */
function replay(state: Map<string, string>, done: readonly Done[]): boolean {
  for (const { key, kind, value, answer } of done) {
    if (kind === 'read' && state.get(key) !== answer) return false;
    if (kind === 'write') state.set(key, value);
    if (kind === 'rm') state.delete(key);
  }
  return true;
}

/** Whether the transaction was committed or ended as wished; false: it must be done again. */
async function ends(xs: XenstoreConnection, tx: number, commit: boolean): Promise<boolean> {
  try {
    await xs.transactionEnd(tx, commit);
    return true;
  } catch (error) {
    if (error instanceof XenError && error.errno === 'EAGAIN') return false;
    throw error;
  }
}

/** Sends one request; undefined: the transaction can no longer be committed. */
async function request(xs: XenstoreConnection, step: RequestStep, at: number, current: Open | undefined): Promise<Done | undefined> {
  const { kind } = step;
  const key = KEYS[step.key]!;
  const value = `${at}-${step.value}`;
  let answer: string | undefined;
  const tx = current?.tx ?? 0;
  try {
    if (kind === 'read') answer = await xs.read(key, tx);
    else if (kind === 'write') await xs.write(key, value, tx);
    else await xs.rm(key, tx);
  } catch (error) {
    // A transaction of the C daemon that sees half a tree cannot be committed.
    if (!(error instanceof XenError) || (error.errno !== 'ENOENT' && error.errno !== 'EIO')) throw error;
    if (error.errno === 'EIO') return undefined;
  }
  const effective = kind === 'read' ? answer !== undefined : kind === 'write' || (current?.view.has(key) ?? true);
  return { key, kind, value, answer, effective };
}

/** oxenstored's merge: all of the transaction's requests done again, or only the effective ones. */
function merged(model: ReadonlyMap<string, string>, done: readonly Done[], actual: string): Map<string, string> {
  const ways = [done, done.filter(({ effective }) => effective)].map((requests) => {
    const state = new Map(model);
    return replay(state, requests) ? state : undefined;
  });
  const way = ways.find((state) => state !== undefined && shown(state) === actual);
  expect(way, actual).toBeDefined();
  return way!;
}

for (const personality of ['xenstored', 'oxenstored'] as const) {
  test(`${personality}: committed transactions are one after the other`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), async (steps) => {
        const store = createXenstore({ personality });
        const stored = () =>
          new Map(
            store
              .list('/m')
              .slice(1)
              .map(({ path, value }) => [path, value]),
          );
        const clients = [store.connect(0), store.connect(0), store.connect(0)];
        await clients[0]!.mkdir('/m');
        let model = new Map<string, string>();
        const open: (Open | undefined)[] = [undefined, undefined, undefined];
        for (const [at, step] of steps.entries()) {
          const xs = clients[step.client]!;
          const current = open[step.client];
          if (step.kind === 'start') {
            if (current === undefined) open[step.client] = { tx: await xs.transactionStart(), done: [], view: new Map(model) };
          } else if (step.kind === 'end') {
            if (current === undefined) continue;
            open[step.client] = undefined;
            const committed = await ends(xs, current.tx, step.commit);
            if (!committed || !step.commit) continue;
            // Its place in the serial order is its commit.
            if (personality === 'xenstored') {
              expect(replay(model, current.done)).toBe(true);
            } else if (current.done.some(({ kind, effective }) => kind !== 'read' && effective)) {
              model = merged(model, current.done, shown(stored()));
            }
          } else {
            const done = await request(xs, step, at, current);
            if (done === undefined) continue;
            if (current === undefined) {
              expect(replay(model, [done])).toBe(true);
            } else {
              current.done.push(done);
              replay(current.view, [done]);
            }
          }
          expect(shown(stored())).toBe(shown(model));
          store.engine.checkInvariants();
        }
      }),
      { numRuns: cases(300, 1500), seed: 4 },
    );
  });
}
