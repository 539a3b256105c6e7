// Listings that a program wrote with something of its own on each line: they read as the listings
// alone do, or are refused, and never name a domain with what the program added.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cases } from '../../../../test/support/cases.js';
import { checkProperty } from '../../../../test/support/check-property.js';
import { read } from '../../../../test/support/read-paste.js';
import { TWO_NODES_DUMP, twoNodesInfo, twoNodesList, twoNodesVcpus } from '../../../../test/support/two-nodes.js';

const INFO = twoNodesInfo({
  between: ['device topology        :', 'device           node', 'No device topology data available'],
  tail: { xen_version: '4.17.4', xen_commandline: 'dom0_mem=2048M,max:2048M watchdog ucode=scan dom0_max_vcpus=1-2' },
});
const POOLS = 'Name               CPU list\nPool-0             0,1,2,3,4,5,6,7';
const GUESTS = ['win 10 (2)', 'db', 'INFO desk', '12 monkeys'];
const COMMANDS = ['xl info -n', 'xl list -n', 'xl vcpu-list', 'xl debug-keys u; xl dmesg | tail -7', 'xl cpupool-list -c'];
const partsOf = (guest: string) => [INFO, twoNodesList(guest), twoNodesVcpus(guest), TWO_NODES_DUMP, POOLS];

/** A line, and its number in the text from 0. */
type Form = (line: string, at: number) => string;
const linesOf = (text: string, form: Form) => text.split('\n').map(form).join('\n');
const two = (value: number) => String(value).padStart(2, '0');
const time = (at: number) => `12:${two(Math.floor(at / 60))}:${two(at % 60)}`;
const iso = (at: number) => `2024-05-01T${time(at)}`;

