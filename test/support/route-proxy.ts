// The routes between the servers of a cluster, over TCP proxies of this process: a partition is a
// proxy that passes nothing on.
import { createServer, connect as dial, type Server, type Socket } from 'node:net';

export class RouteProxies {
  readonly #first: number;
  readonly #servers: number;
  readonly #listening: Server[] = [];
  readonly #sockets = new Map<string, Set<Socket>>();
  readonly #cut = new Set<number>();

  /** @param first port of the proxies; 10 a server */
  constructor(first: number, servers: number) {
    this.#first = first;
    this.#servers = servers;
  }

  readonly portOf = (from: number, to: number): number => this.#first + 10 * from + to;

  async open(routePort: (to: number) => number): Promise<void> {
    for (let from = 0; from < this.#servers; from++) {
      for (let to = 0; to < this.#servers; to++) if (from !== to) await this.#listen(from, to, routePort(to));
    }
  }

  #listen(from: number, to: number, port: number): Promise<void> {
    const server = createServer((near) => {
      if (this.#cut.has(from) || this.#cut.has(to)) {
        near.destroy();
        return;
      }
      const far = dial(port, '127.0.0.1');
      for (const [a, b] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#keep(from, a);
        this.#keep(to, a);
        a.on('error', () => {});
        a.on('close', () => b.destroy());
      }
      near.pipe(far);
      far.pipe(near);
    });
    this.#listening.push(server);
    return new Promise((done) => server.listen(this.portOf(from, to), '127.0.0.1', done));
  }

  #keep(server: number, socket: Socket): void {
    const serverSockets = this.#sockets.get(String(server)) ?? new Set();
    this.#sockets.set(String(server), serverSockets.add(socket));
  }

  /** The server and the others cannot reach each other; their clients reach all of them. */
  cut(server: number): void {
    this.#cut.add(server);
    for (const socket of this.#sockets.get(String(server)) ?? []) socket.destroy();
    this.#sockets.delete(String(server));
  }

  heal(): void {
    this.#cut.clear();
  }

  async close(): Promise<void> {
    for (const serverSockets of this.#sockets.values()) for (const socket of serverSockets) socket.destroy();
    await Promise.all(this.#listening.map((server) => new Promise((done) => server.close(done))));
  }
}
