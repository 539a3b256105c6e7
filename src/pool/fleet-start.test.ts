// Starts through a pool whose answers get lost. test/fleet/pool-starts.test.ts has a whole pool.
import { expect, it } from 'vitest';
import { XapiError, XapiUnreachable } from '../xapi-client/errors.js';
import { XapiSession } from '../xapi-client/session.js';
import { type PoolStart, recoverStarts, startOn } from './fleet-start.js';

const START: PoolStart = { claim: 'p.1-1', name: 'web', vcpus: 2, memoryBytes: 2 ** 30, cpus: [0, 1] };

/** A pool that starts the VM or not, and whose answer to that is lost. */
function poolWith(state: 'Running' | 'Halted'): { readonly session: XapiSession; readonly methods: string[] } {
  const methods: string[] = [];
  const answers: Readonly<Record<string, unknown>> = {
    'VM.clone': 'vm',
    'VM.get_other_config': {},
    'VM.get_record': { power_state: state, current_operations: {} },
    'VM.get_VBDs': ['drive'],
    'VBD.get_record': { VDI: 'disk', other_config: { owner: '' } },
  };
  const call = async (method: string) => {
    methods.push(method);
    if (method === 'VM.start_on') throw new Error('the connection was lost');
    return answers[method] ?? '';
  };
  return { session: XapiSession.known({ call, close() {} }, 'session'), methods };
}

it('a VM that runs is started, although the answer was lost', async () => {
  const { session, methods } = poolWith('Running');
  await startOn(session, 'template', 'host', START);
  expect(methods).not.toContain('VM.destroy');
  expect(methods.at(-1)).toBe('VM.remove_from_other_config');
});

it('a VM that does not run is gone with its disk, and the error says why', async () => {
  const { session, methods } = poolWith('Halted');
  await expect(startOn(session, 'template', 'host', START)).rejects.toThrow('the connection was lost');
  expect(methods.slice(-2)).toEqual(['VM.destroy', 'VDI.destroy']);
});

/** Answers of VM.get_record, one after the other; the last one is for good. */
function poolThatSays(...answers: readonly (Readonly<Record<string, unknown>> | Error)[]) {
  const left = [...answers];
  const methods: string[] = [];
  const call = async (method: string) => {
    methods.push(method);
    if (method === 'VM.start_on') throw new Error('the connection was lost');
    if (method === 'VM.get_VBDs') return [];
    if (method === 'VM.get_other_config') return {};
    if (method !== 'VM.get_record') return 'vm';
    const answer = left.length > 1 ? left.shift()! : left[0]!;
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return { session: XapiSession.known({ call, close() {} }, 'session'), methods };
}

const AWAY = new XapiUnreachable('timeout', 'no answer', 'try again');
const STARTING = { power_state: 'Halted', current_operations: { task: 'start_on' } };
const stateOf = (state: string) => ({ power_state: state, current_operations: {} });

it.each([
  ['is away and then says that it runs', [AWAY, AWAY, stateOf('Running')]],
  ['is still starting it', [STARTING, AWAY, STARTING, stateOf('Running')]],
])('a pool that %s has started the VM', async (_, answers) => {
  const { session, methods } = poolThatSays(...answers);
  await startOn(session, 'template', 'host', START, 0);
  expect(methods.filter((method) => method === 'VM.get_record')).toHaveLength(answers.length);
  expect(methods).not.toContain('VM.destroy');
});

it.each([
  ['says that it is off', [AWAY, STARTING, stateOf('Halted')]],
  ['knows no such VM', [AWAY, new XapiError('HANDLE_INVALID', ['VM', 'vm'])]],
])('a pool that %s has not started the VM', async (_, answers) => {
  const { session } = poolThatSays(...answers);
  await expect(startOn(session, 'template', 'host', START, 0)).rejects.toThrow('the connection was lost');
});

it('a VM that runs is started, although its marks cannot be taken off', async () => {
  const methods: string[] = [];
  const call = async (method: string) => {
    methods.push(method);
    if (method === 'VM.remove_from_other_config') throw AWAY;
    return method === 'VM.get_other_config' ? {} : 'vm';
  };
  await startOn(XapiSession.known({ call, close() {} }, 'session'), 'template', 'host', START);
  expect(methods).toContain('VM.start_on');
  expect(methods).not.toContain('VM.destroy');
});

it('the next collector destroys only what the pool was not asked to start', async () => {
  const [starting, asked] = ['xennuma-fleet-starting', 'xennuma-fleet-asked'];
  const vm = (name: string, power_state: string, ...marks: string[]) => ({
    ...{ name_label: name, power_state, is_a_snapshot: false },
    other_config: Object.fromEntries(marks.map((mark) => [mark, 'true'])),
  });
  const vms = {
    a: vm('made', 'Halted', starting),
    b: vm('ran', 'Running', starting, asked),
    c: vm('went', 'Halted', starting, asked),
    d: vm('own', 'Halted'),
  };
  const calls: string[] = [];
  const call = async (method: string, [, ...params]: readonly unknown[]) => {
    calls.push([method, ...params].join(' '));
    if (method === 'VM.get_all_records') return vms;
    return method === 'VM.get_VBDs' ? [] : '';
  };
  const found = await recoverStarts(XapiSession.known({ call, close() {} }, 'session'));
  expect(found).toEqual({ destroyed: ['made'], kept: ['went'] });
  expect(calls.filter((line) => /destroy|remove/.test(line))).toEqual([
    'VM.destroy a',
    ...['b', 'c'].flatMap((ref) => [asked, starting].map((mark) => `VM.remove_from_other_config ${ref} ${mark}`)),
  ]);
});
