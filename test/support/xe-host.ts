// A daemon for tests of `xe`: one VM that runs on node 2, one that is halted, and a template.

import { expect } from 'vitest';
import { parseUsers } from '../../src/xapi/calls/users.js';
import type { XapiError } from '../../src/xapi/wire/errors.js';
import type { Wire, WireStruct } from '../../src/xapi/wire/values.js';
import { runXe } from '../../src/xe/run.js';
import { cheapUser } from './cheap-user.js';
import { type TestDaemon, testDaemon, testFront, vmRecord } from './daemon.js';

const USERS = parseUsers([cheapUser('root', 'admin', 'secret'), cheapUser('comma', 'read-only', 'sec,ret')].join('\n'), 'users');

export interface XeHost {
  readonly daemon: TestDaemon;
  readonly port: number;
  /** Of web, db, template, dom0 and host. */
  readonly refs: Readonly<Record<string, string>>;
  readonly uuids: Readonly<Record<string, string>>;
  /** What was asked for but answers and events, with names in place of references. */
  readonly changes: readonly [method: string, args: readonly unknown[]][];
  /** Methods that answer with an error, as those of a newer host may. */
  readonly refusals: Map<string, XapiError>;
  /** As `root`; "<web>" in a word is the uuid of web. */
  xe(...words: string[]): Promise<{ code: number; out: string; err: string }>;
  named(text: string): string;
  /** A call of another client. */
  ask(method: string, ...params: readonly Wire[]): Promise<Wire>;
  /** A field of web, db, template or host, for another client. */
  field(object: string, name: string): Promise<Wire>;
  close(): Promise<void>;
}

export async function xeHost(): Promise<XeHost> {
  const daemon = await testDaemon({ users: () => USERS });
  const call = daemon.dispatcher.call.bind(daemon.dispatcher);
  const never = new AbortController().signal;
  const session = (await call({ method: 'session.login_with_password', params: ['root', 'secret'] }, '127.0.0.1', never)) as string;
  const ask = (method: string, ...params: readonly Wire[]) => call({ method, params: [session, ...params] }, '127.0.0.1', never);
  const refs = await objects(ask);
  const classOf = (name: string) => (name === 'host' ? 'host' : 'VM');
  const uuids: Record<string, string> = {};
  for (const [name, ref] of Object.entries(refs)) uuids[name] = (await ask(`${classOf(name)}.get_uuid`, ref)) as string;
  const nameOf = (value: Wire): unknown => Object.keys(refs).find((name) => refs[name] === value) ?? value;
  const changes: [string, unknown[]][] = [];
  const refusals = new Map<string, XapiError>();
  daemon.dispatcher.call = (request, ...rest) => {
    const { method, params } = request;
    if (!/\.get_|^(event|task|session)\./.test(method)) changes.push([method, params.slice(1).map(nameOf)]);
    const refusal = refusals.get(method);
    return refusal === undefined ? call(request, ...rest) : Promise.reject(refusal);
  };
  const { port, close } = await testFront(daemon);
  const named = (text: string): string => text.replace(/<(web|db|template|dom0|host)>/g, (_, name: string) => uuids[name]!);
  const xe = async (...words: string[]) => {
    let out = '';
    let err = '';
    const streams = { out: (text: string) => (out += text), error: (text: string) => (err += text) };
    const code = await runXe([...words.map(named), '-u', 'root', '-pw', 'secret'], {}, streams, port);
    return { code, out, err };
  };
  const field = (object: string, name: string) => ask(`${classOf(object)}.get_${name}`, refs[object]!);
  return {
    ...{ daemon, port, refs, uuids, changes, refusals, xe, named, ask, field },
    close: async () => {
      await close();
      await daemon.close();
    },
  };
}

async function objects(ask: (method: string, ...params: readonly Wire[]) => Promise<Wire>): Promise<Record<string, string>> {
  const [host] = (await ask('host.get_all')) as string[];
  await ask('host.set_name_label', host!, 'xcp-1');
  const create = async (name: string, more: WireStruct = {}) => (await ask('VM.create', vmRecord(name, more))) as string;
  const refs = {
    web: await create('web', { VCPUs_params: { mask: '9,10', weight: '256' }, tags: ['a,b', 'c'] }),
    db: await create('db'),
    template: await create('template', { is_a_template: true }),
    dom0: (await ask('host.get_control_domain', host!)) as string,
    host: host!,
  };
  await ask('VM.start', refs.web, false, false);
  return refs;
}

/** `xe` where it must succeed, for its output, and where it must fail with 1, for what it says. */
export function checkedXe(host: Pick<XeHost, 'xe'>) {
  return {
    xe: async (...words: string[]): Promise<string> => {
      const { code, out, err } = await host.xe(...words);
      expect([words, code, err]).toEqual([words, 0, '']);
      return out.trim();
    },
    fails: async (...words: string[]): Promise<string> => {
      const { code, err } = await host.xe(...words);
      expect([words, code]).toEqual([words, 1]);
      return err.trim();
    },
  };
}
