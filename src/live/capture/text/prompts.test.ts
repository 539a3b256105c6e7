// Sessions of shells with all kinds of prompts, without an empty line between the commands: a
// prompt is no part of the row above it.
import { expect, it } from 'vitest';
import { read } from '../../../../test/support/read-paste.js';
import { TWO_NODES_DUMP, twoNodesInfo, twoNodesList, twoNodesVcpus } from '../../../../test/support/two-nodes.js';

const XE = `uuid ( RO)                 : 6e0b8dd3-9c5a-4c0a-8d15-2f0d3c1b7a11
           name-label ( RW): db
               dom-id ( RO): 7
         VCPUs-params (MRW): mask: 4,5,6,7
           os-version (MRO): name: Microsoft Windows Server 2019 Standard|C:\\Windows|\\Device\\Harddisk0\\Partition2; distro: windows; major: 10`;
const COMMANDS: readonly (readonly [string, string])[] = [
  ['xl info -n', twoNodesInfo({})],
  ['xl list -n', twoNodesList('db')],
  ['xl vcpu-list', twoNodesVcpus('db')],
  ['xl debug-keys u; xl dmesg | tail -20', TWO_NODES_DUMP],
  ['xe vm-param-list uuid=6e0b8dd3-9c5a-4c0a-8d15-2f0d3c1b7a11', XE],
];
const session = (prompt: string) => COMMANDS.map(([command, output]) => `${prompt}${command}\n${output}\n`).join('') + prompt.trimEnd();
const PLAIN = COMMANDS.map(([, output]) => output).join('\n\n');

it.each([
  ['XCP-ng', '[12:01 xcp-a ~]# '],
  ['a host and a path, without a blank', 'xcp-a~#'],
  ['zsh', 'xcp-a# '],
  ['fish', 'root@xcp-a ~> '],
  ['Gentoo', 'xcp-a ~ # '],
  ['Alpine', 'xcp-a:~# '],
  ['Qubes', '[user@dom0 ~]$ sudo '],
  ['oh my zsh', '➜  ~ '],
  ['Starship, of two lines', 'root in xcp-a in ~\n❯ '],
  ['Powerlevel, of two lines', '╭─root@xcp-a ~\n╰─# '],
  ['a sentence of the writer', 'Output of '],
  ['a heading of Markdown', '### '],
  ["bash's trace", '+ '],
])('%s', (_, prompt) => {
  expect(read(session(prompt))).toEqual(read(PLAIN));
});
