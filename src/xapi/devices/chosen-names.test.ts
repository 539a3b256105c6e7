// Uuids and types of storage that a caller chooses.
import { afterEach, describe, expect, it } from 'vitest';
import { testDaemon } from '../../../test/support/daemon.js';
import type { XapiError } from '../wire/errors.js';
import { type Wire, WireDate } from '../wire/values.js';

const NULL = 'OpaqueRef:NULL';
const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

async function bench() {
  const daemon = await testDaemon();
  ends.push(() => daemon.close());
  const { call, objects } = daemon;
  const failure = (method: string, ...params: readonly Wire[]) =>
    call(method, ...params).then(
      () => 'success',
      ({ code, params: rest }: XapiError) => [code, ...rest],
    );
  return { call, failure, objects, sr: (await call('pool.get_default_SR', objects.pool)) as string };
}

describe('storage whose caller chooses', () => {
  it('its uuid: it is one, and no other record has it', async () => {
    const { call, failure, sr } = await bench();
    const vdi = await call('VDI.create', { name_label: 'd', SR: sr, virtual_size: 1, type: 'user' });
    const uuid = await call('VDI.get_uuid', vdi);
    const image = ['d', '', sr, 'user', false, false, {}, 'place', {}, {}, true, 0, 0, NULL, false, WireDate.at(0), NULL];
    expect(await failure('VDI.introduce', uuid, ...image)).toEqual(['DB_UNIQUENESS_CONSTRAINT_VIOLATION', 'VDI', 'uuid', uuid]);
    expect(await failure('VDI.introduce', 'no uuid', ...image)).toEqual(['UUID_INVALID', 'VDI', 'no uuid']);
    expect(await failure('SR.introduce', 'no uuid', 'x', '', 'ext', 'user', false, {})).toEqual(['UUID_INVALID', 'SR', 'no uuid']);
  });

  it.each(['zfs', 'constructor', '__proto__'])('the type %s, which no driver has', async (type) => {
    const { failure, objects } = await bench();
    expect(await failure('SR.create', objects.host, {}, 0, 'x', '', type, '', false, {})).toEqual(['SR_UNKNOWN_DRIVER', type]);
  });
});
