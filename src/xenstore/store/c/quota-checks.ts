// The quotas of the C daemon that a change of nodes can exceed: node size, nodes of a domain,
// memory of a domain. Sources: tools/xenstore/xenstored_core.c write_node_raw, create_node;
// xenstored_domain.c domain_memory_add (Xen 4.17).

import type { Permissions } from '../../protocol/permissions.js';
import type { ClientState } from '../client-state.js';
import { fail, StoreFailure } from '../failure.js';
import type { StoreQuota } from '../limits.js';
import type { Domains } from './domains.js';
import { nodeBytes, recordBytes } from './memory.js';
import { lastPart } from './names.js';
import type { Node } from './nodes.js';
import type { Transaction } from './transaction.js';

type Tx = Transaction | undefined;

export class QuotaChecks {
  quota: StoreQuota;
  readonly #domains: Domains;

  constructor(quota: StoreQuota, domains: Domains) {
    this.quota = quota;
    this.#domains = domains;
  }

  /** @throws StoreFailure ENOSPC when a node would be larger than a guest's may be */
  size({ domid }: ClientState, tx: Tx, entries: number, valueBytes: number, childBytes: number): void {
    if (domid === 0) return;
    if (recordBytes(entries, valueBytes, childBytes) < this.quota.nodeSizeBytes) return;
    if (tx !== undefined) tx.failed = true;
    fail('ENOSPC');
  }

  /**
   * @throws StoreFailure ENOMEM when `bytes` more would exceed the memory of the domain that is
   *   charged
   */
  memory({ domid }: ClientState, tx: Tx, owner: number, bytes: number): void {
    const charged = tx === undefined ? owner : domid;
    if (charged === 0 || (this.#domains.find(charged)?.memory ?? 0) + bytes < this.quota.memoryBytes) return;
    if (tx !== undefined) tx.failed = true;
    fail('ENOMEM');
  }

  /**
   * A new owner is charged for the whole node; in a transaction the charged domain stays the same.
   */
  owner(client: ClientState, tx: Tx, name: string, node: Node, permissions: Permissions): void {
    const owner = permissions[0]!.domid;
    const bytes = nodeBytes(name, { ...node, permissions });
    const same = tx !== undefined || owner === node.permissions[0]!.domid;
    this.memory(client, tx, owner, same ? bytes - nodeBytes(name, node) : bytes);
  }

  /**
   * Checks a node and its missing parents, named from the leaf up, before the first of them is
   * created. The daemon writes them one by one and undoes all when one exceeds a quota.
   * @throws StoreFailure ENOSPC, ENOMEM
   */
  creation(client: ClientState, tx: Tx, missing: readonly string[], parent: Node, permissions: Permissions, value: string): void {
    if (client.domid !== 0) this.#newNodes(client, tx, missing, parent, permissions.length, value);
    this.#newMemory(client, tx, missing, parent, permissions, value);
  }

  #newNodes(client: ClientState, tx: Tx, missing: readonly string[], parent: Node, entries: number, value: string): void {
    const owned = this.#domains.find(client.domid)?.nodes ?? 0;
    // In a transaction the live count decides here, before anything is written; the commit counts
    // again.
    if (owned + (tx === undefined ? missing.length - 1 : 0) >= this.quota.nodes) fail('ENOSPC');
    const parentBytes = parent.childBytes + lastPart(missing.at(-1)!).length + 1;
    try {
      this.size(client, undefined, entries, value.length, 0);
      for (let at = 1; at < missing.length; at++) this.size(client, undefined, entries, 0, lastPart(missing[at - 1]!).length + 1);
      this.size(client, undefined, parent.permissions.length, parent.value.length, parentBytes);
    } catch (error) {
      if (tx !== undefined && error instanceof StoreFailure) tx.failed = true;
      throw error;
    }
  }

  #newMemory(client: ClientState, tx: Tx, missing: readonly string[], parent: Node, permissions: Permissions, value: string): void {
    const [owner, parents] = [permissions[0]!.domid, parent.permissions[0]!.domid];
    if ((tx === undefined ? owner + parents : client.domid) === 0) return;
    let bytes = value.length;
    for (const [at, path] of missing.entries()) {
      bytes += recordBytes(permissions.length, 0, at === 0 ? 0 : lastPart(missing[at - 1]!).length + 1) + path.length;
      if (tx !== undefined) bytes += tx.keyBytes;
    }
    this.memory(client, tx, owner, bytes);
    const nameBytes = lastPart(missing.at(-1)!).length + 1;
    this.memory(client, tx, parents, nameBytes + (tx !== undefined || owner === parents ? bytes : 0));
  }
}
