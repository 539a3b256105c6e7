// Readers of VMs: our own form, and xl guest configs against a host.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../base/errors.js';
import { GIB } from '../../base/units.js';
import { detectAndRead } from './detect.js';
import { detectAndReadVms } from './detect-vms.js';

const sample = (path: string) => ({ file: path, text: readFileSync(new URL(`../../../examples/${path}`, import.meta.url), 'utf8') });
// CPUs 0-7 on node 0, 8-15 on node 1.
const host = detectAndRead([sample('hosts/two-nodes.xl-info.txt')]);
const xl = (lines: string) => detectAndReadVms([{ file: 'g.cfg', text: `name = "g"\nmemory = 512\nvcpus = 1\n${lines}\n` }], host)[0]!;
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

function errorOf(action: () => unknown): InputError {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return error as InputError;
  }
  throw new Error('expected an InputError, got none');
}

describe('a number of virtual nodes', () => {
  const read = (vnuma: string) =>
    detectAndReadVms([{ file: 'f', text: `vms:\n  - { name: a, vcpus: 4, memory: 4GiB, vnuma: ${vnuma} }\n` }], host)[0]!;

  it.each([
    ['1', 1],
    ['4', 4],
    ['auto', 'auto'],
  ])('reads vnuma: %s', (text, virtualNodes) => {
    expect(read(text)).toMatchObject({ virtualNodes });
    expect(read(text).vnuma).toBeUndefined();
  });

  it.each(['0', '5', '65', '1.5', 'many', '[]'])('refuses vnuma: %s', (text) => {
    expect(errorOf(() => read(text)).place).toMatchObject({ file: 'f', line: 2, path: 'vms[0].vnuma' });
  });
});

describe('the most virtual nodes that Xen keeps', () => {
  const of = (vnuma: string) =>
    detectAndReadVms([{ file: 'f', text: `vms: [{ name: a, vcpus: 40, memory: 4GiB, vnuma: ${vnuma} }]` }], host)[0]!;
  const list = (count: number) =>
    JSON.stringify(Array.from({ length: count }, (_, vcpu) => ({ node: 0, memory: '64MiB', vcpus: String(vcpu) })));

  it('are 32, as a number and as a list', () => {
    expect(of('32').virtualNodes).toBe(32);
    expect(of(list(32)).vnuma).toHaveLength(32);
    for (const more of ['33', list(33)]) expect(errorOf(() => of(more)).place.path).toMatch(/^vms\[0\]\.vnuma/);
  });
});

