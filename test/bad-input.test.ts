// Every kind of bad input, through the command: exit 2, one line that names the file and the line,
// no stack, nothing on stdout.
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { DUMP, INFO, LIST } from './support/listings.js';
import { xennuma } from './xennuma.js';

const dir = mkdtempSync(join(tmpdir(), 'xennuma-bad-'));
afterAll(() => rmSync(dir, { recursive: true }));
const file = (name: string, content: string | Uint8Array) => {
  const path = join(dir, name);
  writeFileSync(path, content);
  return path;
};
const HOST = 'examples/hosts/two-nodes.yaml';
const VMS = 'examples/vms/dozen.yaml';

function refused(words: readonly string[], input = ''): string {
  const { code, out, err } = xennuma(words, { input });
  expect({ code, out }).toEqual({ code: 2, out: '' });
  expect(err).toMatch(/^xennuma: [^\n]+\n$/);
  expect(err).not.toMatch(/\bat .*\.js:\d+|Error:|node:internal/);
  return err;
}

const nodes = (count: number, of = (index: number) => `{ memory: 1GiB, cpus: "${index}" }`) =>
  `nodes:\n${Array.from({ length: count }, (_, index) => `  - ${of(index)}`).join('\n')}\n`;

describe('a host that cannot be read', () => {
  it.each<[string, () => string, RegExp]>([
    ['missing', () => join(dir, 'nowhere.yaml'), /nowhere\.yaml: there is no such file/],
    ['a directory', () => dir, /xennuma-bad-\w+: expected a file, got a directory/],
    ['below a file', () => join(file('plain', 'x'), 'below'), /no such file/],
    ['binary', () => file('host.bin', Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 0, 1, 2)), /host\.bin: expected text, got binary data/],
    ['not UTF-8', () => file('latin1', Uint8Array.of(0x6e, 0xe9, 0x0a)), /latin1: expected text in UTF-8/],
    ['empty', () => file('empty.yaml', ''), /empty\.yaml: .*empty file/],
    ['a scenario', () => 'examples/scenarios/chart.yaml', /chart\.yaml: expected a host, got a scenario; play it with xennuma run/],
    ['a list of VMs', () => VMS, /dozen\.yaml: expected a host, got a list of VMs; give it with --vms/],
    ['of an unknown format', () => file('poem.txt', 'roses are red\n'), /poem\.txt: unknown format/],
    ['truncated YAML', () => file('cut.yaml', 'nodes:\n  - { memory: 8GiB, cpus: "0-3"'), /cut\.yaml:\d: not YAML or JSON/],
    ['truncated XML', () => file('cut.xml', '<?xml version="1.0"?>\n<topology version="2.0">\n<object type="Machine"'), /cut\.xml:\d/],
    ['a huge number of CPUs', () => file('huge.yaml', 'nodes:\n  - { memory: 8GiB, cpus: "0-99999999999" }\n'), /huge\.yaml:2/],
    [
      'a huge size',
      () => file('size.yaml', 'nodes:\n  - { memory: 99999999999999999TiB, cpus: "0" }\n'),
      /size\.yaml:2: nodes\[0\]\.memory/,
    ],
    ['65 nodes', () => file('n65.yaml', nodes(65)), /n65\.yaml.*64/],
    ['4097 CPUs', () => file('c4097.yaml', 'nodes:\n  - { memory: 8GiB, cpus: "0-4096" }\n'), /c4097\.yaml/],
    ['no CPUs', () => file('nocpu.yaml', 'nodes:\n  - { memory: 8GiB }\n'), /nocpu\.yaml.*expected at least one CPU, got none/],
    [
      'more used than there is',
      () => file('used.yaml', 'nodes:\n  - { memory: 8GiB, used: 9GiB, cpus: "0" }\n'),
      /used\.yaml:2: nodes\[0\]\.used/,
    ],
    ['distances not square', () => file('square.yaml', `${nodes(2)}distances: [[10, 20], [20]]\n`), /square\.yaml:4: distances/],
    ['an unknown field', () => file('field.yaml', 'nodes:\n  - { memory: 8GiB, cpus: "0", colour: red }\n'), /field\.yaml:2: .*'colour'/],
    [
      'an alias bomb',
      () =>
        file(
          'bomb.yaml',
          `a: &a [x]\n${'bcdefghij'.replace(/./g, (c, i) => `${c}: &${c} [*${'abcdefghi'[i]},*${'abcdefghi'[i]},*${'abcdefghi'[i]}]\n`)}nodes: *j\n`,
        ),
      /bomb\.yaml/,
    ],
    ['half of a pair', () => 'examples/hosts/xeon-2s.lscpu.txt', /numactl --hardware/],
  ])('%s', (_, path, wanted) => {
    expect(refused(['show', '--host', path()])).toMatch(wanted);
  });

  it('too big, without reading it', () => {
    const path = file('sparse.yaml', '');
    truncateSync(path, 2 ** 40);
    expect(refused(['show', '--host', path])).toMatch(/sparse\.yaml: expected at most 64 MiB/);
  });

  it('with a name that would act on the terminal', () => {
    for (const words of [
      ['show', '--from'],
      ['show', '--host'],
      ['plan', '--host', HOST, '--vms'],
    ]) {
      for (const name of ['\u001b]0;x\u0007', 'a\u202eb', 'a\u009b31mb', 'a\rb']) {
        for (const path of [join(dir, `missing${name}`), file(`there${name}`, 'nothing of ours')]) {
          expect(refused([...words, path])).not.toMatch(/[^\P{Cc}\n]|\p{Bidi_Control}/u);
        }
      }
    }
  });

  it('from stdin', () => {
    expect(refused(['show', '--host', '-'], 'nodes:\n  - { memory: -1, cpus: "0" }\n')).toMatch(/^xennuma: stdin:2: nodes\[0\]\.memory: /);
  });

  it('two files that are no pair', () => {
    expect(refused(['show', '--host', HOST, 'examples/hosts/two-sockets.xml'])).toMatch(/do not belong together/);
  });
});

