// The daemon's own port, apart from its configuration so that clients start without it.

/**
 * Where the daemon listens unless it is told otherwise, and where `xennuma xe` looks for it on this
 * machine.
 */
export const DEFAULT_PORT = 8080;
