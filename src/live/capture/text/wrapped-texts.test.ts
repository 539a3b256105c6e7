// Pasted texts that a terminal or a mail program cut at one column, wherever that is: they read as
// the whole text does, or are refused, and never read as another host.
import { describe, expect, it } from 'vitest';
import { oneIn } from '../../../../test/support/cases.js';
import { read } from '../../../../test/support/read-paste.js';
import { TWO_NODES_DUMP, twoNodesInfo, twoNodesList, twoNodesVcpus } from '../../../../test/support/two-nodes.js';

/** The widths of terminals, and a share of all others. */
const WIDTHS = new Set([
  76,
  78,
  79,
  80,
  100,
  120,
  132,
  ...oneIn(
    3,
    Array.from({ length: 132 - 50 + 1 }, (_, at) => 50 + at),
  ),
]);
const INFO = twoNodesInfo({
  more: { hw_caps: '178bf3ff:76fa320b:2e500800:244037ff:0000000f:219c97a9:0040069c:00000780' },
  between: ['device topology        :', 'device           node', 'No device topology data available'],
  tail: {
    xen_version: '4.17.4',
    xen_caps: 'xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 ',
    xen_commandline:
      'dom0_mem=2048M,max:2048M watchdog ucode=scan dom0_max_vcpus=1-2 crashkernel=256M,below=4G console=vga vga=mode-0x0311',
  },
});
/** Xen's stamps make the rows of a dump so long that they are cut too. */
const DUMP = [
  "(XEN) 'u' pressed -> dumping numa info (now = 812345678901234)",
  '(XEN) NODE0 start->0 size->2097152 free->262144',
  '(XEN) NODE1 start->2097152 size->2097152 free->786432',
  '(XEN) CPU0...3 -> NODE0',
  '(XEN) CPU4...7 -> NODE1',
  TWO_NODES_DUMP,
]
  .join('\n')
  .replaceAll('(XEN) ', '(XEN) [2024-10-02 09:12:33] ');
const POOLS = 'Name               CPU list\nPool-0             0,1,2,3,4,5,6,7';

const texts = (prompt: string, guest: string) =>
  [
    ['xl info -n', INFO],
    ['xl list -n', twoNodesList(guest)],
    ['xl vcpu-list', twoNodesVcpus(guest).replaceAll('all / 4-7', '4-7 / all')],
    ['xl debug-keys u; xl dmesg | tail -20', DUMP],
    ['xl cpupool-list -c', POOLS],
  ]
    .map(([command, output]) => `${prompt}${command}\n${output}`)
    .concat(prompt)
    .join('\n');
const lines = (text: string, change: (line: string) => string) => text.split('\n').map(change).join('\n');
const wrapped = (text: string, width: number) => lines(text, (line) => line.match(new RegExp(`.{1,${width}}`, 'g'))?.join('\n') ?? '');
const quoted = (text: string, mark: string) => lines(text, (line) => mark + line);

const FORMS: [string, (text: string, width: number) => string][] = [
  ['cut', wrapped],
  ['cut and quoted', (text, width) => quoted(wrapped(text, width), '> ')],
  ['cut and quoted twice', (text, width) => quoted(wrapped(text, width), '>> ')],
  ['cut once and quoted', (text, width) => quoted(text.replaceAll(new RegExp(`^(.{${width}})(.)`, 'gm'), '$1\n$2'), '> ')],
  ['quoted and cut', (text, width) => wrapped(quoted(text, '> '), width)],
];
const PROMPTS = [
  ["XCP-ng's prompt", '[09:12 xcp1 ~]# '],
  ["Red Hat's prompt", '[root@alpha ~]# '],
  ["Debian's prompt", 'root@alpha:~# '],
  ["SUSE's prompt", 'alpha:~ # '],
  ['a virtual environment', '(base) root@alpha:~# '],
  ['a bare prompt', '# '],
] as const;
const GUESTS = ['db', 'win 10 (2)', 'a-guest-whose-name-is-longer-than-the-column-of-names'];

describe.each(FORMS)('a text that was %s at each column from 50 to 132', (_, form) => {
  it.each(PROMPTS.map(([name, prompt], at) => [name, GUESTS[at % GUESTS.length]!, prompt] as const))(
    '%s, guest %s',
    (_name, guest, prompt) => {
      const text = texts(prompt, guest);
      const whole = read(text);
      expect(whole).toMatchObject({ map: { domains: [{ domid: 0 }, { name: guest }] }, notes: [] });
      const found = [...WIDTHS].map((width) => ({ width, live: read(form(text, width)) }));
      const same = JSON.stringify(whole, shown);
      expect(found.filter(({ live }) => live !== 'refused' && JSON.stringify(live, shown) !== same).map(({ width }) => width)).toEqual([]);
      expect(found.filter(({ live }) => live === 'refused').map(({ width }) => width)).toEqual([]);
    },
  );
});

it('a heading that is as long as the cut lines takes no row', () => {
  const table = twoNodesList('db').replaceAll(/ NODE Affinity| +(?:all|[01])$/gm, '');
  const text = [INFO, table].join('\n');
  const width = table.indexOf('\n');
  expect(table.split('\n')[1]!.length).toBeGreaterThan(width);
  expect(JSON.stringify(read(wrapped(text, width)), shown)).toEqual(JSON.stringify(read(text), shown));
});

/** As editors and forums do. */
const withoutEndBlanks = (text: string) => lines(text, (line) => line.trimEnd());
const TERMINALS = [76, 78, 79, 80, 100, 120, 132];

describe('a text that was cut, and lost the blanks at the ends of its lines', () => {
  it.each(PROMPTS.map(([name, prompt], at) => [name, GUESTS[at % GUESTS.length]!, prompt] as const))(
    '%s, guest %s',
    (_name, guest, prompt) => {
      const text = texts(prompt, guest);
      const whole = JSON.stringify(read(text), shown);
      for (const width of TERMINALS) {
        const found = read(withoutEndBlanks(wrapped(text, width)));
        expect({ width, found: JSON.stringify(found, shown) }).toEqual({ width, found: whole });
      }
      for (const width of WIDTHS) {
        const found = read(withoutEndBlanks(wrapped(text, width)));
        if (found === 'refused' || JSON.stringify(found, shown) === whole) continue;
        // The blanks of some columns are not certain: then less is known, and it is said.
        expect({ width, names: found.map.domains.map(({ name }) => name) }).toEqual({ width, names: ['Domain-0', guest] });
        expect(found.notes).not.toEqual([]);
      }
    },
  );
});

function shown(_: string, value: unknown): unknown {
  return value instanceof Map || value instanceof Uint8Array ? [...value] : value;
}
