// `xennuma serve` after its settings are read: opens the host, the state and the network, and waits
// for a signal.
import { join } from 'node:path';
import { pino } from 'pino';
import { descriptorLimit, descriptorsInUse, tooFewDescriptors } from '../../base/descriptors.js';
import { InputError } from '../../base/errors.js';
import { harmlessJson } from '../../base/safe-text.js';
import { serviceManager } from '../../base/service-manager.js';
import { plainHost } from '../../live/capture/text/plain-host.js';
import { detectAndReadAll } from '../../machine/readers/detect.js';
import { SESSION_LIMITS } from '../../xapi/calls/sessions.js';
import { followUsersFile } from '../../xapi/calls/users-file.js';
import { type Daemon, type DaemonLog, openDaemon } from '../../xapi/daemon.js';
import { openFronts } from '../../xapi/http/fronts.js';
import { HTTP_LIMITS, type HttpLimits, type HttpOptions } from '../../xapi/http/http-server.js';
import { Metrics } from '../../xapi/http/metrics.js';
import { parseOrigin } from '../../xapi/http/origins.js';
import { pagesOf } from '../../xapi/http/pages.js';
import { fingerprint } from '../../xapi/http/self-signed.js';
import { serveBackups } from '../../xapi/http/sockets/backup-socket.js';
import { openStaticFiles } from '../../xapi/http/static-files.js';
import { openPages } from '../../xapi/http/web/web-pages.js';
import type { HostDoors } from '../../xenopsd/api/host-doors.js';
import { embeddedHost } from '../../xenopsd/hosts/embedded-host.js';
import { libcIfThere } from '../../xenstore/server/libc.js';
import { LogSink } from '../../xenstore/server/log-sink.js';
import { claimSocketPath } from '../../xenstore/server/socket-file.js';
import { readInput } from '../input/read-input.js';
import { checkFleet, type ServeSettings } from '../input/serve-config.js';
import { VERSION } from '../output/version.js';
import { thinCliOf } from './serve-thin-cli.js';
import { readTls } from './serve-tls.js';

/** For what the daemon opens now and then: its database's files, the users file, a renamed log. */
const OWN_DESCRIPTORS = 12;
const LEAST_CONNECTIONS = 16;

export async function serve(settings: ServeSettings): Promise<void> {
  const { address, port } = parseListen(settings.listen);
  checkSettings(settings, address);
  // The state is private to this user, even in a folder that others may enter.
  process.umask(0o077);
  // Before anything listens: a refusal must end the process.
  if (settings.unix !== null) claimSocketPath(settings.unix);
  const log = openLog();
  const users = settings.users === null ? null : followUsersFile(settings.users, (message) => log.error({ file: settings.users }, message));
  const tls = await readTls(settings, address);
  const web = await webOf(settings);
  const metrics = new Metrics();
  const { sessionIdleSeconds, ...http } = settings.limits;
  const { doors, others } = await openDoors(settings);
  const daemon = await openDaemon({
    doors,
    others,
    profile: settings.profile,
    seed: settings.seed,
    state: settings.state,
    audit: settings.state === null ? null : join(settings.state, 'audit.log'),
    policy: 'default_policy',
    users: () => users?.() ?? null,
    sessions: { ...SESSION_LIMITS, ...(sessionIdleSeconds === undefined ? {} : { idleMs: sessionIdleSeconds * 1000 }) },
    version: VERSION,
    address,
    certificate: tls?.cert ?? null,
    log,
    observe: {
      call: (end) => metrics.call(end),
      outcome: (_vm, outcome, durationMs) => metrics.outcome(outcome, durationMs),
    },
  });
  metrics.attach(daemon);
  daemon.rrds.start();
  const common = {
    daemon,
    address,
    port,
    limits: withinDescriptors({ ...HTTP_LIMITS, ...(http as Partial<HttpLimits>) }, log),
    thinCli: thinCliOf(daemon),
    ...web,
    failed: (error: unknown) => log.error({ error: error instanceof Error ? error.stack : String(error) }, 'a fault while answering'),
  };
  // A folder of files is in place of our own page.
  const pages = new Map([...(settings.www === null ? openPages() : []), ...pagesOf(daemon, metrics, users === null)]);
  const overTcp: HttpOptions = { ...common, tls, loopbackNamesOnly: users === null, pages };
  // The folder's owner alone can open the socket, and is an administrator.
  const overUnix = { ...common, tls: null, loopbackNamesOnly: false, pages: pagesOf(daemon, metrics, true) };
  const fronts = await openFronts([overTcp, ...(settings.unix === null ? [] : [{ ...overUnix, path: settings.unix }])]);
  const backups = settings.state === null ? null : await serveBackups(settings.state, daemon, (message) => log.warn({}, message));
  log.info({ profile: settings.profile }, 'toolstack version to act as');
  if (tls !== null) log.info({ sha256: fingerprint(tls.cert) }, 'fingerprint of the certificate');
  if (users === null) log.warn({}, 'there is no users file: everybody on this machine may log in as root, with any password');
  const ending = handleSignals(daemon, log);
  sayWhere(tls === null ? 'http' : 'https', address, fronts[0]!.port);
  const fleet = settings.fleet === null ? null : (await import('./fleet/serve-fleet.js')).joinFleet(settings.fleet, daemon, log);
  const manager = serviceManager((message) => log.warn({}, message), process.env, libcIfThere()?.datagram ?? null);
  manager.ready();
  log.info({ signal: await ending }, 'ending');
  const notification = manager.ending();
  await fleet?.close();
  await backups?.close();
  await Promise.all(fronts.map((front) => front.close()));
  await daemon.close();
  await doors.close?.();
  await notification;
}

