// The sample cases of conformance/samples are valid, and their answers pass the check.
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { KINDS } from './kinds.js';
import type { JsonObject } from './player.js';

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

type SampleCase = Readonly<Record<string, never>>;

async function play(kind: string): Promise<SampleCase[]> {
  const text = readFileSync(new URL(`../../conformance/samples/${kind}.jsonl`, import.meta.url), 'utf8');
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as JsonObject);
  const make = () => KINDS[kind]!.create({ on: 'embedded', personality: undefined });
  const [player, checker] = [await make(), await make()];
  for (const line of lines) player.survey?.(line);
  const played: SampleCase[] = [];
  for (const line of lines) played.push((await player.play(line)) as unknown as SampleCase);
  for (const line of played) checker.survey?.(line);
  for (const line of played) expect(await checker.check(line)).toEqual([]);
  return played;
}

test('planner', async () => {
  const [first, far, broken] = await play('planner');
  const nodes = (answer: { plans: { nodes: number[] | null }[] }) => answer.plans.map((plan) => plan.nodes);
  expect(nodes(first!.seed!)).toEqual([[0], [1], [0, 1], null]);
  expect(nodes(first!.new!)).toEqual([[0], [1], [0, 1], null]);
  expect(nodes(far!.seed!)).toEqual([[0, 1]]);
  expect(broken).toMatchObject({ seed: { numa: false }, new: { numa: false } });
});

test('hypercalls', async () => {
  const results = (await play('hypercalls')).map((line) => (line.steps as unknown as { result: JsonObject }[]).map((step) => step.result));
  // Soft on node 1 alone: automatic node affinity {1}, all memory there; an empty hard mask is
  // refused.
  expect(results[0]!.slice(3)).toEqual([
    { ok: true, soft: '0c' },
    { ok: true, nodemap: '0200000000000000' },
    { done: 4, per_node: [0, 2048], seq: '1x4' },
    { errno: 'EINVAL' },
    { ok: true },
  ]);
  // CPU 3 alone in pool 1: a domain there has node 1, and the pool cannot go.
  expect(results[1]!.slice(5)).toEqual([
    { ok: true, nodemap: '0200000000000000' },
    { ok: true, id: 1, sched: 6, n_dom: 1, cpumap: '08' },
    { errno: 'EBUSY' },
  ]);
});

test('libxl', async () => {
  const [, small, , wide] = await play('libxl');
  // Node 0 has Domain-0's two vCPUs, node 1 none.
  expect(small).toMatchObject({ rc: 0, nodeAffinity: '1', hardSoft: ['0-3 / 2-3'], pages: [0, 65536] });
  expect(wide).toMatchObject({ rc: 0, candidates: [], nodeAffinity: '0-1', hardSoft: ['0-3 / 0-3'], pages: [65536, 65536] });
});

test('xl-config', async () => {
  const [string, list, refused, vnuma] = await play('xl-config');
  // Octal memory; CPUs past the host's mask of 8 bits are ignored.
  expect(string!.real).toMatchObject({ target_memkb: 512 * 1024, vcpu_hard_affinity: [range(1, 7), range(1, 7)], numa_placement: null });
  expect(list!.real).toMatchObject({ type: 'pv', vcpu_hard_affinity: [[2, 3]], vcpu_soft_affinity: [[], []], numa_placement: 'False' });
  expect(refused).toMatchObject({ rc: 1, real: null });
  expect(vnuma!.real).toMatchObject({ max_vcpus: 3, max_memkb: 3072 * 1024, vnuma_nodes: [{ pnode: 1, vcpus: [0, 1] }, { vcpus: [2] }] });
});

describe('conformance/README.md', () => {
  const readme = readFileSync(new URL('../../conformance/README.md', import.meta.url), 'utf8');
  test.each(Object.keys(KINDS))('describes %s', (kind) => expect(readme).toContain(`\n## ${kind}\n`));
  test('its planner case plays', async () => {
    const text = /^ {4}(\{"id": 1, "input"[\s\S]*?\n\n)/m.exec(readme)?.[1] ?? '';
    const player = await KINDS.planner!.create({ on: 'embedded', personality: undefined });
    expect(await player.play(JSON.parse(text) as JsonObject)).toMatchObject({ seed: { plans: [{ nodes: [0] }] } });
  });
  test('samples are where it says', () => expect(existsSync(new URL('../../conformance/samples/', import.meta.url))).toBe(true));
});
