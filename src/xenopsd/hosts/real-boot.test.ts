// Settings that only a real host needs: an invalid one is refused before there is a domain, and
// only for its own VM.
import { expect, it } from 'vitest';
import { machine, vm } from '../../../test/support/toolstack.js';
import { XEN_CAPABILITIES } from '../api/host-doors.js';
import { createToolstack } from '../life/toolstack.js';
import { embeddedHost } from './embedded-host.js';

const OPTIONS = { profile: 'xapi-25.6', policy: 'best_effort', seed: 1 } as const;

it('a VM that cannot be loaded fails before there is a domain, and others start', async () => {
  const host = await embeddedHost(machine([1024, 1024], 2), { profile: 'xapi-25.6' });
  const before = { keys: host.store.list(), domains: host.xc.domainList(), free: host.inspect.freePages() };
  const toolstack = await createToolstack({ ...host, can: XEN_CAPABILITIES }, OPTIONS);
  await toolstack.add(vm('no-kernel', 1, 64, { kind: 'pvh' }));
  await toolstack.add(vm('hvm', 1, 64));
  await toolstack.add(vm('whole', 1, 64, { kind: 'pv', boot: { kernel: '/boot/vmlinuz' } }));
  expect(await toolstack.start('no-kernel')).toMatchObject({
    domid: null,
    failure: { step: 'VM.create', message: 'nothing to boot: a real host needs boot.kernel (kernel= in an xl config)' },
  });
  expect(await toolstack.start('hvm')).toMatchObject({
    domid: null,
    failure: { step: 'VM.create', message: expect.stringContaining('pvh or pv') },
  });
  expect({ keys: host.store.list(), domains: host.xc.domainList(), free: host.inspect.freePages() }).toEqual(before);
  const together = await toolstack.startTogether(['no-kernel', 'whole']);
  expect(together.map(({ failure }) => failure?.step ?? null)).toEqual(['VM.create', null]);
});

it('the embedded host loads nothing, so nothing need be given', async () => {
  const host = await embeddedHost(machine([1024, 1024], 2), { profile: 'xapi-25.6' });
  const toolstack = await createToolstack(host, OPTIONS);
  await toolstack.add(vm('no-kernel', 1, 64, { kind: 'pvh' }));
  expect((await toolstack.start('no-kernel')).failure).toBeNull();
});
