// Pasted texts: the same host in the forms of terminals, forums, mail programs and loggers.

import { describe, expect, it } from 'vitest';
import { TWO_NODES_DUMP, twoNodesInfo, twoNodesList, twoNodesVcpus } from '../../../../test/support/two-nodes.js';
import { coresOf } from '../../../../test/support/xl-info.js';
import { PAGES_PER_GIB } from '../../../base/units.js';
import { renderHostMapText } from '../../../view/host-map-text.js';
import { readCapture } from '../captured-host.js';
import { textOfBytes } from './plain-text.js';

const GUEST = 'win 10 (2)';
const INFO = twoNodesInfo({
  between: ['device topology        :', 'device           node', 'No device topology data available'],
  tail: {
    xen_version: '4.17.4',
    xen_commandline: 'dom0_mem=2048M,max:2048M watchdog ucode=scan dom0_max_vcpus=1-2 crashkernel=256M,below=4G console=vga',
  },
});
const LIST = twoNodesList(GUEST);
const VCPUS = twoNodesVcpus(GUEST);
const DUMP = TWO_NODES_DUMP;
const POOLS = 'Name               CPU list\nPool-0             0,1,2,3,4,5,6,7';
const PARTS = [INFO, LIST, VCPUS, DUMP, POOLS];
const COMMANDS = ['xl info -n', 'xl list -n', 'xl vcpu-list', 'xl dmesg | tail -n 7', 'xl cpupool-list -c'];
const plain = PARTS.join('\n');

const read = (text: string) => readCapture([{ file: 'paste.txt', text }]).live;
const linesOf = (text: string, change: (line: string) => string) => text.split('\n').map(change).join('\n');
const atPrompt = (prompt: string) => PARTS.map((part, at) => `${prompt}${COMMANDS[at]}\n${part}`).join('\n');
const logged = (prefix: string) => [INFO, LIST, VCPUS, linesOf(DUMP, (line) => `${prefix}${line}`), POOLS].join('\n');
const wrapped = (width: number) => linesOf(plain, (line) => line.match(new RegExp(`.{1,${width}}`, 'g'))?.join('\n') ?? '');

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
const numbered = (before: (number: number) => string) => {
  let number = 0;
  return linesOf(plain, (line) => `${before(++number)}${line}`);
};
/** A line of the terminal after each eighth line. */
const screens = (status: string) => {
  let number = 0;
  return linesOf(plain, (line) => (++number % 8 === 0 ? `${line}\n${status}` : line));
};
/** Wrapped between words, as mail programs do. */
const wordWrapped = (width: number) =>
  linesOf(plain.replaceAll('\t', '     '), (line) => {
    const rows = [''];
    for (const piece of line.match(/\s*\S+/g) ?? []) {
      const last = rows.length - 1;
      if (rows[last] !== '' && rows[last]!.length + piece.length > width) rows.push(piece.trimStart());
      else rows[last] += piece;
    }
    return rows.join('\n');
  });

/** RFC 2045, 6.7: lines of at most 76 characters, "=" and what is not ASCII as =XX. */
const quotedPrintable = (text: string) =>
  linesOf(text.replaceAll('=', '=3D'), (line) => line.replaceAll(/(.{72}(?:[^=]{3}|[^=]{2}(?==)|[^=](?==)|(?==)))(?=.)/g, '$1=\n'));
const base64 = (text: string) => Buffer.from(text).toString('base64').replaceAll(/.{76}/g, '$&\n');
const mail = (encoding: string, body: string) =>
  `From: a@b.example\nSubject: NUMA\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: ${encoding}\n\n${body}`;
const severalParts = (text: string, { alone = text, boundary = ' boundary="=_7b"' } = {}) => {
  const part = (type: string, body: string) =>
    `--=_7b\nContent-Type: ${type}\nContent-Transfer-Encoding: quoted-printable\n\n${quotedPrintable(body)}\n`;
  const parts = [part('text/plain', alone), part('text/html', `<html><body><pre>${escaped(text)}</pre></body></html>`)];
  return `Subject: NUMA\nContent-Type: multipart/alternative;${boundary}\n\n${parts.join('\n')}--=_7b--\n`;
};
/** As a mail program writes the plain form of a text in bold. */
const withoutLineEnds = `*${plain.replaceAll('\n', '')}*`;

