// /rrd_updates, /host_rrd and /vm_rrd (xcp-rrdd/bin/rrdd/rrdd_http_handler.ml of xen-api e2ee48d6).
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Daemon } from '../daemon.js';
import { type Named, rrdJson, rrdXml, updatesJson, updatesOf, updatesXml } from '../rrd/format.js';
import type { Rrd } from '../rrd/rrd.js';
import { refuse } from './refuse.js';

type Answer = (request: IncomingMessage, response: ServerResponse, url: URL) => void;

export function rrdPages(daemon: Daemon): ReadonlyMap<string, Answer> {
  const hostUuid = (): string => daemon.database.published.get('host', daemon.objects.host).uuid as string;
  return new Map<string, Answer>([
    ['/rrd_updates', (request, response, url) => updates(daemon, request, response, url)],
    // Of another host than the coordinator where the caller names it; xapi's hosts have their own
    // addresses for that.
    [
      '/host_rrd',
      (request, response, url) => whole(daemon.rrds.of({ host: url.searchParams.get('uuid') ?? hostUuid() }), request, response, url),
    ],
    ['/vm_rrd', (request, response, url) => whole(daemon.rrds.of({ vm: url.searchParams.get('uuid') ?? '' }), request, response, url)],
  ]);
}

/** The Accept header first, then ?json, whatever its value. */
function prefersJson({ headers }: IncomingMessage, url: URL): boolean {
  const accept = headers.accept ?? '';
  const [json, xml] = [quality(accept, 'application/json'), quality(accept, 'text/xml')];
  return json === xml ? url.searchParams.has('json') || json > 0 : json > xml;
}

/** Quality of a type in Accept, only if it is named itself; 0 = not named. */
function quality(accept: string, type: string): number {
  const named = accept.split(',').find((one) => one.split(';')[0]!.trim().toLowerCase() === type);
  if (named === undefined) return 0;
  const weight = Number(/;\s*q=([\d.]{1,6})/.exec(named)?.[1] ?? 1);
  return Number.isNaN(weight) ? 0 : weight;
}

const WHOLE_NUMBER = /^-?\d{1,12}$/;

function updates(daemon: Daemon, request: IncomingMessage, response: ServerResponse, url: URL): void {
  const { searchParams: query } = url;
  const start = query.get('start') ?? '';
  if (!WHOLE_NUMBER.test(start)) {
    refuse(response, 400, 'expected start=SECONDS since 1970, or below 0 before now; try start=-600');
    return;
  }
  const cf = query.get('cf') ?? 'AVERAGE';
  if (['MIN', 'MAX', 'LAST'].includes(cf)) {
    refuse(response, 404, `there are archives of averages only, not of ${cf}`);
    return;
  }
  const interval = query.get('interval') ?? '';
  const { hosts, vms } = daemon.rrds.current();
  const wanted = query.getAll('vm_uuid');
  const chosen = [...vms].filter(([uuid]) => wanted.length === 0 || wanted.includes(uuid)).map(([, named]) => named);
  const named: Named[] = [...(query.get('host') === 'true' ? hosts : []), ...chosen];
  const found = updatesOf(named, { start: Number(start), interval: WHOLE_NUMBER.test(interval) ? Number(interval) : 0 });
  if (found === null) refuse(response, 404, 'no data sources: no such VM runs, and host=true is not given');
  else if (prefersJson(request, url)) send(response, 'application/json', updatesJson(found));
  else send(response, 'text/xml', updatesXml(found));
}

function whole(rrd: Rrd | undefined, request: IncomingMessage, response: ServerResponse, url: URL): void {
  if (rrd === undefined) refuse(response, 404, 'there is no such VM, or it never ran');
  else if (prefersJson(request, url)) send(response, 'application/json', rrdJson(rrd));
  else send(response, 'text/xml', rrdXml(rrd));
}

function send(response: ServerResponse, type: string, text: string): void {
  response.writeHead(200, { 'content-type': type, 'content-length': Buffer.byteLength(text), 'cache-control': 'no-store' }).end(text);
}
