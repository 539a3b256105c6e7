// Starts through a pool whose answers get lost. test/fleet/pool-starts.test.ts has a whole pool.
import { expect, it } from 'vitest';
import { XapiSession } from '../xapi-client/session.js';
import { type PoolStart, startOn } from './fleet-start.js';

const START: PoolStart = { claim: 'p.1-1', name: 'web', vcpus: 2, memoryBytes: 2 ** 30, cpus: [0, 1] };

/** A pool that starts the VM or not, and whose answer to that is lost. */
function poolWith(state: 'Running' | 'Halted'): { readonly session: XapiSession; readonly methods: string[] } {
  const methods: string[] = [];
  const answers: Readonly<Record<string, unknown>> = {
    'VM.clone': 'vm',
    'VM.get_other_config': {},
    'VM.get_power_state': state,
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