function openLog() {
  const sink = new LogSink(2);
  const write = (line: string): void => sink.line(harmlessJson(line.trimEnd()));
  return pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime }, { write });
}

/**
 * Before the daemon says that it listens: whoever reads that may send a signal at once.
 * @returns the signal that ends the daemon
 */
function handleSignals(daemon: Daemon, log: DaemonLog): Promise<string> {
  process.on('SIGHUP', () => {
    log.info({}, 'the audit log was reopened');
    daemon.reopenLogs();
  });
  return new Promise((done) => {
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => done(name));
  });
}

/** Scripts wait for this line. It shows the actual port if 0 was given. */
function sayWhere(scheme: string, address: string, port: number): void {
  process.stdout.write(`listening at ${scheme}://${address.includes(':') ? `[${address}]` : address}:${port}\n`);
}

/** What web pages get. @throws InputError for a folder or an origin that is none */
async function webOf({ www, origins }: ServeSettings): Promise<Pick<HttpOptions, 'files' | 'origins'>> {
  return { origins: origins.map(parseOrigin), ...(www === null ? {} : { files: await openStaticFiles(www) }) };
}

/**
 * As many connections as there are descriptors for: past that, strangers and the owner alike would
 * be cut off by the kernel.
 * @throws InputError when there are too few
 */
function withinDescriptors(limits: HttpLimits, log: DaemonLog): HttpLimits {
  const free = descriptorLimit() - descriptorsInUse() - OWN_DESCRIPTORS;
  if (free < LEAST_CONNECTIONS) throw tooFewDescriptors();
  if (free >= limits.connections) return limits;
  log.warn({ connections: free, descriptors: descriptorLimit() }, 'fewer connections than configured: there are few file descriptors');
  return { ...limits, connections: free };
}

/** @throws InputError for settings that no daemon can run with */
function checkSettings(settings: ServeSettings, address: string): void {
  checkReach(settings, address);
  checkFleet(settings.fleet);
}

/**
 * Passwords must not cross a network in clear text, and a login over a network needs a password.
 */
function checkReach(settings: ServeSettings, address: string): void {
  if (settings.host === null && settings.on === null) {
    throw new InputError('which host?', { path: '--host' }, 'give --host FILE for an embedded one, or --on xen');
  }
  if (settings.on === 'xen' && settings.users === null) {
    throw new InputError('a real host needs users', { path: '--users' }, 'create them with: xennuma serve passwd USER --file FILE');
  }
  if (isLoopback(address) || (settings.users !== null && settings.tls !== null)) return;
  const lacking = [settings.users === null ? '--users FILE' : '', settings.tls === null ? '--tls-generate or --tls-cert' : ''];
  throw new InputError(
    `${address} can be reached from other machines`,
    { path: '--listen' },
    `give ${lacking.filter((one) => one !== '').join(' and ')}, or listen on 127.0.0.1`,
  );
}

/** Hosts of one pool at most. */
const MAX_HOSTS = 64;

interface Doors {
  readonly doors: HostDoors & { readonly close?: () => Promise<void> };
  readonly others: readonly HostDoors[];
}

async function openDoors(settings: ServeSettings): Promise<Doors> {
  if (settings.on === 'xen') {
    const { xenHost } = await import('../../xenopsd/hosts/xen-host.js');
    return { doors: await xenHost(), others: [] };
  }
  const hosts = detectAndReadAll(settings.host!.map((file) => plainHost(readInput(file))));
  if (hosts.length > MAX_HOSTS) throw new InputError(`expected at most ${MAX_HOSTS} hosts`, { path: '--host' }, 'start another daemon');
  if (hosts.length > 1 && settings.fleet !== null) {
    throw new InputError('a pool of several hosts cannot be a member of a fleet', { path: '--fleet' }, 'start a daemon for each host');
  }
  const options = {
    profile: settings.profile,
    ...(settings.xen === null ? {} : { xenVersion: settings.xen }),
    ...(settings.scheduler === null ? {} : { scheduler: settings.scheduler }),
  };
  const opened: HostDoors[] = [];
  for (const host of hosts) opened.push(await embeddedHost(host, options));
  return { doors: opened[0]!, others: opened.slice(1) };
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
