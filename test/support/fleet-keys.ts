// Users of a fleet with keys, as `fleet init` and `fleet join` make them.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nkeys } from '@nats-io/transport-node';
import type { FleetUser, Role } from '../../src/fleet/store/server-config.js';

export interface FleetKeys {
  /** As of usersConfig, in the order of the roles. */
  readonly users: readonly FleetUser[];
  /** File of a user's key. */
  readonly keyOf: (name: string) => string;
}

/** @param roles by name, the administrator first */
export function fleetKeys(folder: string, roles: Readonly<Record<string, Role>>): FleetKeys {
  const keyOf = (name: string) => join(folder, `${name}.nk`);
  const users = Object.entries(roles).map(([name, role]) => {
    const pair = nkeys.createUser();
    writeFileSync(keyOf(name), new TextDecoder().decode(pair.getSeed()));
    return { name, role, key: pair.getPublicKey() };
  });
  return { users, keyOf };
}
