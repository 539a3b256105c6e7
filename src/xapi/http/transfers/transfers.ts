// Files over HTTP, at the paths that XAPI has for them (datamodel.ml, http_actions, of xen-api
// e2ee48d6). Metadata of VMs is served; contents of disks, and files of a host, are refused.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { EXPORT_METADATA, IMPORT_METADATA, vmOf } from '../../calls/archive/methods.js';
import { MOST_ARCHIVE_BYTES, readOva, writeOva } from '../../calls/archive/ova.js';
import { principalOfUser } from '../../calls/sessions.js';
import type { Daemon } from '../../daemon.js';
import { asXapiError } from '../../model/tasks.js';
import { XapiError, xapiErrors } from '../../wire/errors.js';
import { structOf, type Wire } from '../../wire/values.js';
import { refuse } from '../refuse.js';
import { readBody } from '../requests/request-body.js';
import { type Caller, callerOf } from './caller.js';
import { refuseUpload } from './refuse-upload.js';
import { endTask } from './task-end.js';

type Serve = (daemon: Daemon, request: IncomingMessage, response: ServerResponse, url: URL, address: string) => Promise<void>;

/** An answer ends when nothing of it was read for this long. */
const UNREAD_MS = 60_000;
const TYPE = 'application/octet-stream';

/** A request of a caller, and the task that a client made for it. */
interface Transfer {
  readonly daemon: Daemon;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  readonly path: string;
  readonly caller: Caller;
  readonly task: string | null;
}

/** @returns the task's result; whoever serves the request has answered it then */
type Work = (transfer: Transfer) => Promise<Wire>;

const refused: Work = ({ path }) => {
  throw xapiErrors.notImplemented(path);
};

const GET: Readonly<Record<string, Work>> = {
  '/export_metadata': exportMetadata,
  ...Object.fromEntries(
    ['/export', '/export_raw_vdi', '/blob', '/host_backup', '/host_logs_download', '/system-status', '/pool/xmldbdump']
      .concat(['/audit_log', '/wlb_report', '/wlb_diagnostics', '/vncsnapshot'])
      .map((path) => [path, refused]),
  ),
};
const PUT: Readonly<Record<string, Work>> = {
  '/import_metadata': importMetadata,
  ...Object.fromEntries(
    ['/import', '/import_raw_vdi', '/blob', '/host_restore', '/pool/xmldbdump', '/pool_patch_upload', '/bundle'].map((path) => [
      path,
      refused,
    ]),
  ),
};

/** @returns null: the path is none of a file */
export function transferOf(method: string, path: string): Serve | null {
  const known = Object.hasOwn(GET, path) || Object.hasOwn(PUT, path);
  if (!known) return null;
  const works = method === 'PUT' ? PUT : GET;
  const work = (method === 'PUT' || method === 'GET') && Object.hasOwn(works, path) ? works[path]! : null;
  return async (daemon, request, response, url, address) => {
    if (work === null) return refuse(response, 405, Object.hasOwn(GET, path) ? 'use GET' : 'use PUT');
    await serve(work, daemon, request, response, url, address);
  };
}

async function serve(work: Work, ...[daemon, request, response, url, address]: Parameters<Serve>): Promise<void> {
  const caller = await callerOf(daemon, request, url, address);
  if (caller === null) {
    response.setHeader('www-authenticate', 'Basic realm="xennuma", charset="UTF-8"');
    return refuse(response, 401, 'log in: a name and a password, or session_id=SESSION');
  }
  const release = daemon.ledger.take('calls', principalOfUser(caller.session));
  try {
    if (release === null) return refuse(response, 503, 'too many calls under way');
    await serveCaller(work, { daemon, request, response, query: url.searchParams, path: url.pathname, caller });
  } finally {
    release?.();
    await caller.end();
  }
}

