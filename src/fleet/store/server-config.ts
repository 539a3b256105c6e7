// The configuration of the fleet's NATS servers: an account with JetStream, and for each user an
// nkey and the subjects that it may use. A member may write its own subjects only, and creates no
// consumers: whoever may create one can have entries delivered to any subject.
import { hostToken } from '../protocol/subjects.js';

export type Role = 'admin' | 'placer' | 'member';

export interface FleetUser {
  readonly name: string;
  readonly role: Role;
  /** Public key: U... */
  readonly key: string;
}

export interface ServerPlace {
  readonly name: string;
  readonly address: string;
}

export interface ServerOptions {
  readonly servers: readonly ServerPlace[];
  readonly port: number;
  readonly routePort: number;
  /** Folder of the certificate, its key and the authority; null = no TLS, on loopback. */
  readonly tls: { readonly cert: string; readonly key: string; readonly ca: string } | null;
}

export function serverConfig({ servers, port, routePort, tls }: ServerOptions, at: number): string {
  const own = servers[at]!;
  const others = servers.filter((_, index) => index !== at).map(({ address }) => `"nats://${address}:${routePort}"`);
  const files = tls === null ? '' : `cert_file: "${tls.cert}", key_file: "${tls.key}", ca_file: "${tls.ca}"`;
  const secured = tls === null ? [] : [`tls { ${files} }`];
  // A server of the cluster may send and read anything: each proves that it has a certificate.
  const routeTls = tls === null ? '' : `, tls { ${files}, verify: true }`;
  const routes = `cluster { name: fleet, listen: "${own.address}:${routePort}", routes: [${others.join(', ')}]${routeTls} }`;
  return [
    '# Written by xennuma fleet init.',
    `server_name: ${own.name}`,
    `listen: "${own.address}:${port}"`,
    'jetstream { store_dir: "/var/lib/nats", max_file: 4G }',
    ...secured,
    ...(servers.length > 1 ? [routes] : []),
    'include "users.conf"',
    '',
  ].join('\n');
}

/** @param users the administrator first */
export function usersConfig(users: readonly FleetUser[]): string {
  const lines = users.map(({ name, role, key }) => `      # ${role} ${name}\n      { nkey: ${key}${permissionsOf(role, name)} }`);
  return [
    '# Written by xennuma fleet init and fleet join.',
    'accounts {',
    '  FLEET {',
    '    jetstream: enabled',
    '    users: [',
    ...lines,
    '    ]',
    '  }',
    '}',
    '',
  ].join('\n');
}

/** Users of a file that usersConfig has written. */
export function readUsers(text: string): FleetUser[] {
  const found = text.matchAll(/^ {6}# (admin|placer|member) (\S+)\n {6}\{ nkey: (U[A-Z2-7]+)/gm);
  return [...found].map(([, role, name, key]) => ({ role: role as Role, name: name!, key: key! }));
}

function permissionsOf(role: Role, name: string): string {
  if (role === 'admin') return '';
  const { publish, subscribe } = role === 'member' ? memberSubjects(name) : placerSubjects(name);
  const list = (subjects: readonly string[]) => subjects.map((subject) => `"${subject}"`).join(', ');
  const answers = role === 'member' ? ', allow_responses: true' : '';
  return `, permissions: { publish: { allow: [${list(publish)}] }, subscribe: { allow: [${list(subscribe)}] }${answers} }`;
}

function memberSubjects(name: string): { publish: string[]; subscribe: string[] } {
  const host = hostToken(name);
  return {
    // Reading by place and subject, without a consumer.
    publish: [`h.${host}.m`, `h.${host}.r.>`, `h.${host}.o.>`, `fleet.ev.${host}`, '$JS.API.DIRECT.GET.FLEET'],
    subscribe: [
      `_INBOX_${host}.>`,
      `h.${host}.>`,
      `fleet.start.${host}`,
      `fleet.ask.${host}`,
      `fleet.drain.${host}`,
      'fleet.ask',
      'fleet.lease.>',
    ],
  };
}

function placerSubjects(name: string): { publish: string[]; subscribe: string[] } {
  const api = ['$JS.API.INFO', '$JS.API.STREAM.INFO.FLEET', '$JS.API.CONSUMER.CREATE.FLEET', '$JS.API.CONSUMER.CREATE.FLEET.>', '$JS.FC.>'];
  return {
    publish: [`h.*.r.${name}.>`, `fleet.lease.${name}.>`, 'fleet.start.*', 'fleet.ask', 'fleet.ask.*', '$JS.API.DIRECT.GET.FLEET', ...api],
    subscribe: [`_INBOX_${name}.>`, 'fleet.lease.>', 'fleet.ev.*'],
  };
}
