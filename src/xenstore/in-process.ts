// A XenStore inside this process: connections of any domain, and a listing for people and tests.
import { XenstoreClient } from './client/client.js';
import { MemoryTransport } from './client/memory-transport.js';
import type { XenstoreConnection, XenstorePermission } from './connection.js';
import { XenstoredEngine } from './store/c/engine.js';
import type { Engine, EngineOptions } from './store/engine.js';
import type { Personality } from './store/limits.js';
import { OxenstoredEngine } from './store/ocaml/engine.js';

/** One line of a listing. */
export interface ListedNode {
  readonly path: string;
  /** UTF-8 of the value's bytes. */
  readonly value: string;
  readonly permissions: readonly XenstorePermission[];
}

export interface XenstoreOptions extends EngineOptions {
  readonly personality: Personality;
}

export function createEngine({ personality, ...options }: XenstoreOptions): Engine {
  return personality === 'xenstored' ? new XenstoredEngine(options) : new OxenstoredEngine(options);
}

export class InProcessXenstore {
  readonly engine: Engine;

  constructor(options: XenstoreOptions) {
    this.engine = createEngine(options);
  }

  /**
   * A connection of a domain: its relative paths start at /local/domain/N. Domain 0 is privileged.
   */
  connect(domid: number): XenstoreConnection {
    return new XenstoreClient(new MemoryTransport(this.engine, domid));
  }

  /**
   * The node and all below it, parents before children, as `xenstore-ls -f` shows them; [] when it
   * is absent.
   */
  list(path = '/'): ListedNode[] {
    return [...this.engine.nodes(path)].map((node) => ({
      path: node.path,
      value: Buffer.from(node.value, 'latin1').toString('utf8'),
      permissions: node.permissions,
    }));
  }

  /** How many nodes each domain owns. */
  nodesByOwner(): Map<number, number> {
    return this.engine.nodesByOwner();
  }
}

export function createXenstore(options: XenstoreOptions): InProcessXenstore {
  return new InProcessXenstore(options);
}
