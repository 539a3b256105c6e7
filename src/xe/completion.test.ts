// The completion script, tested in bash itself.
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { xeBashCompletion } from './completion.js';

const bash = spawnSync('bash', ['--version']).status === 0;

function complete(...words: string[]): string[] {
  // A host that knows two VMs and one host stands in for xe.
  const script = `${xeBashCompletion('fake_xe')}
fake_xe() { case "$1" in vm-list) [ "$2" = params=name-label ] && echo web,db || echo u-1,u-2 ;; host-list) echo xcp-1 ;; *) return 1 ;; esac; }
_xennuma_xe "$@"
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync('bash', ['-c', script, 'complete', ...words], { encoding: 'utf8' });
  expect(stderr).toBe('');
  return stdout.split('\n').filter((line) => line !== '');
}

describe.skipIf(!bash)('completion of xe in bash', () => {
  it.each([
    [['vm-sta'], ['vm-start']],
    [['host-param-s'], ['host-param-set']],
    [['-s', 'host', '-u', 'root', 'pool-l'], ['pool-list']],
    [['help', 'vm-mig'], ['vm-migrate']],
    [['vm-param-set', 'uui'], ['uuid=']],
    [['vm-param-set', 'VCPUs-params:m'], ['VCPUs-params:mask=']],
    [['host-param-set', 'numa-affinity-policy=best'], ['best_effort']],
    [
      ['vm-start', 'vm='],
      ['web', 'db'],
    ],
    [['vm-start', 'vm=d'], ['db']],
    [['vm-start', 'on='], ['xcp-1']],
    [['vm-start', '--f'], ['--force']],
    [
      ['vm-param-get', 'uuid='],
      ['u-1', 'u-2'],
    ],
    [['vm-shutdown', 'uuid=u-1'], ['u-1']],
    [['vm-param-get', 'param-name=numa-o'], ['numa-optimised']],
    [['vm-param-add', 'param-name=VCP'], ['VCPUs-params']],
    [['vm-list', 'params=power'], ['power-state']],
    [['event-wait', 'class=h'], ['host']],
    [['vm-burn', 'x'], []],
  ])('%j', (words, expected) => {
    expect(complete(...words)).toEqual(expected);
  });
});