describe('a text is read as it was printed', () => {
  const { map, notes } = read(plain);
  it('plain', () => {
    expect(map.domains[1]).toMatchObject({ name: 'win 10 (2)', nodeAffinity: [1], pages: [PAGES_PER_GIB, 3 * PAGES_PER_GIB] });
    expect(notes).toEqual([]);
  });
  it.each([
    ["XCP-ng's prompt", atPrompt('[14:03 xcp-ng-1 ~]# ')],
    ["Qubes' prompt", atPrompt('[user@dom0 ~]$ sudo ')],
    ["zsh's prompt", atPrompt('root@alpha ~ # ')],
    ['a virtual environment', atPrompt('(base) root@alpha:~# ')],
    ['blanks collapsed by a forum', linesOf(plain, (line) => line.trim().replaceAll(/\s+/g, ' '))],
    ['indentation of a block of code', linesOf(plain, (line) => `    ${line}`)],
    ['tabs before each line', linesOf(plain, (line) => `\t${line}`)],
    ['quoting marks and line breaks of Markdown', linesOf(atPrompt('# '), (line) => `> ${line}  `)],
    ['a byte order mark and CRLF', `\ufeff${plain.replaceAll('\n', '\r\n')}`],
    ['entities of HTML', plain.replaceAll(' / ', ' &#x2F; ').replaceAll('  ', '&nbsp; ')],
    ["xenconsoled's time stamps", logged('[2024-05-01 12:00:01] ')],
    ["syslog's date, host and program", logged('May  1 12:00:01 alpha xen: ')],
    ['tabs in place of blanks', plain.replaceAll('    ', '\t').replaceAll('(XEN) ', '(XEN)\t')],
    ["Xen's own time stamps", plain.replaceAll('(XEN) ', '(XEN) [2024-05-01 12:00:01] ')],
    ['an older dump before the last', [INFO, LIST, VCPUS, DUMP.replaceAll('786432', '5'), DUMP, POOLS].join('\n')],
    [
      'a message of libxl between rows',
      plain.replace(
        '\nwin 10 (2)                           7     0',
        '\nlibxl: warning: libxl.c:1: odd\nwin 10 (2)                           7     0',
      ),
    ],
    ['a page with <pre>', `<html><body><p>My host:</p><pre><code>${escaped(plain)}</code></pre><p>Any idea?</p></body></html>`],
    ['a page with <br> and blanks that do not break', escaped(plain).replaceAll('\n', '<br>\n').replaceAll('  ', ' &nbsp;')],
    ['a page with <br/> alone', escaped(plain).replaceAll('\n', '<br/>')],
    ['a page with an element for each line', linesOf(escaped(plain), (line) => `<div class="l"><span>${line}</span></div>`)],
    ['entities escaped twice', escaped(escaped(atPrompt('root@alpha:~> ')))],
    ['code marks for each line', linesOf(plain, (line) => `\`${line}\``)],
    ['a fence with attributes', `~~~ {.bash}\n${plain}\n~~~`],
    ['tags of a forum', `[code]${plain}[/code]`],
    ['tags of an issue tracker', `{code:title=x|borderStyle=solid}${plain}{code}`],
    ['indentation below a sentence', `The output:\n${linesOf(plain, (line) => `      ${line}`)}\nThanks`],
    ['bullets', linesOf(plain, (line) => `* ${line}`)],
    ['a diff', linesOf(plain, (line) => `+${line}`)],
    ['line numbers', numbered((number) => `${String(number).padStart(4)}  `)],
    ['line numbers with colons', numbered((number) => `${number}: `)],
    ['quotes and commas around lines', linesOf(plain, (line) => `"${line}",`)],
    ['dashes and quotes of a word processor', plain.replaceAll('--', '\u2014').replaceAll(/(\d)-(\d)/g, '$1\u2013$2')],
    ['colons of an input method', plain.replaceAll(':', '\uff1a')],
    ['line ends of old Macintoshes', plain.replaceAll('\n', '\r')],
    ['line ends as a shell writes them', plain.replaceAll('\n', '\\n')],
    ['a mail in quoted-printable', plain.replaceAll('=', '=3D').replaceAll(/(.{70})(?=.)/g, '$1=\n')],
    ['a mail in quoted-printable, by its headers', mail('quoted-printable', quotedPrintable(plain.replaceAll('=', ' ')))],
    ['a part of such a mail, without its headers', quotedPrintable(plain)],
    ['an answer in such a mail', mail('quoted-printable', quotedPrintable(`Hi,\n${linesOf(plain, (line) => `> ${line}`)}\n`))],
    ['a mail in quoted-printable, without any =', quotedPrintable(plain.replaceAll('=', ' '))],
    ['a mail of Windows', mail('quoted-printable', quotedPrintable(plain)).replaceAll('\n', '\r\n')],
    ['a mail in base64', mail('base64', base64(plain))],
    ['a mail of several parts, the last a page', severalParts(plain)],
    ['such a mail whose plain part lost its line ends', severalParts(plain, { alone: withoutLineEnds })],
    [
      'such a mail within a signed one, with a folded header',
      `Content-Type: multipart/signed; boundary=s1\n\n--s1\n${severalParts(plain, { alone: withoutLineEnds, boundary: '\n boundary==_7b' })}\n--s1--\n`,
    ],
    [
      'a mailbox',
      `From a Thu Jan  1 00:00:00 2026\n${mail('base64', base64('Hello,'))}\nFrom b Thu Jan  1 00:00:00 2026\n${mail('quoted-printable', quotedPrintable(plain))}`,
    ],
    ["JSON of Ansible's", JSON.stringify({ stdout: plain, stdout_lines: plain.split('\n'), rc: 0 }, null, 4)],
    ["Ansible's line for a host", `alpha | CHANGED => ${JSON.stringify({ stdout: plain })}`],
    ['the name of the host before each line', linesOf(plain, (line) => `alpha: ${line}`)],
    ["journald's lines", linesOf(plain, (line) => `Nov 29 12:00:01 alpha bash[1234]: ${line}`)],
    ["journald's lines with ISO dates", linesOf(plain, (line) => `2024-05-01T12:00:01+0200 alpha bash[1234]: ${line}`)],
    ['time stamps in brackets', linesOf(plain, (line) => `[2024-05-01 12:00:01] ${line}`)],
    ['seconds since the start', linesOf(plain, (line) => `[    1.234567] ${line}`)],
    ['the time of day', linesOf(plain, (line) => `12:00:01.123 ${line}`)],
    ['a chat', linesOf(plain, (line) => `<joe> ${line}`)],
    ['a chat with the time', linesOf(plain, (line) => `12:01 <@joe> ${line}`)],
    ["sudo's question", atPrompt('$ sudo ').replace('\nhost', '\n[sudo] password for user: host')],
    ["doas' question", atPrompt('$ doas ').replace('\nhost', '\ndoas (user@dom0) password: host')],
    ["tmux' status line, in the middle of tables", screens('[0] 0:bash*  1:top-                   "alpha" 12:00 29-Nov-26')],
    ["screen's status line", screens('[ alpha ][ 0$ bash  (1*$bash)  2$ top ][29/11 12:00]')],
    ["more's question", screens('--More--(42%)')],
    ["less' question", screens('lines 1-8/60 13%')],
    ['a window title at each prompt', atPrompt('\u001b]0;root@alpha: ~\u0007\u001b[01;32mroot@alpha\u001b[00m:~# ')],
    ['script(1)', `Script started on 2024-05-01 12:00:01+02:00 [TERM="xterm"]\n${plain}\nScript done on 2024-05-01`],
    ["ssh's messages", `root@alpha's password: \r\n${plain}\nConnection to alpha closed.`],
    ['a zero byte at the end', `${plain}\n\0`],
    ['a line cut before the soft affinity', plain.replace('4-5,7 / 4-7', '4-5,7\n / 4-7')],
  ])('%s', (_, text) => expect(read(text).map).toEqual(map));

  it.each([60, 66, 72, 75, 80, 90, 100])('cut at column %i, wherever that is', (width) => {
    expect(
      wrapped(width)
        .split('\n')
        .every((line) => line.length <= width),
    ).toBe(true);
    expect(read(wrapped(width)).map).toEqual(map);
  });
});