async function serveCaller(work: Work, request: Omit<Transfer, 'task'>): Promise<void> {
  const { daemon, response, query, caller } = request;
  const task = query.get('task_id');
  // Others' tasks are not for readers to end.
  if (task !== null && (caller.session.role !== 'admin' || !daemon.tasks.isClients(task))) {
    return refuseUpload(response, 404, 'there is no such task, or it has ended');
  }
  try {
    const result = await work({ ...request, task });
    if (task !== null) await endTask(daemon, (kind) => daemon.tasks.succeeded(task, result, kind));
  } catch (error) {
    const failure = asXapiError(error);
    if (task !== null) await endTask(daemon, (kind) => daemon.tasks.failed(task, failure, kind));
    await fail(response, failure);
    return;
  }
  if (!response.writableEnded) response.end();
}

/** A client that has its 200 already learns of the failure from its task. */
async function fail(response: ServerResponse, { code, params }: XapiError): Promise<void> {
  if (response.headersSent) response.end();
  else await refuseUpload(response, statusOf(code), [code, ...params].join(' '));
}

function statusOf(code: string): number {
  if (code === 'RBAC_PERMISSION_DENIED') return 403;
  if (code === 'HANDLE_INVALID' || code === 'UUID_INVALID') return 404;
  return code === 'NOT_IMPLEMENTED' ? 501 : 500;
}

const KINDS: Readonly<Record<string, string>> = { vif: 'VIF', vbd: 'VBD', vgpu: 'VGPU', vtpm: 'VTPM' };

/** @throws XapiError INVALID_VALUE */
function excludedOf(query: URLSearchParams): string[] {
  const words = (query.get('excluded_device_types') ?? '').split(',').filter((word) => word !== '');
  return words.map((word) => {
    const kind = KINDS[word.toLowerCase()];
    if (kind === undefined) throw xapiErrors.invalidValue('excluded_device_types', word.slice(0, 100));
    return kind;
  });
}

async function exportMetadata({ daemon, query, response, caller, task }: Transfer): Promise<Wire> {
  for (const word of ['all', 'export_snapshots', 'include_dom0']) {
    if (query.get(word) === 'true') throw xapiErrors.notImplemented(`/export_metadata?${word}=true`);
  }
  const header = await caller.call(EXPORT_METADATA, vmOf(daemon.database, query), excludedOf(query));
  const archive = await writeOva(header);
  const release = daemon.ledger.take('bytes', principalOfUser(caller.session), archive.length);
  if (release === null) throw new XapiError('TOO_BUSY');
  response.once('close', release);
  response.setTimeout(UNREAD_MS, () => response.destroy());
  response.writeHead(200, {
    ...{ 'content-type': TYPE, 'content-length': archive.length, 'cache-control': 'no-store', connection: 'close' },
    ...(task === null ? {} : { 'task-id': task }),
    'content-disposition': 'attachment; filename="export.xva"',
  });
  response.end(archive);
  return '';
}

async function importMetadata({ daemon, request, query, response, caller, task }: Transfer): Promise<Wire> {
  // The thin client sends its file after the answer to its request, and learns the rest from the
  // task.
  if (task !== null) {
    response.writeHead(200, { 'content-type': TYPE, connection: 'close', 'task-id': task });
    response.flushHeaders();
  }
  const body = await readBody(request, daemon.ledger, principalOfUser(caller.session), MOST_ARCHIVE_BYTES);
  if (body === 'gone') throw new XapiError('IMPORT_ERROR_PREMATURE_EOF');
  if (body === 'too long') throw new XapiError('IMPORT_ERROR', `an archive of metadata has at most ${MOST_ARCHIVE_BYTES} bytes`);
  if (body === 'too many bytes') throw new XapiError('TOO_BUSY');
  try {
    const flag = (word: string) => query.get(word) === 'true';
    const disks = structOf(Object.fromEntries([...query].filter(([key]) => key.startsWith('vdi:')).map(([key, to]) => [key.slice(4), to])));
    const header = readOva(body.bytes);
    const made = await caller.call(IMPORT_METADATA, header, flag('restore'), flag('force'), flag('dry_run'), disks);
    if (task === null) response.writeHead(200, { 'content-type': 'text/plain' }).end(`${(made as readonly string[]).join('\n')}\n`);
    return made;
  } finally {
    body.release();
  }
}