const FORMS: readonly (readonly [string, Form])[] = [
  ['a level', (line) => `INFO  ${line}`],
  ['levels of several widths', (line, at) => `${['INFO ', 'DEBUG', 'WARN '][at % 3]} ${line}`],
  ['a level in brackets', (line) => `[INFO] ${line}`],
  ['a level and a dash', (line) => `INFO - ${line}`],
  ['a level and a host', (line) => `INFO  db-prod  ${line}`],
  ["Python's logging", (line, at) => `2024-05-01 ${time(at)},123 - xl - INFO - ${line}`],
  ["Python's default", (line) => `INFO:root:${line}`],
  ["Go's logging", (line, at) => `I0501 ${time(at)}.123456   12345 xl.go:42] ${line}`],
  ["Java's logging", (line, at) => `2024-05-01 ${time(at)},123 [main] INFO  org.x.Y - ${line}`],
  ['a time, a tab, a level', (line, at) => `${iso(at)}.123Z\tINFO\t${line}`],
  ['logfmt', (line, at) => `time=${iso(at)}Z level=info msg="${line}"`],
  ['syslog', (line, at) => `Nov 30 ${time(at)} host prog[12]: ${line}`],
  ["syslog's priority", (line, at) => `<14>Nov 30 ${time(at)} host prog[12]: ${line}`],
  ['RFC 5424', (line, at) => `<14>1 ${iso(at)}.123Z host prog 12 - - ${line}`],
  ["journald's full date", (line, at) => `Thu 2024-05-01 ${time(at)} CEST host xl[12]: ${line}`],
  ['the date of ctime', (line, at) => `Thu May  1 ${time(at)} 2024: ${line}`],
  ['an ISO date', (line, at) => `${iso(at)}.123+02:00 ${line}`],
  ['seconds since 1970', (line, at) => `1714560${two(at)}.123 ${line}`],
  ["xenopsd's log", (line, at) => `Nov 30 ${time(at)} host xenopsd-xc: [debug||12 ||xl] ${line}`],
  ["xapi's log", (line, at) => `[20240501T${time(at)}.123Z|debug|host|12 ||xl] ${line}`],
  ["a container's log", (line, at) => `${iso(at)}.123456789Z stdout F ${line}`],
  ['a pod', (line) => `[pod/xen-abc/tools] ${line}`],
  ['Compose', (line) => `web-1  | ${line}`],
  ['a host', (line) => `xcp1 ${line}`],
  ['a host and a colon', (line) => `xcp1: ${line}`],
  ['Fabric', (line) => `[root@xcp1] out: ${line}`],
  ["a continuous integration's job", (line, at) => `${iso(at)}.123Z 01O ${line}`],
  ['a file, as grep -H', (line) => `/tmp/out/xl.txt:${line}`],
  ['a file and a number, as grep -Hn', (line, at) => `xl.txt:${at + 1}:${line}`],
  ['numbers of grep -n', (line, at) => `${at + 12}:${line}`],
  ['numbers of cat -n', (line, at) => `${String(at + 1).padStart(6)}\t${line}`],
  ['numbers with gaps', (line, at) => `${2 * at}: ${line}`],
  ['numbers with a letter', (line, at) => `L${at + 1} ${line}`],
  ['numbers and a bar', (line, at) => `${String(at + 1).padStart(4)} \u2502 ${line}`],
  ['bullets', (line) => `\u2022 ${line}`],
  ['boxes to tick', (line) => `- [ ] ${line}`],
  ['cells of Jira', (line) => `|${line}|`],
  ['cells of Markdown', (line) => `| ${line} |`],
  ['the border of a pane, left', (line) => `\u2502${line}`],
  ['the border of a pane, right', (line) => `${line.padEnd(100)}\u2502top - 12:00`],
  ['borders on both sides', (line) => `\u2551 ${line.padEnd(100)} \u2551`],
  ['another pane, left', (line, at) => `${(['top - 12:00', 'Tasks: 5', '', ''][at % 4] ?? '').padEnd(20)}\u2502${line}`],
  ['comments', (line) => `# ${line}`],
  ['comments of Java', (line) => ` * ${line}`],
  ['removed lines of a diff', (line) => `-${line}`],
  ['the trace of a shell', (line) => `+ ${line}`],
  ['arrows', (line) => `=> ${line}`],
  ['marks of a quote', (line) => `\u00bb ${line}`],
  ['the name of a writer', (line) => `joe> ${line}`],
  ['a chat of two words', (line, at) => `[01/05/2024, ${time(at)}] Joe Doe: ${line}`],
  ['quotes of a word processor', (line) => `\u201c${line}\u201d`],
  ['strings of JSON', (line) => `    "${line.replaceAll('\t', '\\t')}",`],
  ['a column of CSV', (line) => `xcp1,"${line}"`],
  ['blanks that do not break', (line) => `\u00a0\u00a0${line.replaceAll(' ', '\u00a0')}`],
  ['colours', (line) => `\u001b[32mINFO\u001b[0m ${line}\r`],
];

/** Which lines of the text have the form. */
const EXTENTS: readonly (readonly [string, (parts: readonly string[], form: Form) => string])[] = [
  ['all lines', (parts, form) => linesOf(parts.join('\n'), form)],
  ['all lines and prompts', (parts, form) => linesOf(parts.map((part, at) => `[root@alpha ~]# ${COMMANDS[at]}\n${part}`).join('\n'), form)],
  ['all lines but the empty ones', (parts, form) => parts.map((part) => linesOf(part, form)).join('\n\n')],
  [
    '`xl list` and `xl vcpu-list`',
    (parts, form) => parts.map((part, at) => (at === 1 || at === 2 ? linesOf(part, form) : part)).join('\n'),
  ],
  ['`xl vcpu-list`', (parts, form) => parts.map((part, at) => (at === 2 ? linesOf(part, form) : part)).join('\n')],
];

describe.each(FORMS)('lines with %s', (_, form) => {
  it.each(EXTENTS)('on %s', (_extent, of) => {
    for (const guest of GUESTS) {
      const parts = partsOf(guest);
      const whole = read(of(parts, (line) => line));
      expect(whole).toMatchObject({
        map: {
          domains: [
            { domid: 0, name: 'Domain-0' },
            { domid: 7, name: guest },
          ],
        },
        notes: [],
      });
      expect(read(of(parts, form))).toEqual(whole);
    }
  });
});