describe('a text wrapped between words', () => {
  it.each([70, 72, 76, 78, 80, 90])('at column %i', (width) => {
    const text = wordWrapped(width);
    expect(text.split('\n').every((line) => line.length <= width)).toBe(true);
    expect(read(text)).toEqual(read(plain));
    expect(read(linesOf(text, (line) => `> ${line}`)).map).toEqual(read(plain).map);
  });
});

describe('a file of any encoding', () => {
  const utf16 = Buffer.from(plain, 'utf16le');
  it.each([
    ['UTF-8', Buffer.from(plain)],
    ['UTF-16 with a mark', Buffer.concat([Buffer.from([0xff, 0xfe]), utf16])],
    ['UTF-16 without a mark', utf16],
    ['big-endian UTF-16 without a mark', Buffer.from(utf16).swap16()],
  ])('%s', (_, bytes) => expect(textOfBytes(bytes)).toBe(plain));
  it('Latin-1 keeps all that the tools print', () =>
    expect(read(textOfBytes(Buffer.from(`Gr\u00fc\u00dfe\n${plain}`, 'latin1'))).map).toEqual(read(plain).map));
});

describe('a text without `xl info -n`', () => {
  const LONG = JSON.stringify(
    [
      { domid: 0, config: { c_info: { type: 'pv', name: 'Domain-0' }, b_info: { max_vcpus: 2, target_memkb: 2_097_152 } } },
      {
        domid: 7,
        config: {
          c_info: { type: 'hvm', name: 'win 10 (2)' },
          b_info: { max_vcpus: 2, avail_vcpus: [0, 1], target_memkb: 4_194_304, vcpu_soft_affinity: [[4, 5, 6, 7]] },
        },
      },
    ],
    null,
    4,
  );
  const XE = `uuid ( RO)             : 0aa5a0c2-54a4-4bd1-9b5a-000000000001
     name-label ( RW): win 10 (2)
    resident-on ( RO): 0aa5a0c2-54a4-4bd1-9b5a-0000000000aa
         dom-id ( RO): 7
  memory-actual ( RO): 4294967296
   VCPUs-params (MRW): mask: 4,5,6,7; weight: 256
   VCPUs-number ( RO): 2

`;
  const FULL_DUMP = DUMP.replace(
    '(XEN) Memory',
    `(XEN) NODE0 start->0 size->2097152 free->262144
(XEN) NODE1 start->2097152 size->2097152 free->786432
(XEN) CPU0...3 -> NODE0
(XEN) CPU4...7 -> NODE1
(XEN) Memory`,
  );
  it("takes nodes and CPUs from debug key 'u', and says that their distances are assumed", () => {
    const { map, notes } = read([LIST, VCPUS, FULL_DUMP].join('\n'));
    expect(map.nodes.map(({ memoryBytes, freePages }) => [memoryBytes / 2 ** 30, freePages])).toEqual([
      [8, 262_144],
      [8, 786_432],
    ]);
    expect(map.cpus.map((cpu) => cpu?.node)).toEqual([0, 0, 0, 0, 1, 1, 1, 1]);
    expect(map.domains[1]).toMatchObject({ name: 'win 10 (2)', nodeAffinity: [1], pages: [PAGES_PER_GIB, 3 * PAGES_PER_GIB] });
    expect(notes.join('\n')).toMatch(/does not print their distances: `xl info -n` does/);
  });

  it('takes `xl info` without -n where it counts one node', () => {
    const one = 'nr_cpus : 4\nmax_cpu_id : 3\nnr_nodes : 1\ntotal_memory : 4096\nfree_memory : 1024';
    const { map, notes } = read(one);
    expect(map.cpus).toHaveLength(4);
    expect(map.nodes).toMatchObject([{ memoryBytes: 2 ** 32, freePages: PAGES_PER_GIB }]);
    expect(notes.join('\n')).toMatch(/taken without -n/);
    expect(() => read(one.replace('nr_nodes : 1', 'nr_nodes : 2'))).toThrow(/expected the table 'numa_info', found none/);
  });

  it('names what it found', () => {
    expect(() => read(LONG)).toThrow(/topology is not known: found `xl list -l`, not `xl info -n`/);
    expect(() => read(XE)).toThrow(/topology is not known: found `xe`, not `xl info -n`/);
  });

  it('takes the domains of `xl list -l` and of `xe vm-list` where no table lists them', () => {
    const long = readCapture([{ file: 'p', text: `${INFO}\n${LONG}` }]);
    expect(long.live.map.domains).toMatchObject([{ domid: 0 }, { domid: 7, name: 'win 10 (2)', kind: 'hvm', pagesUnknown: true }]);
    expect(long.live.map.domains[1]!.vcpus).toHaveLength(2);
    expect(long.live.notes.join('\n')).toMatch(/vCPU affinity is not known, .* run `xl vcpu-list`/);
    const xe = readCapture([{ file: 'p', text: `${INFO}\n${XE}` }]);
    expect(xe.live.map.domains).toMatchObject([{ domid: 7, name: 'win 10 (2)' }]);
    expect(xe.live.uuids.get(7)).toBe('0aa5a0c2-54a4-4bd1-9b5a-000000000001');
    expect(xe.xapi.vms).toMatchObject([{ mask: '4,5,6,7' }]);
  });

  it('does not take the VMs of other hosts of a pool for its own', () => {
    const other = XE.replace('0001\n', '0002\n').replace('00aa\n', '00bb\n').replace('win 10 (2)', 'elsewhere');
    const lost = read(`${INFO}\n${XE}${other}`);
    expect(lost.map.domains).toEqual([]);
    expect(lost.notes.join('\n')).toMatch(/on several hosts, and alpha is none of them/);
    const host = `uuid ( RO) : 0aa5a0c2-54a4-4bd1-9b5a-0000000000aa\nname-label ( RW): one\nhostname ( RO): alpha\nsoftware-version (MRO): product_version: 8.3.0\n\n`;
    expect(read(`${INFO}\n${host}${XE}${other}`).map.domains.map(({ name }) => name)).toEqual(['win 10 (2)']);
  });

  it('reads answers of `xe` that were quoted and wrapped', () => {
    const long = XE.replace('weight: 256', `weight: 256; note: ${'word '.repeat(12)}end`);
    const quoted = linesOf(long.replaceAll(/(.{60,70}) /g, '$1\n  '), (line) => `> ${line}`);
    expect(quoted).not.toBe(linesOf(long, (line) => `> ${line}`));
    expect(readCapture([{ file: 'p', text: `${plain}\n${quoted}` }]).xapi.vms).toMatchObject([{ name: 'win 10 (2)', mask: '4,5,6,7' }]);
  });
});

