// kill -9 of a builder, and of xennuma itself, in the middle of a migration: the guest runs in one
// domain, the old one or the new one, with its memory, and nothing else is left.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { FileMetadata } from '../../../src/xenopsd/store/file-metadata.js';
import { asWere, type Bench, bench, eventually, start, stop, type Traces, traces, using } from '../guests/host.js';
import { countsOn, ticker } from './guest.js';

/** Kills itself at the step DIE_AT. */
const BUILDER = [process.execPath, join(import.meta.dirname, 'dying-builder.js')];
const STEPS = ['xc_domain_save', 'suspended', 'xc_domain_restore'] as const;
const FEWEST_CHANGES = 15;
const MOST_PAGES_APART = 64;

/** A guest that took up a request leaves the key empty. */
const ANSWERED = /\/control\/shutdown$/;

/** Numbers of domains are used once; without them, a guest's keys are the same wherever it runs. */
const anonymous = ({ keys, domains, outstandingPages }: Traces, domid: number) => ({
  keys: keys
    .filter((key) => !ANSWERED.test(key))
    .map((key) => key.replace(new RegExp(`(/|^)${domid}(/|$)`, 'g'), '$1N$2'))
    .sort(),
  domains: domains.map((one) => (one === domid ? 'N' : one)),
  outstandingPages,
});

/** One domain of the VM, running, and neither more nor less than that in Xen and XenStore. */
async function onlyRuns({ doors, toolstack }: Bench, before: readonly [Traces, number], when: string): Promise<void> {
  const [state] = toolstack.vms();
  assert.equal(state?.power, 'running', when);
  const domid = state.domid!;
  const info = doors.xc.domainInfo(domid);
  assert.deepEqual([info?.paused, info?.shutdown, info?.dying], [false, null, false], when);
  await eventually(async () => {
    const { domains, ...now } = await traces(doors.xc, doors.xs);
    // The console daemon holds a page of a domain that XenStore was not told of, until the next
    // domain comes or goes.
    const alive = domains.filter((one) => doors.xc.domainInfo(one)?.dying === false);
    assert.deepEqual(anonymous({ ...now, domains: alive }, domid), anonymous(...before), when);
    assert.ok(Math.abs(now.freePages - before[0].freePages) <= MOST_PAGES_APART, `${when}: ${now.freePages} pages free`);
  }, 120);
  await countsOn(state.spec.name);
}

test('a builder killed at any step of a migration: the guest goes on where it was', () =>
  using(bench({ builder: { command: BUILDER } }), async (one) => {
    const unused = await traces(one.doors.xc, one.doors.xs);
    const name = 'victim';
    const { domid } = await start(one, ticker(name, 'pvh'));
    const before = [await traces(one.doors.xc, one.doors.xs), domid] as const;
    for (const step of STEPS) {
      process.env.DIE_AT = step;
      const { failure } = await one.toolstack.migrateLocal(name);
      delete process.env.DIE_AT;
      assert.match(failure?.message ?? '', /SIGKILL/, step);
      assert.equal(one.toolstack.vms()[0]!.domid, domid, step);
      await onlyRuns(one, before, `builder killed at ${step}`);
    }
    console.log(`builder: ${STEPS.length} kills`);
    await stop(one, name);
    await asWere(one.doors, unused);
  }));

test('xennuma killed before any change of a migration: the next one finds the guest running, once', async () => {
  const folder = await mkdtemp('/tmp/xennuma-state-');
  const name = 'victim';
  const metadata = await FileMetadata.open(folder);
  let unused!: Traces;
  let before!: readonly [Traces, number];
  await using(bench({ metadata }), async (one) => {
    unused = await traces(one.doors.xc, one.doors.xs);
    const { domid } = await start(one, ticker(name, 'pvh'));
    before = [await traces(one.doors.xc, one.doors.xs), domid];
  });
  await metadata.close();
  let killed = 0;
  const stayed: boolean[] = [];
  for (let domid = before[1]; ; killed++) {
    const script = join(import.meta.dirname, 'dying-xennuma.js');
    const { stdout, stderr, signal } = spawnSync(process.execPath, [script, folder, String(killed), 'migrate'], { encoding: 'utf8' });
    if (stdout.includes('DONE')) break;
    assert.equal(signal, 'SIGKILL', stderr);
    const kept = await FileMetadata.open(folder);
    await using(bench({ metadata: kept }), async (one) => {
      await onlyRuns(one, before, `killed ${stdout.trim()}`);
      const now = one.toolstack.vms()[0]!.domid!;
      stayed.push(now === domid);
      domid = now;
    });
    await kept.close();
  }
  assert.ok(killed >= FEWEST_CHANGES, `${killed} changes`);
  // Before the new domain is the VM's, and after: both were met.
  assert.ok(stayed.includes(true) && stayed.includes(false));
  console.log(
    `xennuma: ${killed} kills, the guest stayed ${stayed.filter(Boolean).length} times and was moved ${stayed.filter((one) => !one).length} times`,
  );
  const kept = await FileMetadata.open(folder);
  await using(bench({ metadata: kept }), async (one) => {
    await stop(one, name);
    await asWere(one.doors, unused);
  });
  await kept.close();
  await rm(folder, { recursive: true });
});
