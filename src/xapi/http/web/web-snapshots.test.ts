// /web/snapshot of a host with many VMs is written in turns: others' calls are answered in between,
// and its bytes are those of one go.
import { get, request } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { type TestDaemon, testDaemon, testFront, vmRecord } from '../../../../test/support/daemon.js';
import type { PageData } from '../../../page/page-data.js';
import { Turns } from '../../calls/turns.js';
import { pagesOf } from '../pages.js';
import { StepsInTurns } from './steps-in-turns.js';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Turns that begin when the test says so; each work in one takes 7 ms of it. */
class HeldTurns {
  readonly turns: Turns;
  #next: (() => void)[] = [];
  #nowMs = 0;
  #works = 0;

  constructor() {
    this.turns = new Turns(
      () => {
        this.#works++;
        this.#nowMs += 7;
        return this.#nowMs;
      },
      (next) => this.#next.push(next),
    );
  }

  /** The clock is read at the begin and at the end of each. */
  get works(): number {
    return this.#works / 2;
  }

  begin(): void {
    for (const next of this.#next.splice(0)) next();
  }
}

const settle = () => new Promise((done) => setTimeout(done, 1));

async function until(what: () => boolean, each: () => void = () => {}): Promise<void> {
  for (let round = 0; !what(); round++) {
    expect(round, 'nothing more happens').toBeLessThan(2000);
    each();
    await settle();
  }
}

/** @returns where its text is, once it is there */
function asked(port: number, path: string, body: string | null = null): { text: string | null } {
  const answer: { text: string | null } = { text: null };
  const options = { host: '127.0.0.1', port, path, agent: false as const };
  const read = (response: NodeJS.ReadableStream) => {
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      text += chunk;
    });
    response.on('end', () => {
      answer.text = text;
    });
  };
  if (body === null) get(options, read).on('error', () => {});
  else
    request({ ...options, method: 'POST' }, read)
      .on('error', () => {})
      .end(body);
  return answer;
}

const CALL = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'session.login_with_password', params: ['root', ''] });

async function served(vms: number) {
  const daemon = await testDaemon();
  for (let index = 0; index < vms; index++) await start(daemon, `vm-${index}`);
  const held = new HeldTurns();
  const shown = { ...daemon, turns: held.turns };
  const front = await testFront(shown, { pages: pagesOf(shown, null, true) });
  ends.push(async () => {
    const ended = front.close();
    await until(
      () => true,
      () => held.begin(),
    );
    await ended;
    await daemon.close();
  });
  return { daemon, held, port: front.port };
}

async function start(daemon: TestDaemon, name: string): Promise<void> {
  const ref = await daemon.call('VM.create', vmRecord(name));
  await daemon.call('VM.start', ref, false, false);
}

const namesOf = (text: string | null) => (JSON.parse(text!) as PageData).hosts[0]!.map.domains.map(({ name }) => name);

describe('/web/snapshot', () => {
  it('leaves turns to other calls, and they are answered before it', async () => {
    const { held, port } = await served(12);
    const snapshot = asked(port, '/web/snapshot');
    await until(() => held.works >= 1);
    const call = asked(port, '/jsonrpc', CALL);
    await until(
      () => call.text !== null,
      () => held.begin(),
    );
    expect(call.text).toContain('OpaqueRef');
    expect(snapshot.text).toBeNull();
    await until(
      () => snapshot.text !== null,
      () => held.begin(),
    );
    expect(namesOf(snapshot.text)).toHaveLength(13);
    // As one go of JSON.stringify writes it.
    expect(JSON.stringify(JSON.parse(snapshot.text!))).toBe(snapshot.text);
  });

  it('shows to each who asks nothing older than the request, and one text to those who ask at once', async () => {
    const { daemon, held, port } = await served(6);
    const first = asked(port, '/web/snapshot');
    await until(() => held.works >= 1);
    const same = asked(port, '/web/snapshot');
    await until(
      () => held.works >= 9,
      () => held.begin(),
    );
    await start(daemon, 'late');
    const later = asked(port, '/web/snapshot');
    await until(
      () => [first, same, later].every(({ text }) => text !== null),
      () => held.begin(),
    );
    expect(same.text).toBe(first.text);
    expect(namesOf(first.text)).not.toContain('late');
    expect(namesOf(later.text)).toContain('late');
    // The host did not change in between: the text of before, its time included.
    const again = asked(port, '/web/snapshot');
    await until(
      () => again.text !== null,
      () => held.begin(),
    );
    expect({ ...JSON.parse(again.text!), takenAt: '' }).toEqual({ ...JSON.parse(later.text!), takenAt: '' });
  });
});

describe('steps that several wait for', () => {
  const principal = (name: string) => ({ name, rank: 'known' as const });
  function* steps(end: () => number): Generator<void, number> {
    for (let step = 0; step < 20; step++) yield;
    return end();
  }

  it('end for one when the other, who began them, is gone', async () => {
    const held = new HeldTurns();
    const shared = new StepsInTurns(
      steps(() => 42),
      held.turns,
    );
    let here = true;
    const gone = shared.result(principal('a'), () => here);
    const stays = shared.result(principal('b'), () => true);
    here = false;
    let result: number | null = null;
    void stays.then((value) => {
      result = value;
    });
    await until(
      () => result !== null,
      () => held.begin(),
    );
    expect([await gone, result]).toEqual([null, 42]);
  });

  it('fail for all of them', async () => {
    const held = new HeldTurns();
    const shared = new StepsInTurns(
      steps(() => {
        throw new Error('the host does not answer');
      }),
      held.turns,
    );
    const failed: unknown[] = [];
    for (const name of ['a', 'b']) void shared.result(principal(name), () => true).catch((error: Error) => failed.push(error.message));
    await until(
      () => failed.length === 2,
      () => held.begin(),
    );
    expect(failed).toEqual(['the host does not answer', 'the host does not answer']);
    expect(shared.isDone).toBe(true);
  });
});
