// nats-servers on loopback: one, or three as a cluster.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectFleet } from '../../src/fleet/store/connect.js';
import { ensureStream } from '../../src/fleet/store/stream.js';

/** Debian's package puts it where an ordinary user's PATH may not look. */
const PATH = `${process.env.PATH ?? ''}:/usr/sbin`;

/** Test files run side by side, so that each has ports of its own. */
const USERS = [
  'as-replay',
  'collect',
  'one server',
  'three servers',
  'daemons',
  'faults',
  'jobs',
  'leaderless',
  'security',
  'work-waits',
  'agent',
  'pool-starts',
  'captures',
  'lost-log',
  'greedy',
  'hostile',
] as const;
/**
 * Below those that the kernel gives to outgoing connections. Of two checkouts whose tests run at
 * the same time, one needs others.
 */
const FIRST_PORT = Number(process.env.XENNUMA_NATS_PORT ?? 24_000);
/** Clients at the first and those after it, routes 100 above. */
const PORTS_A_USER = 200;

export function portOf(user: (typeof USERS)[number]): number {
  return FIRST_PORT + USERS.indexOf(user) * PORTS_A_USER;
}

/** null = there is one; otherwise why not. */
export function natsMissing(): string | null {
  try {
    execFileSync('nats-server', ['--version'], { stdio: 'ignore', env: { ...process.env, PATH } });
    return null;
  } catch {
    return 'nats-server is missing (apt-get install nats-server)';
  }
}

export interface ClusterOptions {
  readonly servers: number;
  /** As of portOf: clients at port, port + 1, ...; routes 100 above. */
  readonly port: number;
  /** Where a server finds the others; their routes by default. */
  readonly routePort?: (from: number, to: number) => number;
  /** More lines of each server's configuration. */
  readonly more?: string;
  /** Of a user that may make the stream. */
  readonly keyFile?: string;
}

export class NatsCluster {
  readonly folder = mkdtempSync(join(tmpdir(), 'xennuma-nats-'));
  readonly #options: ClusterOptions;
  readonly #processes: (ChildProcess | null)[] = [];

  constructor(options: ClusterOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#options.servers;
  }

  get url(): string {
    return Array.from({ length: this.size }, (_, at) => `nats://127.0.0.1:${this.#options.port + at}`).join(',');
  }

  urlOf(server: number): string {
    return `nats://127.0.0.1:${this.#options.port + server}`;
  }

  pidOf(server: number): number | null {
    return this.#processes[server]?.pid ?? null;
  }

  /** Ready when the fleet's stream is there. */
  async start(): Promise<void> {
    for (let at = 0; at < this.size; at++) this.startServer(at);
    await this.ready();
  }

  async ready(): Promise<void> {
    const { keyFile } = this.#options;
    const connection = await connectFleet({ url: this.url, ...(keyFile === undefined ? {} : { keyFile }) }, 'admin', true);
    try {
      await ensureStream(connection, this.size);
    } finally {
      await connection.close();
    }
  }

  startServer(at: number): void {
    const folder = join(this.folder, `s${at}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'server.conf'), this.#configuration(at, folder));
    const child = spawn('nats-server', ['-c', join(folder, 'server.conf')], { stdio: 'ignore', env: { ...process.env, PATH } });
    this.#processes[at] = child;
    child.on('exit', () => {
      if (this.#processes[at] === child) this.#processes[at] = null;
    });
  }

  #configuration(at: number, folder: string): string {
    const { port, servers, routePort = (_: number, to: number) => port + 100 + to, more = '' } = this.#options;
    const routes = Array.from({ length: servers }, (_, to) => to)
      .filter((to) => to !== at)
      .map((to) => `"nats://127.0.0.1:${routePort(at, to)}"`);
    // Without no_advertise servers would tell each other their own addresses, past a proxy.
    const cluster = `cluster { name: fleet, listen: "127.0.0.1:${port + 100 + at}", no_advertise: true, routes: [${routes.join(', ')}] }`;
    return [
      `server_name: s${at}`,
      `listen: "127.0.0.1:${port + at}"`,
      `log_file: "${folder}/log"`,
      `jetstream { store_dir: "${folder}/js", max_mem: 256M, max_file: 4G }`,
      ...(servers > 1 ? [cluster] : []),
      more,
    ].join('\n');
  }

  signal(at: number, name: NodeJS.Signals): void {
    this.#processes[at]?.kill(name);
  }

  async kill(at: number): Promise<void> {
    const child = this.#processes[at];
    if (child == null) return;
    const ended = new Promise((done) => child.once('exit', done));
    child.kill('SIGKILL');
    await ended;
  }

  async close(): Promise<void> {
    for (let at = 0; at < this.size; at++) await this.kill(at);
    rmSync(this.folder, { recursive: true, force: true });
  }
}
