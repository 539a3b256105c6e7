// The built command, as users and scripts see it: help, output, JSON by its schema, colours, pipes,
// files.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { COMMANDS } from '../src/cli/command-table.js';
import { oneIn } from './support/cases.js';
import { root, xennuma, xennumaProcess } from './xennuma.js';

const HOST = ['--host', 'examples/hosts/four-nodes.yaml'];
const DOZEN = ['--host', 'examples/hosts/epyc-7763-nps4.yaml', '--vms', 'examples/vms/dozen.yaml'];
const dir = mkdtempSync(join(tmpdir(), 'xennuma-cli-'));
afterAll(() => rmSync(dir, { recursive: true }));

/**
 * Output that fits a terminal of 80 columns, but for lines that hold one long word (a path, an
 * address).
 */
function expectToFit(text: string): void {
  const wide = text.split('\n').filter(
    (line) =>
      line.length > 80 &&
      !line
        .trim()
        .split(' ')
        .some((word) => word.length > 40) &&
      !line.includes('examples/'),
  );
  expect(wide).toEqual([]);
}

/** The shipped schema, as another program would use it. */
function shipped(name: string): z.ZodType {
  return z.fromJSONSchema(JSON.parse(readFileSync(join(root, 'schemas', `${name}.schema.json`), 'utf8')));
}

