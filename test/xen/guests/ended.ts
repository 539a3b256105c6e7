// The sentences of `explain --on xen` about running domains of any toolstack, and guests that go
// down by themselves, as `xennuma vm` finds them.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { asWere, bench, eventually, MINI, start, stop, traces, using, vm, xl } from './host.js';

interface Run {
  readonly title: string;
  readonly sentences: readonly string[];
  readonly path: readonly string[];
}

// Longer than 70 lines: one host in the rig, where each step begins with what the one before left.
test('explain covers running domains; the next command removes the domains of guests that went down by themselves, and says so', () =>
  using(bench(), async (one) => {
    const { doors } = one;
    // XenStore keeps a few directories of a host's first VM.
    await start(one, vm('first', 'pvh', 1, 32));
    await stop(one, 'first');
    const unused = await traces(doors.xc, doors.xs);
    const folder = await mkdtemp('/tmp/xennuma-ended-');
    const state = join(folder, 'state');
    const onXen = ['--on', 'xen', '--state', state];
    const run = (...words: string[]) => {
      const { stdout, stderr, status } = spawnSync('node', ['dist/xennuma.js', ...words, ...onXen], { encoding: 'utf8' });
      return { stdout, stderr, status };
    };
    const command = (...words: string[]) => {
      const { stdout, stderr, status } = run('vm', ...words, '--json');
      assert.equal(status, 0, stderr);
      return JSON.parse(stdout);
    };
    const runsOf = (...words: string[]) => {
      const { stdout, stderr, status } = run('explain', ...words, '--json');
      assert.ok(status === 0 || status === 1, stderr);
      return { status, runs: JSON.parse(stdout).runs as Run[] };
    };
    const described = async (name: string, ...vms: object[]) => {
      const file = join(folder, `${name}.json`);
      await writeFile(file, JSON.stringify({ vms }));
      return file;
    };

    // What no real host could start is refused where it is described, and nothing is kept of the
    // file.
    const whole = { name: 'whole', kind: 'pvh', vcpus: 1, memory: '32MiB', boot: MINI };
    const bootless = run('vm', 'create', '--vms', await described('bootless', whole, { ...whole, name: 'bootless', boot: undefined }));
    assert.equal(bootless.status, 2);
    assert.match(bootless.stderr, /^xennuma: bootless: nothing to boot; a real host needs boot\.kernel .*\n$/);
    assert.deepEqual(await readdir(state), []);

    const names = ['poweroff', 'reboot', 'crash', 'gone', 'suspend'];
    const guests = names.map((name) => ({ ...whole, name }));
    command('create', '--vms', await described('guests', ...guests, { ...whole, name: 'broken', params: { mask: '99' } }));
    const started = command('start', ...names, '--policy', 'best_effort');
    const domids = new Map<string, number>(started.vms.map(({ name, domid }: { name: string; domid: number }) => [name, domid]));
    const [{ soft }] = started.vms;

    // Of one that xennuma started, another process tells how it was decided; and what stands now.
    const before = execFileSync('xenstore-ls', ['-fp'], { encoding: 'utf8' });
    const drawn = join(folder, 'path.svg');
    const own = runsOf(String(domids.get('poweroff')), '--flow', drawn);
    assert.equal(own.status, 0);
    assert.deepEqual([own.runs.length, own.runs[0]!.title], [2, 'start poweroff']);
    assert.ok(own.runs[0]!.path.includes('numa_placement -> XEN_VCPUAFFINITY_SOFT'));
    assert.ok(
      own.runs[1]!.sentences.some((one) => one.startsWith(`Its soft affinity, ${soft[0]}, was not requested: it is all CPUs of node`)),
    );
    assert.ok(own.runs[1]!.sentences.includes('Nothing has drifted.'), own.runs[1]!.sentences.join('\n'));
    assert.match(await readFile(drawn, 'utf8'), /^<svg /);

    // Of one that xl started, who asked for what; and what xl changed since.
    const config = join(folder, 'xl.cfg');
    await writeFile(
      config,
      ['name = "of-xl"', `kernel = "${MINI.kernel}"`, 'type = "pvh"', 'memory = 32', 'vcpus = 1', 'cpus = ["4-5"]', ''].join('\n'),
    );
    xl('create', config);
    const [ofXl, ...none] = runsOf('of-xl').runs;
    assert.deepEqual(none, []);
    assert.ok(
      ofXl!.sentences.includes("Requested, according to libxl's userdata: hard affinity 4-5, no soft affinity."),
      ofXl!.sentences.join('\n'),
    );
    xl('vcpu-pin', 'of-xl', '0', '6');
    assert.ok(runsOf('of-xl').runs[0]!.sentences.some((one) => /^Drift: hard affinity differs from .* has 6 instead of 4-5\.$/.test(one)));
    xl('destroy', 'of-xl');
    await eventually(async () => assert.equal(execFileSync('xenstore-ls', ['-fp'], { encoding: 'utf8' }), before));

    // One that could not be started is explained by its last attempt.
    const failed = run('vm', 'start', 'broken');
    assert.equal(failed.status, 1, failed.stderr);
    const attempt = runsOf('broken');
    assert.deepEqual([attempt.status, attempt.runs.length], [1, 1]);
    assert.ok(attempt.runs[0]!.sentences.some((one) => /xc_vcpu_setaffinity: \[22\] Invalid argument/.test(one)));

    // As the guests themselves would ask Xen for it: SHUTDOWN_poweroff, _reboot, _crash, _suspend.
    for (const [name, reason] of [
      ['poweroff', 0],
      ['reboot', 1],
      ['crash', 3],
      ['suspend', 2],
    ] as const) {
      doors.xc.domainShutdown(domids.get(name)!, reason);
    }
    xl('destroy', 'gone');
    assert.match(runsOf('poweroff').runs.at(-1)!.sentences[0]!, /^Its guest has shut down, and its domain is still to be destroyed\.$/);
    assert.match(xl('list'), /^poweroff +\d+ .*s---?/m, 'what looks at it leaves it as it is');

    const stopped = command('stop', 'poweroff');
    assert.deepEqual(
      stopped.outcomes.map(({ vm: name, operation, failure }: { vm: string; operation: string; failure: unknown }) => [
        name,
        operation,
        failure,
      ]),
      [...['poweroff', 'reboot', 'crash', 'gone'].map((name) => [name, 'ended', null])],
    );
    assert.deepEqual(
      stopped.warnings
        .filter(({ code }: { code: string }) => code.startsWith('guest-'))
        .map(({ code, vms }: { code: string; vms: string[] }) => [code, vms]),
      [
        ['guest-poweroff', ['poweroff']],
        ['guest-reboot', ['reboot']],
        ['guest-crash', ['crash']],
        ['guest-gone', ['gone']],
      ],
    );
    assert.deepEqual(
      stopped.vms.map(({ name, state: power }: { name: string; state: string }) => [name, power]),
      [...names.map((name) => [name, name === 'suspend' ? 'running' : 'halted']), ['broken', 'halted']],
    );
    assert.doesNotMatch(xl('list'), /^(poweroff|reboot|crash|gone) /m);

    // They start again; and one that went down again is what `reboot` starts.
    const again = command('start', 'reboot').vms.find(({ name }: { name: string }) => name === 'reboot');
    doors.xc.domainShutdown(again.domid, 1);
    const rebooted = command('reboot', 'reboot');
    assert.deepEqual(
      rebooted.outcomes.map(({ operation }: { operation: string }) => operation),
      ['ended', 'start'],
    );

    command('destroy', 'broken', ...names);
    assert.deepEqual(await readdir(state), []);
    await asWere(doors, unused);
    await rm(folder, { recursive: true });
  }));
