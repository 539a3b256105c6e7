// A real host's storage and networks are not managed: every message on them, walked over the data
// model, answers an error of xapi's and leaves nothing behind. In process, on a host that says of
// itself what a real one does.
import { expect, it } from 'vitest';
import { failure, smallHost, testDaemon, vmRecord } from '../../test/support/daemon.js';
import { XEN_CAPABILITIES } from '../xenopsd/api/host-doors.js';
import { embeddedHost } from '../xenopsd/hosts/embedded-host.js';
import { DATAMODEL } from './model/datamodel.js';
import type { FieldType } from './wire/types.js';
import type { Wire } from './wire/values.js';

const NONE = 'OpaqueRef:0d3f2b1a-0000-4000-8000-000000000001';
const CLASSES = ['SR', 'VDI', 'VBD', 'VIF', 'PBD', 'PIF', 'network', 'Bond', 'VLAN', 'tunnel', 'network_sriov', 'console', 'VTPM', 'VUSB'];

async function realHost() {
  const profile = 'xapi-25.6';
  const doors = await embeddedHost(smallHost(), { profile });
  return testDaemon({ doors: { ...doors, kind: 'xen', can: XEN_CAPABILITIES }, profile });
}

it('each message on storage and networks is refused with a code of xapi, and makes no object', async () => {
  const daemon = await realHost();
  const vm = await daemon.call('VM.create', vmRecord('a'));
  const refs = new Map<string, Wire>([
    ['VM', vm],
    ['host', daemon.objects.host],
    ['pool', daemon.objects.pool],
  ]);
  const argument = (type: FieldType): Wire => {
    if (typeof type === 'string') return { int: 1, bool: false, float: 1, string: 'x', datetime: 'x', record: {} }[type] as Wire;
    if ('enum' in type) return type.enum[0] as string;
    if ('ref' in type) return refs.get(type.ref) ?? NONE;
    return 'set' in type ? [] : {};
  };
  const successes: string[] = [];
  const faults: string[] = [];
  let refusals = 0;
  for (const name of CLASSES) {
    for (const [message, { params }] of DATAMODEL.get(name)!.messages) {
      if (params === null) continue;
      const [code = ''] = await failure(daemon.call(`${name}.${message}`, ...params.map(({ type }) => argument(type))));
      if (code === 'success') successes.push(`${name}.${message}`);
      else if (code === 'INTERNAL_ERROR' || !/^[A-Z0-9_]+$/.test(code)) faults.push(`${name}.${message}: ${code}`);
      else refusals++;
    }
  }
  const left = await Promise.all(CLASSES.map(async (name) => [name, await daemon.call(`${name}.get_all`)]));
  await daemon.close();
  expect(faults).toEqual([]);
  // It answers with no types.
  expect(successes).toEqual(['SR.get_supported_types']);
  expect(refusals).toBeGreaterThan(100);
  expect(left.filter(([, all]) => (all as Wire[]).length > 0)).toEqual([]);
});
