// The builder's other work: a guest's memory and vCPUs written to a file descriptor, and a domain
// made of what was written. Its arguments in XenServer's xenguest.patch, modes save, hvm_save,
// restore and hvm_restore.

export interface SaveArguments {
  /** hvm_save: HVM and PVH. */
  readonly mode: 'save' | 'hvm_save';
  readonly domid: number;
  /** The guest runs on while most of its memory is copied. */
  readonly live: boolean;
}

export interface RestoreArguments {
  /** hvm_restore: HVM and PVH. */
  readonly mode: 'restore' | 'hvm_restore';
  readonly domid: number;
  readonly storePort: number;
  readonly storeDomid: number;
  readonly consolePort: number;
  readonly consoleDomid: number;
}

/**
 * Not a mode of the real xenguest, whose resume_slow is for guests that do not know that a suspend
 * was called off.
 */
export interface ResumeArguments {
  readonly mode: 'resume';
  readonly domid: number;
}

export type StreamArguments = SaveArguments | RestoreArguments | ResumeArguments;
