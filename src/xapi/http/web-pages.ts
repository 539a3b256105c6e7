// The daemon's own page (src/page, web/): its frame and assets, which tell nothing and so need no
// login, and /web/snapshot, the host as it is now, which does. Read-only: changes go through XAPI.
import type { ServerResponse } from 'node:http';
import type { HostMap } from '../../map/host-map.js';
import { pageData } from '../../page/page-data.js';
import { DAEMON_POLICY, daemonPage, pageAssets } from '../../page/page-file.js';
import { profileOf } from '../../xenopsd/api/profiles.js';
import type { Daemon } from '../daemon.js';
import type { Page } from './http-server.js';
import { refuse } from './refuse.js';

/** Remarks advise the soft affinity that this policy would set, as `xennuma place` does. */
const REMARK_POLICY = 'best_effort';
/** Reading a real host takes debug key 'u': clients that ask at once share an answer. */
const SHARED_MS = 1000;

const COMMON = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
} as const;

/** The page itself, which needs no login. */
export function openPages(): [string, Page][] {
  const send = (response: ServerResponse, type: string, text: () => string): void => {
    try {
      const body = text();
      const headers = { ...COMMON, 'content-type': `${type}; charset=utf-8`, 'content-security-policy': DAEMON_POLICY };
      response.writeHead(200, { ...headers, 'cache-control': 'no-cache' }).end(body);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      refuse(response, 404, 'this program was built without its page: npm run build');
    }
  };
  return [
    ['/', async (_, response) => send(response, 'text/html', daemonPage)],
    ['/page/app.js', async (_, response) => send(response, 'text/javascript', () => pageAssets().script)],
    ['/page/app.css', async (_, response) => send(response, 'text/css', () => pageAssets().style)],
  ];
}

/** The host as the page shows it (src/page/page-data.ts), as JSON. */
export class WebSnapshots {
  readonly #daemon: Daemon;
  #text = '';
  #generation = -1;
  #until = 0;

  constructor(daemon: Daemon) {
    this.#daemon = daemon;
  }

  answer(response: ServerResponse): void {
    response
      .writeHead(200, { ...COMMON, 'content-type': 'application/json', 'cache-control': 'no-store' })
      .end(this.#current(performance.now()));
  }

  #current(now: number): string {
    const { toolstack, database } = this.#daemon;
    const { generation } = database.published;
    if (generation === this.#generation && now < this.#until) return this.#text;
    const kind = toolstack.doors.can.runsGuests ? 'live' : 'embedded';
    const host = {
      map: this.#named(toolstack.snapshot()),
      notes: [],
      profile: profileOf(toolstack.profile),
      policy: REMARK_POLICY,
    } as const;
    this.#text = JSON.stringify(pageData(kind, this.#daemon.version, new Date().toISOString(), [host]));
    this.#generation = generation;
    this.#until = now + SHARED_MS;
    return this.#text;
  }

  /** A toolstack knows VMs by their uuids; people by their labels. */
  #named(map: HostMap): HostMap {
    const labels = new Map<number, string>();
    for (const [, record] of this.#daemon.database.records('VM')) labels.set(Number(record.domid), String(record.name_label));
    return { ...map, domains: map.domains.map((domain) => ({ ...domain, name: labels.get(domain.domid) ?? domain.name })) };
  }
}
