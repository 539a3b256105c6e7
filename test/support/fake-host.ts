// A XAPI host for tests: answers of a real one's form from a small database, over real HTTP.
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

type Row = Record<string, unknown>;
export type Tables = Record<string, Record<string, Row>>;

export interface FakeHost {
  readonly port: number;
  readonly tables: Tables;
  /** Every call but logins, without the session. */
  readonly calls: [method: string, params: unknown[]][];
  /** Answers before the database does; a thrown [code, ...params] is an error of the API. */
  answer: (method: string, params: readonly unknown[]) => unknown;
  close(): Promise<void>;
}

class Refusal extends Error {
  readonly parts: readonly string[];
  constructor(parts: readonly string[]) {
    super(parts[0] ?? '');
    this.parts = parts;
  }
}

export function refuse(...parts: readonly string[]): never {
  throw new Refusal(parts);
}

export async function fakeHost(tables: Tables, password = 'secret'): Promise<FakeHost> {
  const sessions = new Set<string>();
  const calls: [string, unknown[]][] = [];
  const host: { answer: FakeHost['answer'] } = { answer: () => undefined };
  const server: Server = createServer((request, response) => {
    void read(request).then((body) => {
      const { method, params, id } = JSON.parse(body) as { method: string; params: unknown[]; id: number };
      let answer: unknown;
      try {
        answer = { result: reply(method, params) };
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        answer = { error: { code: 1, message: error.parts[0], data: error.parts.slice(1) } };
      }
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ jsonrpc: '2.0', ...(answer as object), id }));
    });
  });
  function reply(method: string, params: unknown[]): unknown {
    if (method === 'session.login_with_password') {
      if (params[1] !== password) refuse('SESSION_AUTHENTICATION_FAILED', String(params[0]), 'Authentication failure');
      const ref = `OpaqueRef:session-${sessions.size}`;
      sessions.add(ref);
      return ref;
    }
    const [session, ...rest] = params;
    if (!sessions.has(String(session))) refuse('SESSION_INVALID', String(session));
    if (method === 'session.logout') return sessions.delete(String(session)) && null;
    calls.push([method, rest]);
    const given = host.answer(method, rest);
    return given === undefined ? fromTables(tables, method, rest) : given;
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(host, {
    port: (server.address() as AddressInfo).port,
    tables,
    calls,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
}

function fromTables(tables: Tables, method: string, params: readonly unknown[]): unknown {
  const [name, verb] = method.split('.') as [string, string];
  if (name === 'Async') {
    const ref = `OpaqueRef:task-${Object.keys(tables.task ?? {}).length}`;
    tables.task = { ...tables.task, [ref]: { uuid: ref.slice(10), status: 'success', progress: 1, result: '', error_info: [] } };
    return ref;
  }
  if (method === 'event.from') return events(tables, params[0] as string[]);
  const table = tables[name] ?? refuse('MESSAGE_METHOD_UNKNOWN', method);
  if (verb === 'get_all_records') return table;
  if (verb === 'get_by_uuid') {
    const found = Object.entries(table).find(([, row]) => row.uuid === params[0]);
    return found === undefined ? refuse('UUID_INVALID', name, String(params[0])) : found[0];
  }
  const ref = String(params[0]);
  const row = table[ref] ?? refuse('HANDLE_INVALID', name, ref);
  if (verb === 'get_record') return row;
  if (verb.startsWith('get_')) return row[verb.slice(4)] ?? refuse('MESSAGE_METHOD_UNKNOWN', method);
  if (verb.startsWith('set_')) row[verb.slice(4)] = params[1];
  else if (verb.startsWith('add_to_')) {
    const map = row[verb.slice(7)] as Record<string, unknown>;
    if (Object.hasOwn(map, String(params[1]))) refuse('MAP_DUPLICATE_KEY', name, verb.slice(7), ref, String(params[1]));
    map[String(params[1])] = params[2];
  } else if (verb.startsWith('remove_from_')) delete (row[verb.slice(12)] as Record<string, unknown>)[String(params[1])];
  else if (verb.startsWith('add_')) (row[verb.slice(4)] as unknown[]).push(params[1]);
  else if (verb.startsWith('remove_')) {
    row[verb.slice(7)] = (row[verb.slice(7)] as unknown[]).filter((item) => item !== params[1]);
  } else if (verb === 'destroy') delete table[ref];
  else refuse('MESSAGE_METHOD_UNKNOWN', method);
  return null;
}

function events(tables: Tables, classes: readonly string[]): unknown {
  const found = classes.flatMap((one) => {
    const [name, ref] = one.split('/') as [string, string?];
    const table = Object.entries(tables).find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1] ?? {};
    return Object.entries(table)
      .filter(([key]) => ref === undefined || key === ref)
      .map(([key, snapshot]) => ({ class: name, operation: 'mod', ref: key, snapshot }));
  });
  return { token: '1', events: found, valid_ref_counts: {} };
}

async function read(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
}