describe('a text that lacks where the memory is', () => {
  const without = [INFO, LIST, VCPUS, POOLS].join('\n');
  it('says so of each domain, and not that Xen has the memory in use', () => {
    const { map, notes } = read(without);
    expect(map).toMatchObject({ usersUnknown: true, domains: [{ pagesUnknown: true }, { pagesUnknown: true }] });
    expect(notes).toEqual(['Memory by node is not known: run `xl debug-keys u; xl dmesg`.']);
    const shown = renderHostMapText(map, { width: 100, color: false });
    expect(shown).toContain('1 VM; the nodes of its memory are not known\n');
    expect(shown).toContain('= in use, not known by whom 7 GiB');
    expect(shown).toMatch(/^A win 10 \(2\) .* not known +- +-$/m);
    expect(shown).not.toMatch(/none|= Xen/);
  });

  it('does not take a dump for one without its lines by node', () => {
    const { map, notes } = read([without, DUMP.replaceAll(/^.*Node .*\n?/gm, '')].join('\n'));
    expect(map.domains.map(({ pagesUnknown }) => pagesUnknown)).toEqual([true, true]);
    expect(notes).toHaveLength(1);
    const cut = read([without, DUMP.replace(/\n.*Node 0: 262144[\s\S]*$/, '')].join('\n'));
    expect(cut.map.domains.map(({ pagesUnknown }) => pagesUnknown)).toEqual([undefined, true]);
    expect(cut.notes).toEqual([
      'Memory by node of win 10 (2) is not in the dump, or not all of it: run `xl debug-keys u; xl dmesg` again.',
    ]);
  });

  it('does not take the rest of a domain whose lines by node are there in part', () => {
    // 786,432 of 1,048,576 pages; a count that is a little behind is none that is cut.
    const part = read([without, DUMP.replace('\n(XEN)     Node 0: 262144', '')].join('\n'));
    expect(part.map.domains.map(({ pagesUnknown }) => pagesUnknown)).toEqual([undefined, true]);
    const behind = read([without, DUMP.replace('Node 0: 262144', 'Node 0: 262000')].join('\n'));
    expect(behind.map.domains[1]!.pages).toEqual([262_000, 786_432]);
  });

  it('knows of no VMs where no table lists them', () => {
    expect(renderHostMapText(read(INFO).map, { width: 100, color: false })).toContain('VMs not known\n');
  });
});

