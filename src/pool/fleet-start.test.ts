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
  await startOn(session, 'template', 'host', START, { againMs: 0 });
  expect(methods.filter((method) => method === 'VM.get_record')).toHaveLength(answers.length);
  expect(methods).not.toContain('VM.destroy');
});

it.each([
  ['says that it is off', [AWAY, STARTING, stateOf('Halted')]],
  ['knows no such VM', [AWAY, new XapiError('HANDLE_INVALID', ['VM', 'vm'])]],
])('a pool that %s has not started the VM', async (_, answers) => {
  const { session } = poolThatSays(...answers);
  await expect(startOn(session, 'template', 'host', START, { againMs: 0 })).rejects.toThrow('the connection was lost');
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

const REFUSED = new XapiError('SESSION_AUTHENTICATION_FAILED', ['root', 'wrong password']);
const BUSY = { power_state: 'Halted', current_operations: { task: 'start_on' } };

/** What a start says while it waits, and its pauses in milliseconds. */
async function waitingFor(...answers: readonly (Readonly<Record<string, unknown>> | Error)[]) {
  const [said, pausesMs]: [unknown[], number[]] = [[], []];
  const waiting = (problem: unknown) => void said.push(problem);
  const pause = async (ms: number) => void pausesMs.push(ms);
  await startOn(poolThatSays(...answers).session, 'template', 'host', START, { waiting, pause });
  return { said, pausesMs };
}

it('a pool that refuses its login is said once with its reason, and asked again after growing pauses', async () => {
  const { said, pausesMs } = await waitingFor(...Array<Error>(12).fill(REFUSED), stateOf('Running'));
  expect(said).toEqual([REFUSED, null]);
  expect(pausesMs).toEqual([...pausesMs].sort((a, b) => a - b));
  expect([pausesMs[0], pausesMs.at(-1)]).toEqual([1000, 60_000]);
});

it('each new reason of a pool is said, and the same one again after ten minutes', async () => {
  const { said } = await waitingFor(AWAY, AWAY, REFUSED, ...Array<Error>(18).fill(AWAY), stateOf('Running'));
  expect(said).toEqual([AWAY, REFUSED, AWAY, AWAY, null]);
});

it('a pool that starts the VM for more than a minute is said to be busy', async () => {
  expect((await waitingFor(BUSY, stateOf('Running'))).said).toEqual([]);
  const { said } = await waitingFor(...Array<typeof BUSY>(8).fill(BUSY), stateOf('Running'));
  expect(said.map((one) => (one instanceof Error ? one.message : one))).toEqual(['the pool has not ended its operation start_on', null]);
});

it.each([
  ['of which only the first mark could be taken off', ['xennuma-fleet-starting'], 'VM_metrics.start_time'],
  ['that a person started before the next collector came', ['xennuma-fleet-starting'], 'VM_metrics.last_updated'],
])('a VM %s is kept: it has run', async (_, marks, field) => {
  const records: Readonly<Record<string, unknown>> = {
    'VM.get_all_records': {
      a: {
        name_label: 'web',
        power_state: 'Halted',
        is_a_snapshot: false,
        metrics: 'm',
        other_config: Object.fromEntries(marks.map((one) => [one, 'true'])),
      },
    },
    'VM_metrics.get_record': {
      start_time: '19700101T00:00:00Z',
      last_updated: '19700101T00:00:00Z',
      [field.slice('VM_metrics.'.length)]: '20261130T10:00:00Z',
    },
  };
  const methods: string[] = [];
  const call = async (method: string) => {
    methods.push(method);
    return records[method] ?? '';
  };
  expect(await recoverStarts(XapiSession.known({ call, close() {} }, 'session'))).toEqual({ destroyed: [], kept: ['web'], failed: [] });
  expect(methods).not.toContain('VM.destroy');
});

it('marks that are taken off one by one never leave a VM that ran as one that never did', async () => {
  for (const lost of [1, 2]) {
    const marks = new Set<string>();
    let removals = 0;
    const call = async (method: string, [, , key]: readonly unknown[]) => {
      if (method === 'VM.add_to_other_config') marks.add(String(key));
      if (method === 'VM.remove_from_other_config' && ++removals >= lost) throw AWAY;
      if (method === 'VM.remove_from_other_config') marks.delete(String(key));
      return method === 'VM.get_other_config' ? {} : 'vm';
    };
    await startOn(XapiSession.known({ call, close() {} }, 'session'), 'template', 'host', START);
    expect(marks.has('xennuma-fleet-starting') && !marks.has('xennuma-fleet-asked'), `${[...marks]}`).toBe(false);
  }
});

it('a VM that the pool does not let go does not keep the next collector from the others', async () => {
  const made = (name: string) => ({
    ...{ name_label: name, power_state: 'Halted', is_a_snapshot: false, metrics: 'm' },
    other_config: { 'xennuma-fleet-starting': 'true' },
  });
  const answers: Readonly<Record<string, unknown>> = {
    'VM.get_all_records': { a: made('stuck'), b: made('free') },
    'VM_metrics.get_record': { start_time: '19700101T00:00:00Z', last_updated: '19700101T00:00:00Z' },
    'VM.get_VBDs': [],
  };
  const call = async (method: string, [, ref]: readonly unknown[]) => {
    if (method === 'VM.destroy' && ref === 'a') throw new XapiError('OPERATION_NOT_ALLOWED', ['a', 'destroy']);
    return answers[method] ?? '';
  };
  expect(await recoverStarts(XapiSession.known({ call, close() {} }, 'session'))).toEqual({
    ...{ destroyed: ['free'], kept: [] },
    failed: ['stuck (OPERATION_NOT_ALLOWED: a, destroy)'],
  });
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
    if (method === 'VM_metrics.get_record') return { start_time: '19700101T00:00:00Z', last_updated: '19700101T00:00:00Z' };
    return method === 'VM.get_VBDs' ? [] : '';
  };
  const found = await recoverStarts(XapiSession.known({ call, close() {} }, 'session'));
  expect(found).toEqual({ destroyed: ['made'], kept: ['went'], failed: [] });
  expect(calls.filter((line) => /destroy|remove/.test(line))).toEqual([
    'VM.destroy a',
    ...['b', 'c'].flatMap((ref) => [starting, asked].map((mark) => `VM.remove_from_other_config ${ref} ${mark}`)),
  ]);
});

it('a start is decided once the changed password of the pool is known', async () => {
  let [right, file, revoked] = ['old', 'old', false];
  const call = async (method: string, [first, second]: readonly unknown[]) => {
    if (method === 'session.login_with_password') {
      if (second !== right) throw new XapiError('SESSION_AUTHENTICATION_FAILED', ['root', 'wrong password']);
      return `session of ${second}`;
    }
    if (revoked && first !== `session of ${right}`) throw new XapiError('SESSION_INVALID', [String(first)]);
    if (method === 'VM.start_on') {
      [right, revoked] = ['new', true];
      throw AWAY;
    }
    if (method === 'VM.get_record') return stateOf('Running');
    return method === 'VM.get_other_config' ? {} : 'vm';
  };
  const session = await XapiSession.over({ call, close() {} }, () => ({ user: 'root', password: file }));
  const said: unknown[] = [];
  // The administrator writes the new password into the file after the third question.
  const pause = async () => {
    if (said.length > 0 && ++pauses === 3) file = 'new';
  };
  let pauses = 0;
  await startOn(session, 'template', 'host', START, { waiting: (problem) => said.push(problem), pause });
  expect(said.map((problem) => (problem as Error | null)?.message ?? null)).toEqual([
    'SESSION_AUTHENTICATION_FAILED: root, wrong password',
    null,
  ]);
  expect(pauses).toBe(3);
});