describe('VMs that cannot be read', () => {
  it.each<[string, string, RegExp]>([
    ['8193 vCPUs', 'vms:\n  - { name: a, vcpus: 8193, memory: 1GiB }\n', /vms\.yaml:2: vms\[0\]\.vcpus: .*8192/],
    ['an empty list', 'vms: []\n', /vms\.yaml:1: vms: expected at least one entry, got none; /],
    ['an empty name', 'vms:\n  - { name: "", vcpus: 1, memory: 1GiB }\n', /vms\[0\]\.name: expected a text, got an empty one/],
    ['no vCPUs', 'vms:\n  - { name: a, vcpus: 0, memory: 1GiB }\n', /vms\.yaml:2: vms\[0\]\.vcpus/],
    ['32,753 VMs', 'vms:\n  - { name: a, vcpus: 1, memory: 1GiB, count: 32753 }\n', /vms\.yaml:2: vms\[0\]\.count: .*32752/],
    [
      'a name twice',
      'vms:\n  - { name: a, vcpus: 1, memory: 1GiB }\n  - { name: a, vcpus: 1, memory: 1GiB }\n',
      /vms\.yaml:3: .*'a' is given twice/,
    ],
    ['a target above the memory', 'vms:\n  - { name: a, vcpus: 1, memory: 1GiB, target: 2GiB }\n', /vms\.yaml:2: vms\[0\]\.target/],
    [
      'a name that clears the screen',
      'vms:\n  - { name: "a\\e[2J", vcpus: 1, memory: 1GiB }\n',
      /vms\.yaml:2: .*without control characters/,
    ],
    [
      'a name that turns text round',
      'vms:\n  - { name: "a\\u202eb", vcpus: 1, memory: 1GiB }\n',
      /vms\.yaml:2: .*without control characters/,
    ],
    ['a key twice', 'vms:\n  - name: a\n    name: b\n', /vms\.yaml:3: 'name' is given twice/],
    ['nested too deep', `vms: ${'['.repeat(5000)}`, /vms\.yaml:1: nested more than/],
  ])('%s', (_, text, wanted) => {
    expect(refused(['plan', '--host', HOST, '--vms', file('vms.yaml', text)])).toMatch(wanted);
  });

  it('in the place of each other, or without the key', () => {
    expect(refused(['plan', '--host', HOST, '--vms', HOST])).toMatch(/: expected VMs, got the description of a host; give it with --host/);
    expect(refused(['plan', '--host', HOST, '--vms', 'examples/scenarios/chart.yaml'])).toMatch(/: expected VMs, got a scenario; play it/);
    const list = file('list.yaml', '- name: a\n  vcpus: 2\n  memory: 4GiB\n');
    expect(refused(['plan', '--host', HOST, '--vms', list])).toMatch(/list\.yaml: expected vms: as the first line of a list of VMs/);
  });

  it('none given', () => {
    expect(refused(['explain', 'web-1'])).toMatch(/expected a host, got none; give --from ssh:\/\/HOST or --pool URL for a running VM/);
    expect(refused(['plan'])).toMatch(/expected a host and VMs, got neither; give --host FILE and --vms FILE/);
    expect(refused(['plan', '--host', HOST])).toMatch(/expected VMs, got none; give --vms FILE/);
    expect(refused(['plan', '--from', HOST])).toMatch(/expected VMs, got none; give --vms FILE/);
    expect(refused(['plan', '--vms', VMS])).toMatch(/expected a host, got none; give --from ssh:.*, or --host FILE/);
  });

  it('options of a pool without one', () => {
    expect(refused(['verify', '--pool-host', 'a'])).toMatch(/--pool-host needs --pool/);
    expect(refused(['place', 'a', '--yes'])).toMatch(/--yes needs --pool/);
    expect(refused(['place'])).toMatch(/expected domains to place, got none/);
    expect(refused(['verify', '--pool', 'https://a', '--scenario', 'b'])).toMatch(/expected --pool or --scenario, got both/);
  });

  it('an unknown VM', () => {
    expect(refused(['explain', 'web', '--host', HOST, '--vms', VMS])).toMatch(/there is no VM 'web'; the VMs are web-1/);
    expect(refused(['explain', 'wbe-1', '--host', HOST, '--vms', VMS])).toMatch(
      /there is no VM 'wbe-1'; did you mean 'web-1'\? the VMs are/,
    );
  });

  it('no VM where one is explained: the answer lists them', () => {
    expect(refused(['explain', '--from', file('paste.txt', `${INFO}${LIST}${DUMP}`)])).toMatch(
      /expected the name of a domain, got none; the domains are payroll/,
    );
    expect(refused(['explain', '--host', HOST, '--vms', VMS])).toMatch(/expected the name of a VM, got none; the VMs are web-1/);
    expect(refused(['explain'])).toMatch(/expected a host, got none/);
  });

  it('a mistyped path: the answer names the near file', () => {
    expect(refused(['plan', '--host', HOST, '--vms', VMS.replace('.yaml', '.yml')])).toContain(`did you mean '${VMS}'?`);
    expect(refused(['show', '--from', HOST.replace('hosts', 'host')])).toContain(`did you mean '${HOST}'?`);
  });
});