describe('what a writer adds', () => {
  const whole = read(plain).map;
  const commands = (before: string, after: string) =>
    PARTS.map((part, at) => `${before}root@alpha:~# ${COMMANDS[at]}${after}\n${part}`).join('\n');

  it.each([
    ['commands in bold, Markdown', commands('**', '**')],
    ['commands in bold, BBCode', commands('[b]', '[/b]')],
    ['commands in colour, BBCode', commands('[color=#ff0000]', '[/color]')],
    ['commands in bold, HTML', commands('<b>', '</b>')],
    ['commands as code', commands('`', '`')],
    ['a part of a row in bold', plain.replace('all / 4-7', '**all / 4-7**')],
    ['an arrow behind a row', plain.replace('all / 4-7', 'all / 4-7   <--- why?')],
    ['an arrow behind memory', plain.replace('Node 1: 786432', 'Node 1: 786432 <- most of it')],
    ['an arrow alone', plain.replace('Node 1: 786432', 'Node 1: 786432  \u2190')],
  ])('%s', (_, text) => expect(read(text).map).toEqual(whole));

  it.each(['a <- b', '[b]x', 'a **b', 'a__b'])('but a name stays: %s', (name) => {
    const named = read(plain.replaceAll('win 10 (2)', name)).map;
    expect(named).toEqual({ ...whole, domains: whole.domains.map((one) => (one.domid === 7 ? { ...one, name } : one)) });
  });

  it('knows rows of `xl vcpu-list` without their heading', () => {
    const [, ...rows] = VCPUS.split('\n');
    expect(read([INFO, LIST, 'alpha:~# xl vcpu-list | tail -n +2', ...rows, DUMP, POOLS].join('\n')).map).toEqual(whole);
    const [win] = rows.filter((row) => row.includes('win') && row.includes('  5 '));
    const one = read([INFO, LIST, 'alpha:~# xl vcpu-list | grep win', win, DUMP, POOLS].join('\n'));
    expect(one.map.domains[1]!.vcpus).toMatchObject([{ id: 0, soft: [4, 5, 6, 7] }, { id: 1 }]);
    expect(one.notes.join(' ')).toMatch(
      /The affinity of Domain-0 is not in the table: .* The affinity of 1 of 2 vCPUs of win 10 \(2\) is not in the table/,
    );
  });

  it('takes the later of two states of one host', () => {
    const after = plain.replace('Node 0: 262144', 'Node 0: 0').replace('Node 1: 786432', 'Node 1: 1048576');
    const { map } = read(`Before:\n\n${atPrompt('# ')}\n\nAfter:\n\n${after}`);
    expect(map).toEqual(read(after).map);
  });
});

