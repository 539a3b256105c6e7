// Who asks for a file: a session in the URL, a cookie or a header, or a name and a password, for
// which a session is opened and ended (xapi_http.ml, assert_credentials_ok, of xen-api e2ee48d6).
import type { IncomingMessage } from 'node:http';
import type { Session } from '../../calls/sessions.js';
import type { Daemon } from '../../daemon.js';
import { XapiError } from '../../wire/errors.js';
import type { Wire } from '../../wire/values.js';

export interface Caller {
  readonly session: Session;
  /** A message of the API in this session. @throws XapiError */
  call(method: string, ...args: readonly Wire[]): Promise<Wire>;
  /** Ends the session that the request opened, if it did. */
  end(): Promise<void>;
}

const COOKIE = /(?:^|;\s*)session_id=([^;\s]{1,200})/;
const BEARER = /^Bearer (\S{1,200})$/;
const BASIC = /^Basic ([A-Za-z0-9+/=]{1,4096})$/;

/** @returns null: nobody, or a wrong password */
export async function callerOf(daemon: Daemon, { headers, socket }: IncomingMessage, url: URL, address: string): Promise<Caller | null> {
  const gone = new AbortController();
  socket.once('close', () => gone.abort());
  const send = (method: string, params: readonly Wire[]) => daemon.dispatcher.call({ method, params }, address, gone);
  const given =
    url.searchParams.get('session_id') ?? COOKIE.exec(headers.cookie ?? '')?.[1] ?? BEARER.exec(headers.authorization ?? '')?.[1] ?? null;
  const password = given === null ? passwordOf(daemon, headers.authorization ?? '') : null;
  if (given === null && password === null) return null;
  try {
    const ref = given ?? ((await send('session.login_with_password', password!)) as string);
    const session = daemon.sessions.get(ref);
    return {
      session,
      call: (method, ...args) => send(method, [ref, ...args]),
      end: async () => {
        if (given === null) await send('session.logout', [ref]).catch(() => {});
      },
    };
  } catch (error) {
    if (error instanceof XapiError) return null;
    throw error;
  }
}

/** Without users everybody of this machine may log in. */
function passwordOf(daemon: Daemon, authorization: string): [string, string] | null {
  const basic = BASIC.exec(authorization)?.[1];
  if (basic === undefined) return daemon.sessions.users() === null ? ['root', ''] : null;
  const text = Buffer.from(basic, 'base64').toString('utf8');
  const at = text.indexOf(':');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
