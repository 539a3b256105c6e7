// The daemon's settings: from the command line, then from a file in YAML or JSON, then defaults.
import { dirname, resolve } from 'node:path';
import * as z from 'zod';
import { checkAccess, type FleetAccess } from '../../fleet/store/access.js';
import { readStructured } from '../../machine/readers/structured.js';
import { DEFAULT_PROFILE, PROFILES, type ProfileName } from '../../xenopsd/api/profiles.js';
import { accessOf, TAG_LIMITS } from './fleet-options.js';
import { readInput } from './read-input.js';

const path = z.string().min(1).max(4096);
const count = (most: number) => z.int().min(1).max(most);

export const serveSchema = z.strictObject({
  host: z
    .union([path, z.array(path).min(1).max(256)])
    .optional()
    .describe('Host description: a file, or several that complete each other; several descriptions are hosts of one pool'),
  on: z.literal('xen').optional().describe('The host this daemon runs on, instead of `host`'),
  xen: z
    .string()
    .regex(/^4\.\d{1,2}$/)
    .optional()
    .describe('Version of the embedded Xen; the one in the description by default'),
  scheduler: z.enum(['credit', 'credit2']).optional().describe("Scheduler of the embedded Xen's Pool-0"),
  profile: z.enum(PROFILES).optional().describe(`Toolstack version to act as; ${DEFAULT_PROFILE} by default`),
  seed: z.int().min(0).max(0xffffffff).optional().describe('Seed for the order of parallel starts; 1 by default'),
  state: path.optional().describe('Folder of VMs, policies, tasks and the audit log; in memory by default'),
  listen: z.string().max(300).optional().describe('Address and port; 127.0.0.1:8080 by default'),
  unix: path.optional().describe('Path of a unix socket to listen on as well: who may open it is root'),
  www: path.optional().describe('Folder of files to answer GET with, such as a web interface'),
  origins: z.array(z.string().max(300)).max(32).optional().describe('Origins whose web pages may call; only pages of `www` by default'),
  tls: z
    .union([z.literal('generate'), z.strictObject({ cert: path, key: path })])
    .optional()
    .describe('Certificate and key in PEM, or `generate` for a self-signed one, kept in the state folder'),
  fleet: z
    .strictObject({
      urls: z.string().max(4096).describe('URLs of NATS servers: nats://host:port, several with commas between'),
      key: path.optional().describe('File with the seed of an nkey, as `xennuma fleet join` writes it'),
      ca: path.optional().describe("Certificate authority of the servers' certificates, in PEM"),
      name: z
        .string()
        .regex(/^[A-Za-z0-9_-]{1,64}$/)
        .optional()
        .describe("Name of this host in the fleet; the host's own by default"),
      tags: z
        .array(z.string().min(1).max(TAG_LIMITS.characters))
        .max(TAG_LIMITS.tags)
        .optional()
        .describe('What `xennuma fleet place --tag` may ask for'),
    })
    .optional()
    .describe('The fleet that this host is a member of'),
  users: path.optional().describe('File of users and password hashes, written by `xennuma serve passwd`'),
  limits: z
    .strictObject({
      requestsPerSecond: count(1_000_000).optional().describe('Requests from one address; 10000 by default'),
      burst: count(10_000_000).optional().describe('Burst of requests from one address after a pause; 20000 by default'),
      connections: count(65_535).optional().describe('Connections in total, of which one address gets half; 1024 by default'),
      callsAtOnce: count(65_535).optional().describe('Sessions in total, of which one user gets three quarters; 1024 by default'),
      sessionIdleSeconds: count(31_536_000).optional().describe('An unused session ends after this time; 86400 by default'),
    })
    .optional(),
});

export type ServeFile = z.output<typeof serveSchema>;

/** JSON Schema (2020-12), as shipped in schemas/serve.schema.json. */
export function serveJsonSchema(): Record<string, unknown> {
  return { title: 'xennuma serve', ...z.toJSONSchema(serveSchema, { io: 'input' }) };
}

/** Settings from the command line; they take precedence over the file. */
export interface ServeCommandLine {
  readonly config?: string;
  readonly host?: readonly string[];
  readonly on?: 'xen';
  readonly xen?: string;
  readonly scheduler?: 'credit' | 'credit2';
  readonly profile?: ProfileName;
  readonly seed?: number;
  readonly state?: string;
  readonly listen?: string;
  readonly unix?: string;
  readonly www?: string;
  readonly origin?: readonly string[];
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsGenerate?: boolean;
  readonly users?: string;
  readonly fleet?: string;
  readonly fleetKey?: string;
  readonly fleetCa?: string;
  readonly fleetName?: string;
  readonly fleetTag?: readonly string[];
}