describe('a scenario that cannot be played', () => {
  const vms = 'vms:\n  - { name: a, vcpus: 1, memory: 512MiB }\n';
  const host = file('host.yaml', 'nodes:\n  - { memory: 8GiB, cpus: "0-3" }\n  - { memory: 8GiB, cpus: "4-7" }\n');
  it.each<[string, string, RegExp]>([
    ['an unknown event', `${vms}events:\n  - explode: a\n`, /s\.yaml:5: events\[0\].*'explode'/],
    ['two in one event', `${vms}events:\n  - { start: a, stop: a }\n`, /s\.yaml:5: events\[0\]: expected exactly one event/],
    ['none in an event', `${vms}events:\n  - { note: hello }\n`, /s\.yaml:5: events\[0\]: expected exactly one event/],
    ['no events', vms, /s\.yaml:\d: events/],
    ['an unknown VM', `${vms}events:\n  - start: b\n`, /s\.yaml:5: events\[0\]\.start: .*'b'/],
    ['a VM that runs already', `${vms}events:\n  - start: a\n  - start: a\n`, /s\.yaml:6: events\[1\]\.start: /],
    ['no list of CPUs', `${vms}events:\n  - start: a\n  - pin: { vm: a, hard: "one" }\n`, /s\.yaml:6: events\[1\]\.pin/],
    ['an unknown CPU', `${vms}events:\n  - cpuOffline: 99\n`, /s\.yaml:5: events\[0\]\.cpuOffline: /],
    ['a policy that the profile does not have', `${vms}events:\n  - policy: best_effort_hard\n`, /s\.yaml:5: events\[0\]\.policy: /],
    ['a malformed expectation', `${vms}events:\n  - cpuOffline: 3\n    expect: { nodes: 1 }\n`, /s\.yaml:6: events\[0\]\.expect: /],
  ])('%s', (_, text, wanted) => {
    // Events before the wrong one have been printed by then; the JSON form prints nothing.
    expect(refused(['run', '--json', file('s.yaml', `host: ${host}\n${text}`)])).toMatch(wanted);
  });

  it('a host that is not there', () => {
    expect(refused(['run', file('h.yaml', `host: gone.yaml\n${vms}events: [{ start: a }]\n`)])).toMatch(
      /gone\.yaml: there is no such file/,
    );
  });
});

