// Where the memory of suspended guests is kept: an interface, as some hosts have no files.

/** Whose guest it is. */
export interface ImageOwner {
  readonly name: string;
  readonly uuid: string;
}

export interface GuestImages {
  /**
   * Durable when it resolves; when it rejects, nothing is kept.
   * @param write fills in the guest from the present position of the file descriptor
   * @returns bytes of what is kept
   */
  write(owner: ImageOwner, write: (fd: number) => Promise<void>): Promise<number>;
  /**
   * @param read takes the guest from the present position of the file descriptor
   * @throws InputError for an image that is missing, cut short, or another VM's
   */
  read<T>(owner: ImageOwner, read: (fd: number) => Promise<T>): Promise<T>;
  /** What is not there is fine. */
  remove(owner: ImageOwner): Promise<void>;
}
