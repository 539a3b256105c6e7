// The daemon's own port, apart from its configuration so that clients start without it.

/** The daemon's default address, and where `xennuma xe` looks for it on this machine. */
export const DEFAULT_PORT = 8080;