const XENPM = ['CPU\tcore\tsocket\tnode', ...coresOf(2, 4).map((cells, cpu) => `CPU${cpu}\t ${cells.join('\t ')}`)].join('\n');

describe('what is no text of one running host is refused', () => {
  it.each([
    ['two hosts', `${plain}\n${plain.replace(': alpha', ': beta')}`, /expected the listings of one host, got those of alpha and beta/],
    [
      'more free than there is',
      plain.replace('total_memory', 'free_memory            : 16385\ntotal_memory'),
      /16384 MiB of free memory .*got 16385/,
    ],
    [
      'a host for --host',
      'available: 1 nodes (0)\nnode 0 cpus: 0 1\nnode 0 size: 100 MB',
      /got a description of a host; give it with --host/,
    ],
    ['VMs for --vms', "name = 'db'\nmemory = 1024\n", /got a description of VMs; give it with --vms/],
    [
      'a table of CPUs that was cut in the middle',
      `${INFO.replace(/\n +2:[^\n]*/, '\n...')}\n${XENPM}`,
      /the table of xl info has 7 CPUs, and xenpm or debug key 'u' lists 8.*give the table of `xl info -n` whole/,
    ],
    ['neither', 'hello', /expected the output of Xen tools, found none/],
  ])('%s', (_, text, message) => {
    let refusal = '';
    try {
      read(text);
    } catch (error) {
      refusal = String(error);
    }
    expect(refusal).toMatch(message);
  });

  it('as much free memory as there is at most is accepted', () => {
    expect(read(plain.replace('total_memory', 'free_memory            : 16384\ntotal_memory')).map.name).toBe('alpha');
  });
});