describe('help', () => {
  it('lists every command', () => {
    const { code, out, err } = xennuma(['--help']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    for (const { name, summary } of COMMANDS) {
      expect(out).toContain(name);
      expect(out).toContain(summary.slice(0, 30));
    }
    expectToFit(out);
  });

  it.each(COMMANDS.map((command) => command.name))('of %s', (name) => {
    const help = xennuma(['help', name]);
    expect(help).toMatchObject({ code: 0, err: '' });
    expect(help.out).toMatch(new RegExp(`^Usage: xennuma ${name}`));
    // The arguments after xe have xe's own syntax.
    if (name !== 'xe') expect(xennuma([name, '--help']).out).toBe(help.out);
    expectToFit(help.out);
  });

  it('of a command within a command', () => {
    for (const words of [
      ['serve', 'passwd'],
      ['fleet', 'place'],
    ]) {
      const help = xennuma(['help', ...words]);
      expect(help).toMatchObject({ code: 0, err: '' });
      expect(help.out).toMatch(new RegExp(`^Usage: xennuma ${words.join(' ')}`));
      expect(help.out).toBe(xennuma([...words, '--help']).out);
    }
    expect(xennuma(['help', 'serve', 'password'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('xennuma help serve lists them'),
    });
  });

  it('without a command: help, and exit 2', () => {
    const { code, out, err } = xennuma([]);
    expect(code).toBe(2);
    expect(`${out}${err}`).toContain('Usage: xennuma <command>');
  });

  it('prints the version of the package', () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    for (const words of [['--version'], ['-V']]) expect(xennuma(words)).toEqual({ code: 0, out: `${version}\n`, err: '' });
  });
});

// Most tests run the command in a process that runs many.
describe('in a process of its own it does the same:', () => {
  it.each<[number, string[], string]>([
    [0, ['--help'], ''],
    [0, ['--version'], ''],
    [2, [], ''],
    [2, ['plam'], ''],
    [0, ['plan', ...DOZEN, '--policy', 'best_effort'], ''],
    [0, ['explain', 'pinned', ...DOZEN, '--json'], ''],
    [0, ['plan', ...HOST, '--vms', '-'], 'vms: [{ name: a, vcpus: 1, memory: 1GiB, params: { mask: "1, 2" } }]'],
    [1, ['plan', ...HOST, '--vms', '-'], 'vms: [{ name: a, vcpus: 1, memory: 1TiB }]'],
    [1, ['run', 'docs/broken-scenario.yaml'], ''],
    [2, ['show', '--host', '-'], 'nodes: none'],
    [0, ['xe', 'help'], ''],
    [1, ['xe', 'vm-burn'], ''],
  ])('%i for %j', (code, words, input) => {
    const alone = xennumaProcess(words, { input });
    expect(alone.code).toBe(code);
    expect(xennuma(words, { input })).toEqual(alone);
  });

  it('with its own environment and folder', () => {
    const options = { env: { FORCE_COLOR: '1', COLUMNS: '50' }, cwd: join(root, 'examples') };
    const words = ['plan', '--host', 'hosts/epyc-7763-nps4.yaml', '--vms', 'vms/dozen.yaml'];
    const alone = xennumaProcess(words, options);
    expect(alone).toMatchObject({ code: 0, out: expect.stringContaining('\u001b[') });
    expect(xennuma(words, options)).toEqual(alone);
    expect(xennuma(words, { cwd: options.cwd }).out).not.toContain('\u001b[');
  });
});

describe('plan', () => {
  it('tells where each VM lands', () => {
    const { code, out, err } = xennuma(['plan', ...DOZEN, '--policy', 'best_effort']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    // Memory of two nodes for what one node does not hold; its own mask for the pinned one.
    expect(out).toMatch(/^warehouse .*6:50% 7:50%.* ok$/m);
    expect(out).toMatch(/^pinned .* 1-3 +all +node 0 .* ok$/m);
    expectToFit(out);
  });

  it('exits with 1 when a VM cannot start, and gives the reason', () => {
    const { code, out } = xennuma(['plan', ...HOST, '--vms', '-'], { input: 'vms: [{ name: a, vcpus: 1, memory: 1TiB }]' });
    expect(code).toBe(1);
    expect(out).toMatch(/^a FAILED in VM\.build: Not_enough_memory/m);
  });

  it('warns of a mask that xapi ignores, and plans as xapi does', () => {
    const input = 'vms: [{ name: a, vcpus: 1, memory: 1GiB, params: { mask: "1, 2" } }]';
    const { code, out } = xennuma(['plan', ...HOST, '--vms', '-'], { input });
    expect(code).toBe(0);
    expect(out).toMatch(/^warning: a: the mask is ignored by xapi \('1, 2': white space\)$/m);
    expect(out).toMatch(/^a .* all +all +nodes 0-3/m);
  });

  it('writes the path through the chart and the map', () => {
    for (const name of ['flow.txt', 'flow.mmd', 'flow.svg']) {
      expect(xennuma(['plan', ...DOZEN, '--flow', join(dir, name), '--map', join(dir, 'map.svg')]).code).toBe(0);
    }
    expect(readFileSync(join(dir, 'flow.txt'), 'utf8').match(/^start /gm)).toHaveLength(12);
    expect(readFileSync(join(dir, 'flow.mmd'), 'utf8')).toMatch(/^flowchart TD/m);
    expect(readFileSync(join(dir, 'flow.svg'), 'utf8')).toMatch(/^<svg[\s\S]*<\/svg>\s*$/);
    expect(readFileSync(join(dir, 'map.svg'), 'utf8')).toMatch(/^<svg[\s\S]*warehouse[\s\S]*<\/svg>\s*$/);
  });

  it('is the same for the same seed, also with parallel starts', () => {
    const run = (seed: string) => xennuma(['plan', ...DOZEN, '--policy', 'best_effort', '--parallel', '--seed', seed]).out;
    expect(run('7')).toBe(run('7'));
  });
});

describe('the recommendation', () => {
  it('of explain ends with commands that do what it says', () => {
    const { out } = xennuma(['explain', 'web-1', ...DOZEN]);
    expect(out).toMatch(
      /Recommendation: [\s\S]*\n {2}xe host-param-set uuid=\$\(xe host-list --minimal\) numa-affinity-policy=best_effort\n/,
    );
    // Where a width is given they are broken so that they can still be copied.
    const narrow = xennuma(['explain', 'web-1', ...DOZEN], { env: { COLUMNS: '60' } }).out;
    expect(narrow).toMatch(/\n {2}xe host-param-set uuid=\$\(xe host-list --minimal\) \\\n {4}numa-affinity-policy=best_effort\n/);
    // A range in a mask: the command writes each CPU.
    const input = 'vms: [{ name: a, vcpus: 1, memory: 1GiB, params: { mask: "1-3" } }]';
    expect(xennuma(['explain', 'a', ...HOST, '--vms', '-'], { input }).out).toMatch(/VCPUs-params:mask=1,2,3\n/);
  });
  it('of compare names the policy that keeps most VMs on one node', () => {
    const { out } = xennuma(['compare', ...DOZEN, '--profiles', 'xapi-25.6', '--json']);
    const answer = JSON.parse(out) as { recommendation: { commands: string[] }; rows: { policy: string; totals: { onOneNode: number } }[] };
    const best = [...answer.rows].sort((a, b) => b.totals.onOneNode - a.totals.onOneNode)[0]!;
    expect(answer.recommendation.commands).toEqual([expect.stringContaining(`numa-affinity-policy=${best.policy}`)]);
  });
});

describe('narrow and wide', () => {
  it.each([40, 200])('%i columns', (width) => {
    const { out } = xennuma(['plan', ...DOZEN, '--policy', 'best_effort'], { env: { COLUMNS: String(width) } });
    for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(width);
    expect(out).toMatch(/^warehouse .*6:50% 7:50% +no .* ok$/m);
    expect(/^VM .*hard/m.test(out)).toBe(width === 200);
  });
});

describe('compare and explain at any width', () => {
  const commands = [
    ['compare', ...DOZEN],
    ['compare', ...DOZEN, '--policies', 'any,best_effort,best_effort_hard,default_policy'],
    ['explain', 'web-1', ...DOZEN],
    ['explain', 'warehouse', ...DOZEN, '--policy', 'best_effort', '--details'],
    ['explain', 'pinned', ...DOZEN, '--policy', 'best_effort', '--details'],
  ];
  const widest = new Map<readonly string[], string>();
  // One in three has each command, and every width.
  const pairs = [40, 80, 200].flatMap((width) => commands.map((words) => [width, words] as const));
  it.each(oneIn(3, pairs))('%i columns: %j', (width, words) => {
    const { code, out } = xennuma(words, { env: { COLUMNS: String(width) } });
    expect(code).toBe(0);
    // A link or a path stays whole, so that it can be copied.
    for (const line of out.split('\n')) if (!/https:\/\/|^ *\/\S*$/.test(line)) expect(line.length, line).toBeLessThanOrEqual(width);
    // Nothing is lost: the words are those of the widest.
    const bare = (text: string) => text.replaceAll('\\\n', '').replaceAll(/\s+/g, ' ');
    if (words[0] !== 'explain') return;
    if (!widest.has(words)) widest.set(words, bare(xennuma(words, { env: { COLUMNS: '1000' } }).out));
    expect(bare(out)).toBe(widest.get(words));
  });
});

describe('--json', () => {
  it.each<[string, string[]]>([
    ['plan', ['plan', ...DOZEN, '--policy', 'best_effort']],
    ['plan', ['plan', ...HOST, '--vms', 'docs/masks.yaml', '--profile', 'xl']],
    ['run', ['run', 'examples/scenarios/chart.yaml']],
    ['run', ['run', 'examples/scenarios/maintenance.yaml']],
    ['run', ['run', 'docs/broken-scenario.yaml']],
    ['compare', ['compare', ...DOZEN]],
    ['show', ['show', ...HOST]],
    ['show', ['show', ...DOZEN]],
    ['explain', ['explain', 'pinned', ...DOZEN]],
    ['explain', ['explain', 'db', '--scenario', 'examples/scenarios/maintenance.yaml', '--all']],
  ])('of %s is as its schema says: %j', (name, words) => {
    const { out, err } = xennuma([...words, '--json']);
    expect(err).toBe('');
    const answer: unknown = JSON.parse(out);
    expect(shipped(name).safeParse(answer).error).toBeUndefined();
    // The schema distinguishes commands: it rejects an answer of another command.
    expect(shipped(name === 'plan' ? 'show' : 'plan').safeParse(answer).success).toBe(false);
  });

  it('of our own forms: examples match their schemas', async () => {
    const { parse } = await import('yaml');
    const examples: [string, string][] = [
      ...readdirSync(join(root, 'examples/hosts')).flatMap((file): [string, string][] =>
        file.endsWith('.yaml') ? [['host', `examples/hosts/${file}`]] : [],
      ),
      ...readdirSync(join(root, 'examples/vms')).flatMap((file): [string, string][] =>
        file.endsWith('.yaml') ? [['vms', `examples/vms/${file}`]] : [],
      ),
      ...readdirSync(join(root, 'examples/scenarios')).map((file): [string, string] => ['scenario', `examples/scenarios/${file}`]),
    ];
    for (const [name, file] of examples) {
      const result = shipped(name).safeParse(parse(readFileSync(join(root, file), 'utf8')));
      expect(result.error, file).toBeUndefined();
    }
  });
});

describe('scenarios', () => {
  it.each(readdirSync(join(root, 'examples/scenarios')))('%s goes as it says', (file) => {
    const { code, out } = xennuma(['run', `examples/scenarios/${file}`]);
    expect(out).not.toContain('NOT AS EXPECTED');
    expect(code).toBe(0);
    expectToFit(out);
  });

  it('--summary shows only events that broke an expectation', () => {
    const well = xennuma(['run', 'examples/scenarios/chart.yaml', '--summary']).out;
    expect(well).not.toContain('as expected:');
    expect(well).toMatch(/^\d+ events, \d+ operations, \d+ failed\.$/m);
    expect(xennuma(['run', 'docs/broken-scenario.yaml', '--summary']).out).toMatch(/NOT AS EXPECTED/);
  });

  it('an expectation that does not hold is exit 1', () => {
    const { code, out } = xennuma(['run', 'docs/broken-scenario.yaml']);
    expect(code).toBe(1);
    expect(out).toMatch(/NOT AS EXPECTED: memory on node 2; found: nodes 0-1/);
  });

  it('an unexpected failure is exit 1', () => {
    const input = `host: ${root}/examples/hosts/two-nodes.yaml\nvms: [{ name: a, vcpus: 1, memory: 1TiB }]\nevents: [{ start: a }]\n`;
    expect(xennuma(['run', '-'], { input }).code).toBe(1);
  });

  it('takes another host', () => {
    const { out } = xennuma(['run', 'docs/broken-scenario.yaml', '--host', 'examples/hosts/epyc-7763-nps4.yaml']);
    expect(out).toMatch(/NOT AS EXPECTED: memory on node 2; found: node 0/);
  });
});

describe('the terminal', () => {
  it('has colours only if they are wanted', () => {
    const words = ['plan', ...DOZEN];
    const coloured = (env: Record<string, string>) => xennuma(words, { env }).out.includes('\u001b[');
    expect(coloured({})).toBe(false);
    expect(coloured({ FORCE_COLOR: '1' })).toBe(true);
    expect(coloured({ FORCE_COLOR: '0' })).toBe(false);
    expect(coloured({ FORCE_COLOR: '1', NO_COLOR: '1' })).toBe(false);
  });

  it('reports in one line that its answer cannot be written', () => {
    const { status, stderr } = spawnSync('bash', ['-c', `node dist/xennuma.js plan ${DOZEN.join(' ')} --json > /dev/full`], {
      encoding: 'utf8',
    });
    expect(stderr).toMatch(/^xennuma: the answer cannot be written: ENOSPC.*\n$/);
    expect(status).toBe(2);
  });

  it.each(['svg', 'html'])('says on stderr that it wrote a file: --%s', (kind) => {
    const file = join(dir, `host.${kind}`);
    const plain = xennuma(['show', ...HOST]);
    const { code, out, err } = xennuma(['show', ...HOST, `--${kind}`, file]);
    expect({ code, out }).toEqual({ code: 0, out: plain.out });
    const [, path, size] = /^wrote (\S+) \(([\d.]+) KiB\)\n$/.exec(err) ?? [];
    expect(path).toBe(file);
    expect(Number(size)).toBeCloseTo(statSync(file).size / 1024, 0);
  });

  it('a reader that closes the pipe ends it silently', () => {
    const { stdout, stderr } = spawnSync('bash', ['-c', `node dist/xennuma.js plan ${DOZEN.join(' ')} --json | head -n 1`], {
      cwd: root,
      encoding: 'utf8',
    });
    expect({ stdout, stderr }).toEqual({ stdout: '{\n', stderr: '' });
  });

  it('an error shows its stack only when asked', () => {
    const { err } = xennumaProcess(['plan', '--host', 'nowhere', '--vms', 'examples/vms/dozen.yaml'], { env: { XENNUMA_DEBUG: '1' } });
    expect(err).toMatch(/^xennuma: nowhere: there is no such file; check the path\nInputError/);
  });
});

it('demo draws the host with its VMs and suggests commands to try next', () => {
  const { code, out, err } = xennuma(['demo']);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  for (const word of ['warehouse', 'pinned', 'node 7', 'Try next', 'xennuma explain warehouse']) expect(out).toContain(word);
  for (const [, words] of out.matchAll(/^ {2}npx xennuma (.*)$/gm)) {
    if (!words!.includes('--svg')) expect(xennuma(words!.split(' ')).code, words).toBe(0);
  }
  // From elsewhere one cd makes them work; without it there is none.
  const elsewhere = xennuma(['demo'], { cwd: dir }).out;
  expect(elsewhere).toContain(`Try next\n  cd ${root.replace(/\/$/, '')}\n  npx xennuma explain warehouse --host examples/hosts/`);
  expect(out).not.toContain('  cd ');
});
