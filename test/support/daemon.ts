// A daemon on a small embedded host, for tests and benchmarks.
import { GIB } from '../../src/base/units.js';
import type { Host } from '../../src/machine/model.js';
import { type Daemon, type DaemonOptions, openDaemon } from '../../src/xapi/daemon.js';
import { type HttpFront, type HttpOptions, openHttp } from '../../src/xapi/http/http-server.js';
import { XapiError } from '../../src/xapi/wire/errors.js';
import type { Wire, WireStruct } from '../../src/xapi/wire/values.js';
import { embeddedHost } from '../../src/xenopsd/hosts/embedded-host.js';

export function smallHost(nodes = 4, cpusPerNode = 4, gibPerNode = 16): Host {
  const all = Array.from({ length: nodes }, (_, id) => id);
  return {
    name: 'small',
    source: 'test',
    nodes: all.map((id) => ({ id, memoryBytes: gibPerNode * GIB, freeBytes: gibPerNode * GIB })),
    cpus: Array.from({ length: nodes * cpusPerNode }, (_, id) => {
      const node = Math.floor(id / cpusPerNode);
      return { id, node, core: id % cpusPerNode, socket: node };
    }),
    distances: all.map((i) => all.map((j) => (i === j ? 10 : 20))),
    notes: [],
  };
}

const silent = { info() {}, warn() {}, error() {} };

export interface TestDaemon extends Daemon {
  /** With the session of `root`, or another one. */
  call(method: string, ...params: readonly Wire[]): Promise<Wire>;
  readonly session: string;
}

export async function testDaemon(options: Partial<DaemonOptions> & { readonly machine?: Host } = {}): Promise<TestDaemon> {
  const { machine, ...given } = options;
  const profile = given.profile ?? 'xapi-25.6';
  const daemon = await openDaemon({
    doors: await embeddedHost(machine ?? smallHost(), { profile }),
    profile,
    seed: 1,
    state: null,
    audit: null,
    policy: 'default_policy',
    users: () => null,
    version: '0.0.0',
    address: '127.0.0.1',
    log: silent,
    ...given,
  });
  // Each call has a signal of its own, as those over HTTP have: many may wait at once.
  const raw = (method: string, params: readonly Wire[]) =>
    daemon.dispatcher.call({ method, params }, '127.0.0.1', new AbortController().signal);
  const session = given.users === undefined ? ((await raw('session.login_with_password', ['root', ''])) as string) : '';
  return { ...daemon, session, call: (method, ...params) => raw(method, [session, ...params]) };
}

export function testFront(daemon: Daemon, options: Partial<HttpOptions> = {}): Promise<HttpFront> {
  return openHttp({
    daemon,
    address: '127.0.0.1',
    port: 0,
    tls: null,
    loopbackNamesOnly: true,
    failed: (error) => {
      throw error;
    },
    ...options,
  });
}

/** The VMs but Domain-0 and the templates that a host comes with. */
export async function guestRefs(call: TestDaemon['call']): Promise<string[]> {
  return (await call('VM.get_all_where', 'field "is_control_domain" = "false" and field "is_default_template" = "false"')) as string[];
}

/** Arguments of VM.create. */
export function vmRecord(name: string, more: WireStruct = {}): WireStruct {
  const bytes = 2 * GIB;
  return {
    name_label: name,
    domain_type: 'hvm',
    VCPUs_max: 2,
    VCPUs_at_startup: 2,
    memory_static_min: 0,
    memory_dynamic_min: bytes,
    memory_dynamic_max: bytes,
    memory_static_max: bytes,
    ...more,
  };
}

/** The code and the parameters that a call fails with; 'success' where it does not fail. */
export async function failure(call: Promise<unknown>): Promise<readonly string[]> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof XapiError)) throw error;
    return [error.code, ...error.params];
  }
  return ['success'];
}
