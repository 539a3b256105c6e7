// The objects of a daemon whose settings the page shows. Their records come through XAPI.

export interface PageHostObject {
  readonly ref: string;
  readonly uuid: string;
  /** '' = it has none, as most pools. */
  readonly name: string;
}

export interface PageVmObject extends PageHostObject {
  /** Of XAPI: Halted, Paused, Running or Suspended. */
  readonly state: string;
  /** -1 = no domain. */
  readonly domid: number;
}

export interface PageObjects {
  readonly pools: readonly PageHostObject[];
  readonly hosts: readonly PageHostObject[];
  /** Without templates and snapshots, by name. */
  readonly vms: readonly PageVmObject[];
}

/** Who looks at the page. */
export interface PageRights {
  /** Whether controls that change something are of use. */
  readonly change: boolean;
  /** null: the daemon has no users. */
  readonly user: string | null;
}