export interface ServeSettings {
  readonly host: readonly string[] | null;
  readonly on: 'xen' | null;
  readonly xen: string | null;
  readonly scheduler: 'credit' | 'credit2' | null;
  readonly profile: ProfileName;
  readonly seed: number;
  readonly state: string | null;
  readonly listen: string;
  readonly unix: string | null;
  readonly www: string | null;
  readonly origins: readonly string[];
  readonly tls: 'generate' | { readonly cert: string; readonly key: string } | null;
  readonly users: string | null;
  readonly limits: NonNullable<ServeFile['limits']>;
  readonly fleet: FleetSettings | null;
}

export interface FleetSettings {
  readonly urls: string;
  readonly access: { readonly fleetKey?: string; readonly fleetCa?: string };
  readonly name: string | null;
  readonly tags: readonly string[];
}

/**
 * Paths in the file are relative to the file's own folder. @throws InputError with file, line and
 * path
 */
export function readSettings(commandLine: ServeCommandLine): ServeSettings {
  const file = commandLine.config === undefined ? {} : readFile(commandLine.config);
  const fromHost = commandLine.host ?? (commandLine.on === undefined ? asList(file.host) : undefined) ?? null;
  const ownPair = commandLine.tlsCert === undefined ? undefined : { cert: commandLine.tlsCert, key: commandLine.tlsKey! };
  const tlsGiven = commandLine.tlsGenerate === true ? 'generate' : ownPair;
  return {
    host: fromHost,
    on: commandLine.on ?? (commandLine.host === undefined ? file.on : undefined) ?? null,
    xen: commandLine.xen ?? file.xen ?? null,
    scheduler: commandLine.scheduler ?? file.scheduler ?? null,
    profile: commandLine.profile ?? file.profile ?? DEFAULT_PROFILE,
    seed: commandLine.seed ?? file.seed ?? 1,
    state: commandLine.state ?? file.state ?? null,
    listen: commandLine.listen ?? file.listen ?? '127.0.0.1:8080',
    unix: commandLine.unix ?? file.unix ?? null,
    www: commandLine.www ?? file.www ?? null,
    origins: commandLine.origin ?? file.origins ?? [],
    tls: tlsGiven ?? file.tls ?? null,
    users: commandLine.users ?? file.users ?? null,
    limits: file.limits ?? {},
    fleet: fleetOf(commandLine, file.fleet),
  };
}

/**
 * Before a daemon opens anything: later it would try to join for ever.
 * @throws InputError as of checkAccess
 */
export function checkFleet(fleet: FleetSettings | null): void {
  if (fleet !== null) checkAccess(memberAccess(fleet));
}

/** How the daemon reaches its fleet. */
export const memberAccess = ({ urls, access }: FleetSettings): FleetAccess => accessOf({ fleet: urls, ...access });

export type FleetCommandLine = Pick<ServeCommandLine, 'fleet' | 'fleetKey' | 'fleetCa' | 'fleetName' | 'fleetTag'>;

/** null = of no fleet. */
export function fleetOf(commandLine: FleetCommandLine, file?: ServeFile['fleet']): FleetSettings | null {
  const urls = commandLine.fleet ?? file?.urls;
  if (urls === undefined) return null;
  const [key, ca] = [commandLine.fleetKey ?? file?.key, commandLine.fleetCa ?? file?.ca];
  return {
    urls,
    access: { ...(key === undefined ? {} : { fleetKey: key }), ...(ca === undefined ? {} : { fleetCa: ca }) },
    name: commandLine.fleetName ?? file?.name ?? null,
    tags: commandLine.fleetTag ?? file?.tags ?? [],
  };
}

function readFile(name: string): ServeFile {
  const { value } = readStructured(readInput(name), serveSchema, 'see schemas/serve.schema.json and docs/xapi.md');
  const folder = name === '-' ? '.' : dirname(name);
  const from = (one: string) => resolve(folder, one);
  return {
    ...value,
    ...(value.host === undefined ? {} : { host: asList(value.host)!.map(from) }),
    ...(value.state === undefined ? {} : { state: from(value.state) }),
    ...(value.unix === undefined ? {} : { unix: from(value.unix) }),
    ...(value.www === undefined ? {} : { www: from(value.www) }),
    ...(value.users === undefined ? {} : { users: from(value.users) }),
    ...(value.fleet === undefined ? {} : { fleet: fleetFrom(value.fleet, from) }),
    ...(value.tls === undefined || value.tls === 'generate' ? {} : { tls: { cert: from(value.tls.cert), key: from(value.tls.key) } }),
  };
}

function fleetFrom(fleet: NonNullable<ServeFile['fleet']>, from: (path: string) => string): NonNullable<ServeFile['fleet']> {
  return {
    ...fleet,
    ...(fleet.key === undefined ? {} : { key: from(fleet.key) }),
    ...(fleet.ca === undefined ? {} : { ca: from(fleet.ca) }),
  };
}

function asList(value: string | string[] | undefined): string[] | undefined {
  return typeof value === 'string' ? [value] : value;
}
