// The daemon's own page (src/page, web/). Its frame and assets contain no data and need no login;
// /web/snapshot, the current state of the host, needs one. Read-only: changes go through XAPI.
import type { ServerResponse } from 'node:http';
import type { HostMap, MapDomain } from '../../../map/host-map.js';
import { runsOfVm } from '../../../page/host-runs.js';
import { DAEMON_POLICY, daemonPage, pageAssets } from '../../../page/page-file.js';
import { pageTextSteps } from '../../../page/page-text.js';
import { profileOf } from '../../../xenopsd/api/profiles.js';
import type { Principal } from '../../calls/ledger.js';
import type { Daemon } from '../../daemon.js';
import type { PoolHost } from '../../model/pool-hosts.js';
import type { Page } from '../http-server.js';
import { refuse } from '../refuse.js';
import { StepsInTurns } from './steps-in-turns.js';
import { WebHistory } from './web-history.js';
import { objectsOf } from './web-objects.js';
import { workloadOf } from './web-workload.js';

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
    ['/page/worker.js', async (_, response) => send(response, 'text/javascript', () => pageAssets().worker)],
    ['/page/reader.js', async (_, response) => send(response, 'text/javascript', () => pageAssets().reader)],
    ['/page/settings.js', async (_, response) => send(response, 'text/javascript', () => pageAssets().settings)],
    ['/page/app.css', async (_, response) => send(response, 'text/css', () => pageAssets().style)],
  ];
}

export function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { ...COMMON, 'content-type': 'application/json', 'cache-control': 'no-store' }).end(JSON.stringify(value));
}

interface Shown {
  /** Of the database, when the hosts were read. */
  readonly generation: number;
  readonly untilMs: number;
  readonly text: StepsInTurns<string>;
}

/** The hosts as the page shows them (src/page/page-data.ts), as JSON. */
export class WebSnapshots {
  readonly #daemon: Daemon;
  /** null = of a pool of several hosts, which has none. */
  readonly #history: WebHistory | null;
  #shown: Shown | null = null;

  constructor(daemon: Daemon) {
    this.#daemon = daemon;
    const { all, coordinator } = daemon.hosts;
    this.#history = all.length > 1 ? null : new WebHistory(daemon, () => this.#mapOf(coordinator));
  }

  async answer(response: ServerResponse, principal: Principal): Promise<void> {
    const text = await this.#current(response, principal);
    if (text === null) return;
    response.writeHead(200, { ...COMMON, 'content-type': 'application/json', 'cache-control': 'no-store' }).end(text);
  }

  /** Not older than the request, but for what is shared. null = the reader is gone. */
  async #current(response: ServerResponse, principal: Principal): Promise<string | null> {
    const askedMs = performance.now();
    const { generation } = this.#daemon.database.published;
    const isWanted = () => !response.destroyed;
    for (;;) {
      const shown = this.#shown;
      if (shown !== null && shown.generation >= generation && askedMs < shown.untilMs) return shown.text.result(principal, isWanted);
      // One at a time: who asks while an older one is written helps with it, then with the next.
      if (shown === null || shown.text.isDone) this.#shown = this.#read();
      else if ((await shown.text.settled(principal, isWanted)) === 'unwanted') return null;
    }
  }

  /** The hosts as they are now; the text follows in turns. */
  #read(): Shown {
    const { toolstack, hosts, database, turns, version } = this.#daemon;
    const { generation } = database.published;
    const kind = toolstack.doors.can.runsGuests ? 'live' : 'embedded';
    const rules = { profile: profileOf(toolstack.profile), policy: REMARK_POLICY, withoutXl: kind === 'embedded' } as const;
    const untilMs = performance.now() + SHARED_MS;
    const inputs = hosts.all.map((host) => ({ map: this.#mapOf(host), notes: [], ...rules, uuidOf: this.#uuidFinder(host) }));
    const steps = pageTextSteps(kind, version, new Date().toISOString(), inputs);
    return { generation, untilMs, text: new StepsInTurns(steps, turns) };
  }

  /** The uuid of the VM of a domain as it is now; null for a domain that is not this daemon's. */
  #uuidFinder({ toolstack }: PoolHost): (domid: number) => string | null {
    const { published } = this.#daemon.database;
    const known = toolstack.vms().filter(({ domid, spec }) => domid !== null && published.findUuid('VM', spec.name) !== null);
    const uuids = new Map(known.map(({ domid, spec }) => [domid, spec.name]));
    return (domid) => uuids.get(domid) ?? null;
  }

  /** `?host=`: its place in the snapshot, 0 by default. */
  #hostOf(url: URL): PoolHost | undefined {
    return this.#daemon.hosts.all[Number(url.searchParams.get('host') ?? 0)];
  }

  /** `?vm=`: the domid. A VM that could not start is no longer known to the toolstack. */
  explain(response: ServerResponse, url: URL): void {
    const vmParam = url.searchParams.get('vm') ?? '';
    if (!/^\d{1,9}$/.test(vmParam)) {
      refuse(response, 400, 'name a VM: ?vm=DOMID');
      return;
    }
    const vm = this.#hostOf(url)
      ?.toolstack.vms()
      .find(({ domid }) => domid === Number(vmParam));
    if (vm === undefined) {
      refuse(response, 404, `no VM is domain ${vmParam}`);
      return;
    }
    const uuid = this.#daemon.database.findUuid('VM', vm.spec.name);
    const label = uuid === null ? vm.spec.name : String(this.#daemon.database.get('VM', uuid).name_label);
    // Titles name VMs as the toolstack does.
    const runs = runsOfVm(vm).map((run) => ({ ...run, title: run.title.replace(vm.spec.name, () => label) }));
    sendJson(response, { runs });
  }

  /** Input of a host's plan. */
  workload(response: ServerResponse, url: URL): void {
    const host = this.#hostOf(url);
    if (host === undefined) refuse(response, 404, 'there is no such host');
    else sendJson(response, workloadOf(this.#daemon, host));
  }

  objects(response: ServerResponse): void {
    sendJson(response, objectsOf(this.#daemon));
  }

  /** All moments that are kept, or `?at=`: the host at one of them. */
  history(response: ServerResponse, url: URL): void {
    const at = url.searchParams.get('at');
    this.#history?.sample();
    const found = at === null ? { moments: this.#history?.moments ?? [] } : (this.#history?.past(Number(at)) ?? null);
    if (found === null) {
      refuse(response, 404, 'there is no such moment any more');
      return;
    }
    sendJson(response, found);
  }

  /**
   * A toolstack knows VMs by their uuids; people by their labels. It costs as much as there are
   * domains, however many VMs do not run.
   */
  #mapOf({ ref, toolstack }: PoolHost): HostMap {
    const map = toolstack.snapshot();
    const { hosts, database } = this.#daemon;
    const { published } = database;
    const { control_domain, name_label } = published.get('host', ref);
    const labelOf = ({ domid, name }: MapDomain): string => {
      const vm = domid === 0 ? String(control_domain) : published.findUuid('VM', name);
      return String((vm === null ? undefined : published.object('VM', vm)?.record)?.name_label ?? name);
    };
    const name = hosts.all.length === 1 ? map.name : String(name_label);
    return { ...map, name, domains: map.domains.map((domain) => ({ ...domain, name: labelOf(domain) })) };
  }
}
