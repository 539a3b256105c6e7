// A search that means seconds of work: how much of it is done before others have their turn, in
// records and units of work, not in time.
import { describe, expect, it } from 'vitest';
import { parseFilter } from '../../model/filter.js';
import type { WireStruct } from '../../wire/values.js';
import type { CallContext } from '../method.js';
import type { Session } from '../sessions.js';
import { TURN_MS, Turns } from '../turns.js';
import { SLICE_WORK, search } from './search.js';

const RECORDS = 2000;
const record = (index: number): WireStruct => ({ uuid: `uuid-${index}`, other_config: { a: 'x'.repeat(200) } });

const contextOf = (abort = new AbortController()): CallContext => ({
  session: { user: 'eye', role: 'read-only' } as Session,
  task: '',
  abort: abort.signal,
  address: '127.0.0.2',
  user: { name: 'user eye', superuser: false },
  stored: false,
});

/** As many alternatives as an expression may have, none of which is true, and one for a record. */
function longest(term: string, index: number): string {
  const last = `field "uuid" = "uuid-${index}"`;
  return term.repeat(Math.floor((16_384 - last.length) / term.length)) + last;
}

/** Records, each of which takes a millisecond of the clock. */
function slowRecords() {
  const clock = { ms: 0 };
  const records = function* (): Iterable<[string, WireStruct]> {
    for (let index = 0; index < RECORDS; index++, clock.ms++) yield [`ref-${index}`, record(index)];
  };
  return { clock, records: records() };
}

const TERMS: Readonly<Record<string, string>> = {
  'one field again and again': 'field"other_config"=""or ',
  constants: "''='x'or ",
};

describe.each(Object.entries(TERMS))('the longest expression: %s', (_name, term) => {
  it('finds what it would at once, in slices of bounded work', async () => {
    const counts: number[] = [];
    const { clock, records } = slowRecords();
    const turns = new Turns(() => 0);
    const run = turns.run.bind(turns);
    turns.run = (principal, work) => {
      expect(principal).toMatchObject({ name: 'user eye' });
      counts.push(clock.ms);
      return run(principal, work);
    };
    const found = await search(longest(term, RECORDS - 1), records, turns, contextOf());
    expect(found.map(([ref]) => ref)).toEqual([`ref-${RECORDS - 1}`]);
    const filter = parseFilter(longest(term, RECORDS - 1));
    filter.matches(record(0));
    const most = Math.ceil(SLICE_WORK / filter.work);
    expect(counts.length).toBeGreaterThan(1);
    for (const [index, count] of counts.entries()) expect(count - (counts[index - 1] ?? 0)).toBeLessThanOrEqual(most);
  });

  it("another's call waits for a turn and a slice, not for the search", async () => {
    const { clock, records } = slowRecords();
    const nexts: (() => void)[] = [];
    const turns = new Turns(
      () => clock.ms,
      (next) => nexts.push(next),
    );
    const searching = turns.run({ name: 'eye', rank: 'known' }, () => search(longest(term, 0), records, turns, contextOf()));
    const begun = clock.ms;
    let servedAt = -1;
    const other = turns.run({ name: 'root', rank: 'root' }, () => {
      servedAt = clock.ms;
    });
    while (servedAt < 0) {
      nexts.shift()!();
      await Promise.resolve();
    }
    await other;
    const filter = parseFilter(longest(term, 0));
    filter.matches(record(0));
    expect(servedAt - begun).toBeLessThanOrEqual(TURN_MS + Math.ceil(SLICE_WORK / filter.work));
    expect(servedAt).toBeLessThan(RECORDS / 2);
    for (let turn = 0; turn < RECORDS; turn++) {
      nexts.shift()?.();
      await new Promise(setImmediate);
    }
    expect((await searching).map(([ref]) => ref)).toEqual(['ref-0']);
  });
});

it('ends when its caller is gone', async () => {
  const { clock, records } = slowRecords();
  const abort = new AbortController();
  const searching = search(longest(TERMS.constants!, 0), records, new Turns(() => 0), contextOf(abort));
  abort.abort();
  await searching;
  expect(clock.ms).toBeLessThan(RECORDS / 2);
});

it('a value becomes text once for each record, however often an expression names it', () => {
  const filter = parseFilter(longest(TERMS['one field again and again']!, 0));
  let texts = 0;
  const value = { toJSON: () => `${++texts}` };
  filter.matches({ uuid: '', other_config: value as never });
  expect(texts).toBe(1);
});
