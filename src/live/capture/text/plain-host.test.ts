// Descriptions of a host that people pasted: they read as the tool printed them, or are refused.
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { twoNodesInfo } from '../../../../test/support/two-nodes.js';
import { InputError } from '../../../base/errors.js';
import type { Host } from '../../../machine/model.js';
import { detectAndRead } from '../../../machine/readers/detect.js';
import { plainHost } from './plain-host.js';

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => from + at);
/** Nodes of 48 CPUs each, whose lines no terminal of 132 columns shows in one. */
const numactl = (nodes: number, each: number) =>
  [
    `available: ${nodes} nodes (0-${nodes - 1})`,
    ...range(0, nodes - 1).flatMap((node) => [
      `node ${node} cpus: ${range(node * each, (node + 1) * each - 1).join(' ')}`,
      `node ${node} size: 64508 MB`,
      `node ${node} free: ${60_000 + node} MB`,
    ]),
    'node distances:',
    `node ${range(0, nodes - 1)
      .map((node) => String(node).padStart(3))
      .join(' ')} `,
    ...range(0, nodes - 1).map(
      (from) =>
        `${String(from).padStart(3)}: ${range(0, nodes - 1)
          .map((to) => String(from === to ? 10 : 21).padStart(3))
          .join(' ')} `,
    ),
  ].join('\n');
const NUMACTL = numactl(4, 48);
const MATRIX = numactl(32, 2);
const INFO = twoNodesInfo({ tail: { xen_version: '4.17' } });
const LSCPU = `Architecture:                       x86_64
CPU(s):                             8
Thread(s) per core:                 1
Core(s) per socket:                 4
Socket(s):                          2
NUMA node(s):                       2
NUMA node0 CPU(s):                  0-3
NUMA node1 CPU(s):                  4-7`;
const BOTH = `${numactl(2, 4)}\n${LSCPU}`;

const read = (text: string) => detectAndRead([plainHost({ file: 'h.txt', text })]);
const same = (text: string): Host => detectAndRead([{ file: 'h.txt', text }]);
type Form = (line: string, at: number) => string;
const linesOf = (text: string, form: Form) => text.split('\n').map(form).join('\n');
const cut = (text: string, width: number) => linesOf(text, (line) => line.match(new RegExp(`.{1,${width}}`, 'g'))?.join('\n') ?? '');
const trimmed = (text: string) => linesOf(text, (line) => line.trimEnd());

const FORMS: readonly (readonly [string, Form])[] = [
  ['quote marks', (line) => `> ${line}`],
  ['two quote marks', (line) => `>> ${line}`],
  ['a bar', (line) => `| ${line}`],
  ['a level', (line) => `INFO  ${line}`],
  ['the name of the host', (line) => `alpha: ${line}`],
  ['journald', (line, at) => `Nov 30 12:00:${String(at % 60).padStart(2, '0')} alpha bash[12]: ${line}`],
  ['a time', (line) => `2024-05-01T12:00:01Z ${line}`],
  ['line numbers', (line, at) => `${String(at + 1).padStart(4)}  ${line}`],
  ['a file, as grep -Hn', (line, at) => `h.txt:${at + 1}:${line}`],
  ['bullets', (line) => `* ${line}`],
  ['cells', (line) => `| ${line} |`],
  ['colours and carriage returns', (line) => `\u001b[33m${line}\u001b[0m\r`],
  ['blanks that do not break', (line) => line.replaceAll(' ', '\u00a0')],
  ['indentation', (line) => `    ${line}`],
];
const HOSTS = [
  ['numactl', 'numactl -H', NUMACTL],
  ['numactl of 32 nodes', 'numactl --hardware', MATRIX],
  ['numactl and lscpu', 'numactl -H; lscpu', BOTH],
  ['xl info', 'xl info -n', INFO],
] as const;

describe.each(HOSTS)('%s', (_, command, text) => {
  const whole = same(text);
  it.each(FORMS)('with %s', (_form, form) => {
    expect(read(linesOf(text, form))).toEqual(whole);
    expect(read(linesOf(`[root@alpha ~]# ${command}\n${text}\n[root@alpha ~]# `, form))).toEqual(whole);
  });
  it.each([
    ['a prompt', `root@alpha:~# ${command}\n${text}\nroot@alpha:~# `],
    ['a prompt and a sentence', `Hi, my host:\n\n$ sudo ${command}\n${text}\n\nThanks`],
    ['a fence', `\`\`\`\n${text}\n\`\`\``],
    ['a page', `<html><body><pre>${text}</pre></body></html>`],
    ['a folded part of an issue', `<details><summary>the host</summary>\n<p>\n\n\`\`\`\n${text}\n\`\`\`\n\n</p>\n</details>`],
    ['a part of a page', `<div class="code"><code>\n${text}\n</code></div>`],
  ])('in %s', (_form, pasted) => expect(read(pasted)).toEqual(whole));
  it.each([80, 100, 120, 132])('cut at column %i', (width) => {
    expect(read(cut(text, width))).toEqual(whole);
    expect(read(trimmed(cut(text, width)))).toEqual(whole);
    expect(read(linesOf(cut(text, width), (line) => `> ${line}`))).toEqual(whole);
  });
});

describe('a wrapped listing is read as a whole or refused', () => {
  it.each(HOSTS)('%s', (_, command, text) => {
    const whole = JSON.stringify(same(text));
    for (let width = 60; width <= 140; width++) {
      for (const form of [(line: string) => line, (line: string) => `> ${line}`]) {
        const wrapped = trimmed(linesOf(cut(`# ${command}\n${text}`, width), form));
        let found: Host;
        try {
          found = read(wrapped);
        } catch (error) {
          expect(error).toBeInstanceOf(InputError);
          continue;
        }
        expect({ width, host: JSON.stringify(found) }).toEqual({ width, host: whole });
      }
    }
  });
});

describe('a file of another format is not changed', () => {
  const folder = new URL('../../../../examples/hosts/', import.meta.url);
  it.each(readdirSync(folder).filter((name) => /\.(?:yaml|xml|xl-info\.txt|numactl\.txt)$/.test(name)))('%s', (name) => {
    const text = readFileSync(new URL(name, folder), 'utf8');
    expect(detectAndRead([plainHost({ file: name, text })])).toEqual(detectAndRead([{ file: name, text }]));
  });
  it('and an unknown one is refused as it is', () => {
    expect(() => read('> hello')).toThrow(/unknown format/);
  });
  it('errors name the line of the file', () => {
    let refusal: unknown;
    try {
      read(`Hi\n\n${linesOf(NUMACTL.replace('64508 MB', '64508 XB'), (line) => `> ${line}`)}`);
    } catch (error) {
      refusal = error;
    }
    expect(String(refusal)).toMatch(/^h\.txt:5: expected a size/);
  });
});
