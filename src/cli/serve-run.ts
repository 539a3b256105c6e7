// What `xennuma serve` does once its options are read: opens the host, the state and the network, and waits for a signal.
import { pino } from 'pino';
import { InputError } from '../errors.js';
import { detectAndRead } from '../host/detect.js';
import { openDaemon } from '../xapi/daemon.js';
import { openHttp } from '../xapi/http-server.js';
import { embeddedHost } from '../xenopsd/embedded-host.js';
import type { HostDoors, ProfileName } from '../xenopsd/toolstack.js';
import { UnreachableError } from './exit-codes.js';
import { readInput } from './read-input.js';
import { VERSION } from './version.js';

export interface ServeOptions {
  readonly host?: readonly string[];
  readonly on?: 'xen';
  readonly xen?: string;
  readonly scheduler?: 'credit' | 'credit2';
  readonly profile: ProfileName;
  readonly seed: number;
  readonly state?: string;
  readonly listen: string;
}

export async function serve(options: ServeOptions): Promise<void> {
  const { address, port } = parseListen(options.listen);
  if (!isLoopback(address)) {
    throw new InputError(`${address} can be reached from other machines`, { path: '--listen' }, 'listen on 127.0.0.1');
  }
  const log = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ dest: 2, sync: true }));
  const daemon = await openDaemon({
    doors: await openDoors(options),
    profile: options.profile,
    seed: options.seed,
    state: options.state ?? null,
    users: () => null,
    version: VERSION,
    address,
    log,
  });
  const front = await openHttp({
    daemon,
    address,
    port,
    tls: null,
    loopbackNamesOnly: true,
    failed: (error) => log.error({ error: error instanceof Error ? error.stack : String(error) }, 'a fault while answering'),
  });
  // Scripts wait for this line; it says the port when 0 was asked for.
  process.stdout.write(`listening at http://${address.includes(':') ? `[${address}]` : address}:${front.port}\n`);
  const signal = await new Promise<string>((done) => {
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => done(name));
  });
  log.info({ signal }, 'ending');
  await front.close();
  await daemon.close();
}

async function openDoors(options: ServeOptions): Promise<HostDoors> {
  if (options.on === 'xen') throw new UnreachableError('there is no door to the real host yet', 'use --host FILE');
  const host = detectAndRead(options.host!.map(readInput));
  return embeddedHost(host, {
    profile: options.profile,
    ...(options.xen === undefined ? {} : { xenVersion: options.xen }),
    ...(options.scheduler === undefined ? {} : { scheduler: options.scheduler }),
  });
}

export function parseListen(text: string): { readonly address: string; readonly port: number } {
  const found = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s]+)):(\d{1,5})$/.exec(text);
  const port = Number(found?.[3]);
  if (found === null || port > 65_535) {
    throw new InputError(`expected an address and a port, got '${text}'`, { path: '--listen' }, 'write 127.0.0.1:8080 or [::1]:8080');
  }
  return { address: (found[1] ?? found[2])!, port };
}

export function isLoopback(address: string): boolean {
  return address === 'localhost' || address === '::1' || /^127(\.\d{1,3}){3}$/.test(address);
}
