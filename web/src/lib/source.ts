// Where the page's data comes from. All of the page works on this interface alone; what a source
// cannot do, the page does not offer.
import type { PageData } from '../../../src/page/page-data.js';

export interface Source {
  snapshot(): Promise<PageData>;
  /** Calls `changed` when the host may have changed, until the signal. Absent: it never does. */
  follow?(changed: () => void, gone: AbortSignal): void;
  /** @throws Error with a sentence when the daemon refuses. Absent: nothing needs a login. */
  login?(user: string, password: string): Promise<void>;
}

/** Data that stands in the page itself. */
export function embeddedSource(document: Document): Source | null {
  const text = document.getElementById('xennuma-data')?.textContent ?? '';
  return text === '' ? null : { snapshot: async () => JSON.parse(text) as PageData };
}

export class LoginNeeded extends Error {}

const RETRY_MS = 2000;

const SESSION_KEY = 'xennuma-session';

/** The daemon that served this page. Paths are relative, so that a proxy may add a prefix. */
export function daemonSource(): Source {
  const headers = (): Record<string, string> => {
    const session = sessionStorage.getItem(SESSION_KEY);
    return session === null ? {} : { authorization: `Bearer ${session}` };
  };
  return {
    async snapshot() {
      const response = await fetch('web/snapshot', { headers: headers(), cache: 'no-store' });
      if (response.status === 401) throw new LoginNeeded();
      if (!response.ok) throw new Error(`The daemon answered ${response.status}: ${(await response.text()).slice(0, 200)}`);
      return (await response.json()) as PageData;
    },
    follow(changed, gone) {
      void followEvents(headers, changed, gone);
    },
    async login(user, password) {
      const call = { jsonrpc: '2.0', id: 1, method: 'session.login_with_password', params: [user, password, '1.0', 'xennuma page'] };
      const response = await fetch('jsonrpc', { method: 'POST', body: JSON.stringify(call) });
      if (!response.ok) throw new Error(`The daemon answered ${response.status}: ${(await response.text()).slice(0, 200)}`);
      const { result, error } = (await response.json()) as { result?: string; error?: { message: string } };
      if (result === undefined) {
        throw new Error(
          error?.message === 'SESSION_AUTHENTICATION_FAILED'
            ? 'The name or the password is wrong.'
            : `Refused: ${error?.message ?? 'no answer'}`,
        );
      }
      sessionStorage.setItem(SESSION_KEY, result);
    },
  };
}

/** Server-sent events by fetch, since EventSource takes no headers. Ends with the signal. */
async function followEvents(headers: () => Record<string, string>, changed: () => void, gone: AbortSignal): Promise<void> {
  for (let first = true; !gone.aborted; first = false) {
    try {
      const response = await fetch('events?classes=VM,host', { headers: headers(), signal: gone });
      if (response.status === 401) return changed();
      if (!response.ok || response.body === null) throw new Error(`events: ${response.status}`);
      // Something may have happened while no stream was open.
      if (!first) changed();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        if (value.includes('event:')) changed();
      }
    } catch {
      if (gone.aborted) return;
    }
    await new Promise((done) => setTimeout(done, RETRY_MS));
  }
}
