import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { shellWord } from './shell-word.js';

it('a shell reads back each word as it was', () => {
  const words = ['web-1', '0-3,8', "it's $x", '', ' ', '$(id)', '`id`', 'a;b', 'a\nb', '"', '\\', '*', '~', '-n', 'ä', '!x', '#x'];
  const line = words.map((word) => `printf '%s\\0' ${shellWord(word)}`).join('; ');
  expect(execFileSync('sh', ['-c', line], { encoding: 'utf8' }).split('\0').slice(0, -1)).toEqual(words);
  expect(shellWord('VCPUs-params:mask=0,1')).toBe('VCPUs-params:mask=0,1');
});