describe('our own form', () => {
  const vms = detectAndReadVms([sample('vms/dozen.yaml')], host);
  const named = (name: string) => vms.find((vm) => vm.name === name)!;

  it('reads the dozen: counts expanded, HVM unless said otherwise', () => {
    expect(vms.map((vm) => vm.name)).toStrictEqual(
      'web-1 web-2 web-3 web-4 cache-1 cache-2 pinned warehouse desktop batch legacy appliance'.split(' '),
    );
    expect(named('pinned').vcpusParams).toStrictEqual({ mask: '1,2,3' });
    expect(named('batch').vcpusParams).toStrictEqual({ weight: '128', cap: '600' });
    expect(named('warehouse')).toMatchObject({
      kind: 'hvm',
      vcpusMax: 16,
      vcpusAtStartup: 16,
      memoryStaticMaxBytes: 96 * GIB,
      memoryTargetBytes: 96 * GIB,
    });
    expect(named('desktop')).toMatchObject({ vcpusMax: 8, vcpusAtStartup: 4, memoryStaticMaxBytes: 16 * GIB, memoryTargetBytes: 8 * GIB });
    expect([named('legacy').kind, named('appliance').kind]).toStrictEqual(['pv', 'pvh']);
  });

  it('takes the kernel of a guest', () => {
    const text = 'vms:\n  - name: a\n    vcpus: 1\n    memory: 1GiB\n    boot: {kernel: /k, ramdisk: /r, cmdline: quiet}';
    expect(detectAndReadVms([{ file: 'f', text }], host)[0]!.boot).toStrictEqual({ kernel: '/k', ramdisk: '/r', cmdline: 'quiet' });
    expect(errorOf(() => detectAndReadVms([{ file: 'f', text: text.replace('kernel: /k, ', '') }], host)).place.path).toBe(
      'vms[0].boot.kernel',
    );
  });

  it.each([
    ['vms:\n  - {name: a, vcpus: 0, memory: 1GiB}', 2, 'vms[0].vcpus'],
    ['vms:\n  - {name: a, vcpus: 1, memory: 1GB}', 2, 'vms[0].memory'],
    ['vms:\n  - {name: a, vcpus: 1, memory: 1GiB}\n  - {name: a, vcpus: 1, memory: 1GiB}', 3, 'vms[1].name'],
    ['vms:\n  - name: a\n    vcpus: 1\n    memory: 1GiB\n    target: 2GiB', 5, 'vms[0].target'],
    ['vms:\n  - {name: a, vcpus: {max: 1, atStartup: 2}, memory: 1GiB}', 2, 'vms[0].vcpus'],
    ['vms:\n  - {name: a, vcpus: 1, memory: 1GiB, count: 40000}', 2, 'vms[0].count'],
    ['vms:\n  - {name: a, vcpus: 1, memory: 1GiB, params: {masks: 1}}', 2, 'vms[0].params'],
    ['{"vms": [{"name": "a", "vcpus": 8193, "memory": 1}]}', 1, 'vms[0].vcpus'],
  ])('refuses %j with its place', (text, line, path) => {
    expect(errorOf(() => detectAndReadVms([{ file: 'v.yaml', text }], host)).place).toStrictEqual({ file: 'v.yaml', line, path });
  });
});

it('VMs are as many as domains can be, over all entries', () => {
  const read = (first: number, second: number) =>
    detectAndReadVms(
      [
        {
          file: 'f',
          text: `vms:\n  - {name: a, vcpus: 1, memory: 1GiB, count: ${first}}\n  - {name: b, vcpus: 1, memory: 1GiB, count: ${second}}`,
        },
      ],
      host,
    );
  // Xen reserves domain ids from 0x7ff0 on (public/xen.h, DOMID_FIRST_RESERVED).
  expect(read(0x7000, 0xff0)).toHaveLength(0x7ff0);
  expect(errorOf(() => read(0x7000, 0xff1)).place).toStrictEqual({ file: 'f', line: 3, path: 'vms[1].count' });
});

