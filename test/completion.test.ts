// `xennuma completion`: scripts of bash, zsh and fish.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../src/cli/command-table.js';
import { root, xennuma } from './xennuma.js';

const folder = mkdtempSync(join(tmpdir(), 'xennuma-completion-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('completion', () => {
  it('of bash knows the options of a pool', () => {
    const { out } = xennuma(['completion', 'bash']);
    for (const name of ['verify', 'place']) expect(out).toMatch(new RegExp(`^    ${name}\\)[\\s\\S]*?words="[^"]*--pool --user`, 'm'));
  });

  it('of bash is a script that completes commands, options and their values', () => {
    const { out } = xennuma(['completion', 'bash']);
    const complete = (words: string[]) => {
      const script = `${out}\nCOMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _xennuma; echo "\${COMPREPLY[*]}"`;
      return spawnSync('bash', ['-c', script], { encoding: 'utf8', cwd: root }).stdout.trim().split(/\s+/);
    };
    expect(complete(['xennuma', 'pl'])).toEqual(['plan', 'place']);
    expect(complete(['xennuma', 'plan', '--pro'])).toEqual(['--profile']);
    expect(complete(['xennuma', 'plan', '--policy', 'best_effort'])).toEqual(['best_effort', 'best_effort_hard']);
    expect(complete(['xennuma', 'plan', '--host', 'LICEN'])).toEqual(['LICENSE']);
    expect(complete(['xennuma', 'help', 'sh'])).toEqual(['show']);
    expect(complete(['xennuma', 'fleet', 'pl'])).toEqual(['place']);
    expect(complete(['xennuma', 'serve', 'passwd', 'anna', '--ro'])).toEqual(['--role']);
  });

  it('of bash completes the words of xe, where readline breaks them at = and :', () => {
    const { out } = xennuma(['completion', 'bash']);
    const complete = (line: string, ...words: string[]) => {
      const script = `${out}
xennuma() { echo web,db; }
COMP_LINE='${line}'; COMP_POINT=${line.length}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _xennuma; echo "\${COMPREPLY[*]}"`;
      return spawnSync('bash', ['-c', script], { encoding: 'utf8', cwd: root }).stdout.trim().split(/\s+/);
    };
    expect(complete('xennuma xe vm-star', 'xennuma', 'xe', 'vm-star')).toEqual(['vm-start']);
    expect(complete('xennuma xe vm-start vm=', 'xennuma', 'xe', 'vm-start', 'vm', '=')).toEqual(['web', 'db']);
    expect(complete('xennuma xe vm-start vm=w', 'xennuma', 'xe', 'vm-start', 'vm', '=', 'w')).toEqual(['web']);
    // The text before the last : is on the line already.
    expect(complete('xennuma xe vm-param-set VCPUs-params:m', 'xennuma', 'xe', 'vm-param-set', 'VCPUs-params', ':', 'm')).toEqual([
      'mask=',
    ]);
    expect(
      complete('xennuma xe host-param-set numa-affinity-policy=b', 'xennuma', 'xe', 'host-param-set', 'numa-affinity-policy', '=', 'b'),
    ).toEqual(['best_effort']);
  });

  it.each(['zsh', 'fish'])('of %s names every command', (shell) => {
    const { code, out } = xennuma(['completion', shell]);
    expect(code).toBe(0);
    for (const { name } of COMMANDS) expect(out).toContain(name);
  });

  it('of zsh and fish knows subcommands, and which options take a file or another value', () => {
    const zsh = xennuma(['completion', 'zsh']).out;
    expect(zsh).toMatch(/^ {8}'1:word:\(.*\bpasswd\b.*\)'/m);
    expect(zsh).toMatch(/'\*--from=\[.*\]:file:_files'/);
    expect(zsh).toMatch(/'\*--seed=\[.*\]:value: '/);
    expect(zsh).toMatch(/'\*--parallel\[[^\]]*\]'/);
    const fish = xennuma(['completion', 'fish']).out;
    expect(fish).toMatch(/^complete -c xennuma -n '__xennuma_first_word serve' -xa '.*\bpasswd\b.*'$/m);
    expect(fish).toMatch(/^complete -c xennuma -n '__xennuma_is plan' -l from -r /m);
    expect(fish).toMatch(/^complete -c xennuma -n '__xennuma_is plan' -l seed -x /m);
  });

  it.each([
    ['zsh', '-n'],
    ['fish', '--no-execute'],
  ])('of %s is a script of that shell, where it is installed', (shell, check) => {
    const file = join(folder, shell);
    writeFileSync(file, xennuma(['completion', shell]).out);
    const { status, error, stderr } = spawnSync(shell, [check, file], { encoding: 'utf8' });
    // Few machines have both.
    if (error !== undefined) expect(error).toMatchObject({ code: 'ENOENT' });
    else expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});
