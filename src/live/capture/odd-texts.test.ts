// Texts as terminals, forums, mail programs and loggers hand them on: each is the same host.
import { describe, expect, it } from 'vitest';
import { PAGES_PER_GIB } from '../../base/units.js';
import { readCapture } from './captured-host.js';

const INFO = `host                   : alpha
nr_cpus                : 8
nr_nodes               : 2
total_memory           : 16384
cpu_topology           :
cpu:    core    socket     node
  0:       0        0        0
  1:       1        0        0
  2:       2        0        0
  3:       3        0        0
  4:       0        1        1
  5:       1        1        1
  6:       2        1        1
  7:       3        1        1
device topology        :
device           node
No device topology data available
numa_info              :
node:    memsize    memfree    distances
   0:      8192       1024      10,21
   1:      8192       3072      21,10
xen_version            : 4.17.4
xen_commandline        : dom0_mem=2048M,max:2048M watchdog ucode=scan dom0_max_vcpus=1-2 crashkernel=256M,below=4G console=vga`;
const LIST = `Name                                        ID   Mem VCPUs\tState\tTime(s) NODE Affinity
Domain-0                                     0  2048     2     r-----     812.4 0
win 10 (2)                                   7  4096     2     -b----       9.9 1`;
const VCPUS = `Name                                ID  VCPU   CPU State   Time(s) Affinity (Hard / Soft)
Domain-0                             0     0    0   r--     402.0  0-3 / all
Domain-0                             0     1    2   -b-     410.4  0-3 / all
win 10 (2)                           7     0    5   -b-       5.0  all / 4-7
win 10 (2)                           7     1    -   --p       4.9  4-5,7 / 4-7`;
const DUMP = `(XEN) Memory location of each domain:
(XEN) Domain 0 (total: 524288):
(XEN)     Node 0: 524288
(XEN)     Node 1: 0
(XEN) Domain 7 (total: 1048576):
(XEN)     Node 0: 262144
(XEN)     Node 1: 786432`;
const POOLS = 'Name               CPU list\nPool-0             0,1,2,3,4,5,6,7';
const PARTS = [INFO, LIST, VCPUS, DUMP, POOLS];
const COMMANDS = ['xl info -n', 'xl list -n', 'xl vcpu-list', 'xl dmesg | tail -n 7', 'xl cpupool-list -c'];
const plain = PARTS.join('\n');

const read = (text: string) => readCapture([{ file: 'paste.txt', text }]).live;
const linesOf = (text: string, change: (line: string) => string) => text.split('\n').map(change).join('\n');
const atPrompt = (prompt: string) => PARTS.map((part, at) => `${prompt}${COMMANDS[at]}\n${part}`).join('\n');
const logged = (prefix: string) => [INFO, LIST, VCPUS, linesOf(DUMP, (line) => `${prefix}${line}`), POOLS].join('\n');
const wrapped = (width: number) => linesOf(plain, (line) => line.match(new RegExp(`.{1,${width}}`, 'g'))?.join('\n') ?? '');

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
    ["Xen's own time stamps", plain.replaceAll('(XEN) ', '(XEN) [2024-05-01 12:00:01] ')],
    ['an older dump before the last', [INFO, LIST, VCPUS, DUMP.replaceAll('786432', '5'), DUMP, POOLS].join('\n')],
    [
      'a message of libxl between rows',
      plain.replace(
        '\nwin 10 (2)                           7     0',
        '\nlibxl: warning: libxl.c:1: odd\nwin 10 (2)                           7     0',
      ),
    ],
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