describe('bad usage', () => {
  it.each<[string[], RegExp]>([
    [['help', 'plam'], /there is no command 'plam'; xennuma help lists them/],
    [['plam'], /unknown command 'plam'.*plan/i],
    [['plan', '--hots', 'x'], /unknown option '--hots'.*--host/],
    [['plan', '--host', HOST, '--vms', VMS, '--policy', 'best'], /--policy.*best_effort/],
    [['plan', '--host', HOST, '--vms', VMS, '--policy', 'best-effort'], /tight \(Did you mean best_effort\?\); see xennuma help plan$/m],
    [['fleet', 'place', 'web'], /'--vms <file...>' not specified; see xennuma fleet place --help$/m],
    [['serve', 'passwd'], /'--file <file>' not specified; see xennuma serve passwd --help$/m],
    [['serve', 'passwords'], /too many arguments.*; see xennuma help serve$/m],
    [['fleet', 'shwo'], /unknown command 'shwo' \(Did you mean show\?\); see xennuma help fleet$/m],
    [['show', '--from', 'root@xcp-1'], /root@xcp-1: there is no such file; for a host write ssh:\/\/root@xcp-1, for a file check the path/],
    [['show', '--from', 'paste.txt'], /paste\.txt: there is no such file; give ssh:\/\/host/],
    [['plan', '--host', HOST, '--vms', VMS, '--policy', 'best_effort_hard'], /xapi-25\.6 has no policy 'best_effort_hard'/],
    [['plan', '--host', HOST, '--vms', VMS, '--profile', 'xapi-1'], /--profile.*xapi-25\.6/],
    [['plan', '--host', HOST, '--vms', VMS, '--xen', '3.4'], /--xen/],
    [['plan', '--host', HOST, '--vms', VMS, '--xen', '4.99'], /4\.99.*4\.13/],
    [['plan', '--host', HOST, '--vms', VMS, '--seed', '-1'], /--seed/],
    [
      ['plan', '--host', HOST, '--vms', VMS, '--flow', 'a.png'],
      /a\.png: --flow: the format is unknown; end the name in \.txt, \.mmd, \.svg/,
    ],
    [['plan', '--host', HOST, '--vms', VMS, '--map', 'a.txt'], /a\.txt: --map: the format is unknown/],
    [['plan', '--host', HOST, '--vms', VMS, '--map', `${HOST}/a.svg`], /a\.svg: cannot be written/],
    [['compare', '--host', HOST, '--vms', VMS, '--profiles', 'a,b'], /--profiles.*unknown 'a': expected one of/],
    [['run'], /missing required argument/],
    [['run', 'a', 'b'], /too many arguments/],
    [['completion', 'tcsh'], /bash, zsh, fish/],
  ])('%j', (words, wanted) => {
    expect(refused(words)).toMatch(wanted);
  });
});

describe('limits hold at their edge', () => {
  it('64 nodes', () => {
    expect(xennuma(['show', '--host', file('n64.yaml', nodes(64))])).toMatchObject({ code: 0, err: '' });
  });
  it('4096 CPUs', () => {
    expect(xennuma(['show', '--host', file('c4096.yaml', 'nodes:\n  - { memory: 8GiB, cpus: "0-4095" }\n')])).toMatchObject({
      code: 0,
      err: '',
    });
  });
  it('8192 vCPUs', () => {
    const vms = file('v8192.yaml', 'vms:\n  - { name: a, kind: pv, vcpus: 8192, memory: 2GiB }\n');
    expect(xennuma(['plan', '--host', HOST, '--vms', vms])).toMatchObject({ code: 0, err: '' });
  });
  it('a file in a directory of its own that may not be read', () => {
    if (process.getuid?.() === 0) return;
    mkdirSync(join(dir, 'closed'), { mode: 0 });
    expect(refused(['show', '--host', join(dir, 'closed', 'a.yaml')])).toMatch(/may not read it/);
  });
});

describe('vm', () => {
  const state = ['--on', 'xen', '--state', join(dir, 'state')];
  it.each<[string, readonly string[], RegExp]>([
    ['without a host', ['vm', 'list', '--state', dir], /--on <where>/],
    ['an unknown action', ['vm', 'clone', ...state], /Allowed choices are create, start/],
    ['start of nothing', ['vm', 'start', ...state], /expected names of VMs to start, got none; vm list shows them/],
    ['a name twice', ['vm', 'start', 'a', 'b', 'a', ...state], /a b a: a VM is named twice/],
    ['list with names', ['vm', 'list', 'a', ...state], /list takes no names, got 'a'/],
    ['create without VMs', ['vm', 'create', ...state], /expected VMs, got none; give --vms FILE/],
    ['VMs where names belong', ['vm', 'start', 'a', '--vms', VMS, ...state], /--vms is only for create/],
    ['a flow file of no known form', ['vm', 'start', 'a', '--flow', 'x.png', ...state], /--flow/],
  ])('%s', (_, words, message) => expect(refused(words)).toMatch(message));
});
