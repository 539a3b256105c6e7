// The task that a client made for a request and named in its URL ends with the request
// (exec_with_forwarded_task of ocaml/xapi/server_helpers.ml, xen-api e2ee48d6).
import type { Principal } from '../../calls/ledger.js';
import type { Daemon } from '../../daemon.js';

/** Even if storage refuses the record of it: what the request did, or did not do, is a fact. */
export async function endTask(daemon: Daemon, end: (kind: 'stored' | 'fact') => void): Promise<void> {
  end('stored');
  await daemon.database.flushed().catch(() => end('fact'));
}

/** Those who may not change things end only their own tasks. */
export async function endNamedTask(daemon: Daemon, query: URLSearchParams, { name, rank }: Principal): Promise<void> {
  const task = query.get('task_id');
  if (task === null || !daemon.tasks.isClients(task)) return;
  const isAdmin = rank === 'root' || rank === 'admin';
  if (isAdmin || daemon.database.makerOf(task) === name) await endTask(daemon, (kind) => daemon.tasks.succeeded(task, '', kind));
}
