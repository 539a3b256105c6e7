// The configuration file of the daemon, as `xennuma serve --config FILE` and `xennuma doctor` read it: its form, its defaults, and the
// checks between its parts. The JSON Schema is generated from here. Box of the chart: none; the host behind it runs the whole chart.
import { dirname, resolve } from 'node:path';
import * as z from 'zod';
import { InputError } from '../errors.js';
import { readStructured } from '../host/structured.js';
import type { InputText } from '../host/text.js';
import { POLICIES, PROFILES } from '../xenopsd/toolstack.js';
import { DEFAULT_PORT } from './default-port.js';

const path = z.string().min(1, 'expected a path').max(4096);
const ADDRESS_MEND = 'write 127.0.0.1:8990, [::1]:8990 or 0.0.0.0:443';

const listenAddress = z
  .string()
  .max(300)
  .refine((text) => parseListen(text) !== null, { error: 'expected ADDRESS:PORT with a port from 0 to 65535' })
  .describe('ADDRESS:PORT, such as 127.0.0.1:8990 or [::1]:8990; port 0 takes a free one');

const limits = z
  .strictObject({
    requestBytes: z
      .int()
      .min(1024)
      .max(64 * 2 ** 20)
      .default(2 ** 20)
      .describe('Longest request'),
    concurrentRequests: z.int().min(1).max(10_000).default(256).describe('Requests in work at one time; more are refused'),
    requestsPerSecond: z.int().min(1).max(1_000_000).default(5000).describe('For one client address; more are refused'),
    sessions: z.int().min(1).max(100_000).default(1000).describe('Sessions at one time'),
    sessionIdleSeconds: z
      .int()
      .min(10)
      .max(30 * 86_400)
      .default(86_400)
      .describe('A session that makes no call for so long is over'),
    loginFailuresPerMinute: z.int().min(1).max(1000).default(10).describe('Wrong passwords from one address before it has to wait'),
  })
  .describe('What one client may ask of the daemon');

export const configSchema = z
  .strictObject({
    host: z
      .union([path, z.array(path).min(1).max(4)], { error: 'expected a file that describes a host, or a list of files' })
      .optional()
      .describe('The embedded host: xl info -n, lstopo XML, numactl --hardware, or a host file'),
    on: z.literal('xen', { error: 'expected xen' }).optional().describe('The real Xen of this machine, in place of host'),
    xen: z
      .string()
      .regex(/^4\.\d{1,2}$/, 'expected a version in quotes such as "4.17"')
      .optional()
      .describe('Version of the embedded Xen (default: what the host says, else 4.17)'),
    state: path.optional().describe('Folder that keeps VMs, policies and tasks; without it nothing survives a restart'),
    listen: listenAddress.default(`127.0.0.1:${DEFAULT_PORT}`),
    tls: z
      .union([z.strictObject({ cert: path, key: path }), z.literal('generate')], {
        error: 'expected cert and key, two PEM files, or the word generate',
      })
      .optional()
      .describe('Certificate and key in PEM; generate makes a self-signed pair in the state folder'),
    users: path.optional().describe('File of users with scrypt hashes, made by xennuma serve passwd'),
    profile: z.enum(PROFILES).default('xapi-26.3').describe('Behaviour of the toolstack'),
    policy: z.enum(POLICIES).default('default_policy').describe("The host's numa_affinity_policy until a client sets one"),
    audit: path.optional().describe('File that gets one JSON line for each change'),
    log: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace']).default('info').describe('Least level of what is logged'),
    metrics: z.boolean().default(true).describe('Serve /metrics for Prometheus'),
    limits: limits.prefault({}),
  })
  .meta({ title: 'Configuration of xennuma serve' });

/** A configuration with defaults filled in and every path absolute. */
export type DaemonConfig = z.output<typeof configSchema>;
export type DaemonLimits = DaemonConfig['limits'];

export function configJsonSchema(): unknown {
  return z.toJSONSchema(configSchema, { io: 'input' });
}

export interface ListenAddress {
  readonly address: string;
  readonly port: number;
}

/** "127.0.0.1:8990", "[::1]:0", "localhost:80"; null for anything else. */
export function parseListen(text: string): ListenAddress | null {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]/]+)):(\d{1,5})$/.exec(text);
  if (match === null) return null;
  const port = Number(match[3]);
  return port > 65_535 ? null : { address: match[1] ?? match[2]!, port };
}

/** Whether only this machine can connect to an address. */
export function isLoopback(address: string): boolean {
  return address === 'localhost' || address === '::1' || /^127(\.\d{1,3}){3}$/.test(address);
}

/**
 * Paths in the file are relative to its folder.
 * @throws InputError with file, line and path for a form that is wrong, and for parts that contradict each other
 */
export function readDaemonConfig(input: InputText): DaemonConfig {
  const file = readStructured(input, configSchema, 'see docs/service.md and schemas/config.schema.json');
  const { value } = file;
  if (value.host === undefined && value.on === undefined) {
    throw file.fault([], 'expected host or on, got neither', 'write host: FILE for an embedded host, or on: xen');
  }
  if (value.host !== undefined && value.on !== undefined) {
    throw file.fault(['on'], 'expected either host or on, got both', 'keep host for an embedded host, or on: xen');
  }
  if (value.on === 'xen' && value.xen !== undefined) {
    throw file.fault(['xen'], 'the version of a real Xen is asked of Xen itself', 'remove it');
  }
  if (value.tls === 'generate' && value.state === undefined) {
    throw file.fault(['tls'], 'a generated certificate needs a folder to be kept in', 'write state: FOLDER');
  }
  checkExposure(value, (part, message, mend) => file.fault([part], message, mend));
  return absolute(value, dirname(resolve(input.file)));
}

/**
 * A daemon that others can reach must know its users and hide their passwords.
 * @throws what `fault` makes
 */
export function checkExposure(
  config: Pick<DaemonConfig, 'listen' | 'tls' | 'users'>,
  fault: (part: 'listen' | 'tls' | 'users', message: string, mend: string) => InputError = (part, message, mend) =>
    new InputError(message, { path: part }, mend),
): void {
  const listen = parseListen(config.listen);
  if (listen === null) throw fault('listen', `expected ADDRESS:PORT, got ${JSON.stringify(config.listen.slice(0, 80))}`, ADDRESS_MEND);
  if (isLoopback(listen.address)) return;
  if (config.users === undefined) {
    throw fault(
      'listen',
      `${config.listen} can be reached from other machines, but there are no users`,
      'name a users file, or listen on 127.0.0.1',
    );
  }
  if (config.tls === undefined) {
    throw fault('listen', `${config.listen} can be reached from other machines, but there is no TLS`, 'set tls, or listen on 127.0.0.1');
  }
}

function absolute(config: DaemonConfig, folder: string): DaemonConfig {
  const at = (name: string) => resolve(folder, name);
  const { host, state, tls, users, audit } = config;
  return {
    ...config,
    ...(host === undefined ? {} : { host: typeof host === 'string' ? at(host) : host.map(at) }),
    ...(state === undefined ? {} : { state: at(state) }),
    ...(tls === undefined || tls === 'generate' ? {} : { tls: { cert: at(tls.cert), key: at(tls.key) } }),
    ...(users === undefined ? {} : { users: at(users) }),
    ...(audit === undefined ? {} : { audit: at(audit) }),
  };
}
