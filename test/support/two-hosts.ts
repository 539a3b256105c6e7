// A daemon with two small hosts in its pool: 'a', the coordinator, and 'b'.
import { embeddedHost } from '../../src/xenopsd/hosts/embedded-host.js';
import { smallHost, type TestDaemon, testDaemon } from './daemon.js';

export async function twoHosts(): Promise<TestDaemon> {
  const others = [await embeddedHost({ ...smallHost(2, 4, 8), name: 'b' }, { profile: 'xapi-25.6' })];
  return testDaemon({ machine: { ...smallHost(2, 4, 8), name: 'a' }, others });
}