describe('xl guest configs', () => {
  it('reads the samples', () => {
    expect(detectAndReadVms([sample('vms/database.cfg'), sample('vms/router.cfg')], host)).toStrictEqual([
      {
        name: 'database',
        kind: 'hvm',
        vcpusMax: 8,
        vcpusAtStartup: 8,
        memoryStaticMaxBytes: 16 * GIB,
        memoryTargetBytes: 16 * GIB,
        vcpusParams: {},
        xlSoftCpus: [range(8, 15)],
      },
      {
        name: 'router',
        kind: 'pvh',
        vcpusMax: 4,
        vcpusAtStartup: 2,
        memoryStaticMaxBytes: 2 * GIB,
        memoryTargetBytes: GIB,
        vcpusParams: { weight: '512' },
        xlHardCpus: [[0, 2, 3], range(8, 15), range(0, 15)],
        xlHardCpusForm: 'list',
      },
    ]);
  });

  it.each([
    ['cpus = "all"', [range(0, 15)]],
    ['cpus = "0-99"', [range(0, 15)]],
    ['cpus = "99"', [[]]],
    ['cpus = "0,^0"', [[]]],
    ['cpus = "node:2"', [[]]],
    ['cpus = "0,1,"', [[0, 1]]],
    ['cpus = "4294967297"', [[1]]],
    ["cpus = '0-3,5,^1'", [[0, 2, 3, 5]]],
    ['cpus = "nodes:0-1,^node:0"', [range(8, 15)]],
    ['cpus = "node:1,0,^8"', [[0, ...range(9, 15)]]],
    ['cpus = "^0,0-1"', [[0, 1]]],
    ['cpus = 3', [[3]]],
    ['vcpus = 2\ncpus = [1, "2-3"]', [[1], [2, 3]]],
    ['vcpus = 2\ncpus = [ # first\n  "1",\n  "2",\n  "3",\n]', [[1], [2]]],
    ['vcpus = 2\ncpus = []', [range(0, 15)]],
    ['vcpus = 0\ncpus = "3"', undefined],
  ])('reads %j', (lines, expected) => {
    expect(xl(lines).xlHardCpus).toStrictEqual(expected);
  });

  it('takes the kernel of a guest, with a command line made of root and extra unless it is given', () => {
    expect(xl('kernel = "/k"').boot).toStrictEqual({ kernel: '/k' });
    expect(xl('kernel = "/k"\nramdisk = "/r"\nroot = "/dev/xvda ro"\nextra = "quiet"').boot).toStrictEqual({
      kernel: '/k',
      ramdisk: '/r',
      cmdline: 'root=/dev/xvda ro quiet',
    });
    expect(xl('kernel = "/k"\nextra = "quiet"\ncmdline = "single"').boot?.cmdline).toBe('single');
    expect(xl('ramdisk = "/r"').boot).toBeUndefined();
  });

  it('takes the kind from type or builder; PV otherwise, as xl', () => {
    const kinds = ['type="hvm"', "builder = 'hvm'", 'pvh = 1', 'type="pvh"; vcpus=2', '', 'type="h"'].map((lines) => xl(lines).kind);
    expect(kinds).toStrictEqual(['hvm', 'hvm', 'pv', 'pvh', 'pv', 'hvm']);
  });

  it.each([
    ['cpus = "4-2"', 4],
    ['cpus = "0;1"', 4],
    ['cpus = "all,^all"', 4],
    ['cpus = "0, all"', 4],
    ['cpus = "0--3"', 4],
    ['cpus = [["0"]]', 4],
    ['vcpus = 9000', 4],
    ['maxvcpus = 1\nvcpus = 2', 5],
    ['maxmem = 100', 4],
    ['type = "vmware"', 4],
    ['type = hvm', 4],
    ['builder = "linux"', 4],
    ['Vcpus = 2', 4],
    ['x = 1.5', 4],
    ['x = "\\x41"', 4],
    ['cpus = ["0"', 5],
    ['cpus = "0', 4],
    ['cpus "0"', 4],
    ['vcpus = 2 3', 4],
    ['vcpus = {}', 4],
    ['vcpus = 2\r', 4],
  ])('refuses %j with its line', (lines, line) => {
    const error = errorOf(() => xl(lines));
    expect(error.place).toMatchObject({ file: 'g.cfg', line });
    expect(error.mend).not.toBe('');
  });

  it.each([
    ['Vcpus = 2', "xl's names are lower case, got 'Vcpus'"],
    ['x = -1', "'-1' is not a number for xl"],
    [`x = ABC${'d'.repeat(40)}`, `got 'ABC${'d'.repeat(27)}'`],
    ['vcpus = 2\r', 'the line ends with a carriage return'],
    ['cpus = "0', 'a string does not end on its line'],
    ["cpus = '0", 'a string does not end on its line'],
    ['vcpus = {}', "'{' has no meaning here"],
    ['vcpus = \x01', 'character 1 has no meaning here'],
    ['x = "\\q"', "xl refuses the escape '\\q' in a string"],
    ['x = "a\0b"', 'a string holds a NUL character'],
  ])('says of %j what xl has against it', (lines, message) => {
    expect(errorOf(() => xl(lines)).message).toContain(message);
  });

  it('needs a newline after a comment, and none after a setting', () => {
    const read = (text: string) => detectAndReadVms([{ file: 'g.cfg', text: `name = "g"\n${text}` }], host)[0]!;
    expect(errorOf(() => read('# end')).message).toContain('a comment on the last line needs a newline');
    expect(read('vcpus = 3').vcpusMax).toBe(3);
    expect(read('# end\n').vcpusMax).toBe(1);
  });

  it('reads the escapes of its strings: those of C, and octal digits that leave nothing', () => {
    const nameOf = (quoted: string) => detectAndReadVms([{ file: 'g.cfg', text: `name = ${quoted}\n` }], host)[0]!.name;
    expect(nameOf(`"a\\"b"`)).toBe('a"b');
    expect(nameOf(`'a\\'b'`)).toBe("a'b");
    expect(nameOf(`"a\\\\b"`)).toBe('a\\b');
    expect(nameOf(`"a\\101b"`)).toBe('ab');
    // Three digits at most follow; one alone is refused.
    expect(nameOf(`"a\\1012b"`)).toBe('ab');
    expect(errorOf(() => nameOf(`"a\\1b"`)).message).toContain("xl refuses the escape '\\1'");
    for (const letter of ['a', 'b', 'f', 'n', 'r', 't', 'v']) {
      expect(errorOf(() => nameOf(`"x\\${letter}"`)).message).toContain('without control characters');
    }
  });

  it('without a place of its own is refused by file and setting', () => {
    expect(errorOf(() => detectAndReadVms([{ file: 'a', text: 'memory = 5\n' }], host)).place).toStrictEqual({ file: 'a', path: 'name' });
  });

  it("fills in libxl's defaults", () => {
    const [guest] = detectAndReadVms([{ file: 'a', text: 'name = "a"\nmaxvcpus = 4\n' }], host);
    expect(guest).toMatchObject({ vcpusMax: 4, vcpusAtStartup: 1, memoryStaticMaxBytes: 32 * 2 ** 20, memoryTargetBytes: 32 * 2 ** 20 });
    expect(xl('memory = 01000').memoryStaticMaxBytes).toBe(512 * 2 ** 20);
    expect(xl('vcpus = 0')).toMatchObject({ vcpusMax: 1, vcpusAtStartup: 1 });
  });

  it.each([
    ['cpus_sofft = "0"', 'cpus_sofft= is not a setting of xl, which ignores it; did you mean cpus_soft?'],
    ['pvh = 1', 'pvh= is not a setting of xl, which ignores it; write type = "pvh"; without it the guest is PV'],
    ['shadow_memory = 16', 'shadow_memory= is not part of the plan: it changes the memory that the guest needs besides its own'],
    ['memory = 01000', 'memory is octal for xl: 01000 is 512'],
    ['vcpus = 2x', "vcpus is not a number for xl ('2x'); xl ignores it"],
    ['cpus = "0-99"', 'cpus= names CPUs that'],
    ['cpus = "99"', 'xl refuses this config: cpus leaves vCPU 0 no CPU'],
    ['vcpus = 0\ncpus = "3"', 'cpus= has no effect without vcpus= or maxvcpus='],
    ['vnuma = "pnode=0"', 'vnuma= is a string, which xl ignores; write a list'],
  ])('notes the missing effect of %j', (lines, note) => {
    expect(xl(lines).notes?.join('\n')).toContain(note);
  });

  it('has no notes on an ordinary config', () => {
    expect(xl('type = "hvm"\ncpus = "all"\nvif = ["bridge=xenbr0"]\non_crash = "restart"').notes).toBeUndefined();
  });

  it('refuses a config without a name, and two VMs of one name', () => {
    expect(errorOf(() => detectAndReadVms([{ file: 'a', text: 'memory = 5' }], host)).message).toContain('name');
    expect(errorOf(() => detectAndReadVms([sample('vms/router.cfg'), sample('vms/router.cfg')], host)).message).toContain('router');
  });
});