describe('rows without their heading, as grep prints them', () => {
  const whole = read(partsOf('db').join('\n'));
  const rows = (table: string) => table.split('\n').slice(1).join('\n');
  const of = (form: Form, list = rows(twoNodesList('db')), vcpus = rows(twoNodesVcpus('db'))) =>
    read(
      [INFO, '# xl list -n | grep', linesOf(list, form), '# xl vcpu-list | grep', linesOf(vcpus, form), TWO_NODES_DUMP, POOLS].join('\n'),
    );

  it.each(FORMS.filter(([name]) => !/level|numbers with|pane|cells|borders/.test(name)))('with %s', (_, form) => {
    const found = of(form);
    if (found !== 'refused') for (const { name } of found.map.domains) expect(['Domain-0', 'db', 'Domain-7']).toContain(name);
  });
  it('are those of the tables', () => expect(of((line) => line)).toEqual(whole));
  it.each(['INFO  ', 'db-prod: ', '[x] ', '- '])('lose what moves their columns: %j', (prefix) => {
    const guest = (table: string) => table.split('\n').at(-1)!;
    const found = of((line) => prefix + line, guest(twoNodesList('db')), guest(twoNodesVcpus('db')));
    expect(found).toMatchObject({ map: { domains: [{ domid: 0 }, { domid: 7, name: 'db' }] } });
  });
  it('keep names that are longer than their column, and names that were edited', () => {
    const long = `the database of the ${'very '.repeat(4)}long name`;
    expect(long.length).toBeGreaterThan(33);
    expect(read(partsOf(long).join('\n'))).toMatchObject({ map: { domains: [{}, { name: long }] } });
    const edited = partsOf('db').map((part) => part.replaceAll(/^db(?= )/gm, 'my own database'));
    expect(read(edited.join('\n'))).toMatchObject({ map: { domains: [{}, { name: 'my own database' }] } });
  });
});

describe('prefixes at random', () => {
  const word = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_.-]{0,7}$/);
  const fixed = fc.oneof(
    word,
    word.map((one) => `[${one}]`),
    word.map((one) => `<${one}>`),
    word.map((one) => `${one}:`),
    fc.constantFrom('|', '-', '#', '*', '>', '::', '->', '~', '+', '//', '(', '"', "'", '=', ','),
  );
  const token = fc.oneof(
    { weight: 3, arbitrary: fixed.map((text) => ({ text })) },
    { weight: 1, arbitrary: fc.constantFrom('number', 'time', 'level').map((counts) => ({ counts })) },
  );
  const gap = fc.constantFrom(' ', '  ', '\t', ': ', ' | ', '');
  type Token = { readonly text: string } | { readonly counts: string };
  const print = (one: Token, at: number) => {
    if ('text' in one) return one.text;
    if (one.counts === 'number') return String(at + 8);
    return one.counts === 'time' ? time(at) : ['INFO', 'WARN', 'ERROR'][at % 3]!;
  };

  it('are removed, or the text is refused', () => {
    const property = fc.property(
      fc.array(fc.tuple(token, gap), { minLength: 1, maxLength: 4 }),
      fc.nat(GUESTS.length - 1),
      fc.nat(EXTENTS.length - 1),
      (tokens, guest, extent) => {
        const parts = partsOf(GUESTS[guest]!);
        const [, of] = EXTENTS[extent]!;
        const prefix = (at: number) => tokens.map(([one, after]) => print(one, at) + after).join('');
        // Of digits at the end, nothing tells which belong to a name such as "12 monkeys".
        fc.pre(!/\d$/.test(prefix(0)));
        const form: Form = (line, at) => prefix(at) + line;
        const found = read(of(parts, form));
        if (found === 'refused') return;
        const names = found.map.domains.map(({ name }) => name);
        for (const name of names) expect(['Domain-0', GUESTS[guest], 'Domain-7']).toContain(name);
        if (found.notes.length === 0) expect(found).toEqual(read(parts.join('\n')));
      },
    );
    checkProperty('prefixed-texts', property, { numRuns: cases(300, 3000), seed: 20_241_130 });
  });
});
