import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { commandLines, shellWord } from './shell-word.js';

it('a shell reads back each word as it was', () => {
  const words = ['web-1', '0-3,8', "it's $x", '', ' ', '$(id)', '`id`', 'a;b', 'a\nb', '"', '\\', '*', '~', '-n', 'ä', '!x', '#x'];
  const line = words.map((word) => `printf '%s\\0' ${shellWord(word)}`).join('; ');
  expect(execFileSync('sh', ['-c', line], { encoding: 'utf8' }).split('\0').slice(0, -1)).toEqual(words);
  expect(shellWord('VCPUs-params:mask=0,1')).toBe('VCPUs-params:mask=0,1');
});

const CPUS = Array.from({ length: 128 }, (_, cpu) => cpu).join(',');

it.each([
  'xe host-param-set uuid=$(xe host-list --minimal) numa-affinity-policy=best_effort',
  `xe vm-param-set uuid=0b1c2d3e-0000-4000-8000-000000000007 VCPUs-params:mask=${CPUS}`,
  `xl vcpu-pin 'a  name of ${'many '.repeat(12)}words' all - 0-3`,
  `xl vcpu-pin "it's  \\"${'so '.repeat(20)}\\"" all - 0-3`,
  'xl list',
])('%s is the same command in narrow lines', (command) => {
  const words = (script: string) =>
    execFileSync('sh', ['-c', `xe() { printf %s host; }; show() { printf '[%s]' "$@"; }; show ${script}`], { encoding: 'utf8' });
  for (const width of [40, 80, 1000]) {
    const lines = commandLines(command, width);
    expect(words(lines.join('\n').trimStart())).toBe(words(command));
    // What quotes enclose cannot be broken.
    if (!/['"]/.test(command)) for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
  }
  expect(commandLines(command, 1000)).toEqual([`  ${command}`]);
});
