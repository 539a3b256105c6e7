// The addresses and sockets of one daemon.
import { type HttpFront, type HttpOptions, openHttp } from './http-server.js';

/**
 * All or none: one that stays open would keep a process alive that does not serve.
 * @throws InputError for the first that cannot be had
 */
export async function openFronts(all: readonly HttpOptions[]): Promise<HttpFront[]> {
  const open: HttpFront[] = [];
  try {
    for (const options of all) open.push(await openHttp(options));
    return open;
  } catch (error) {
    await Promise.all(open.map((front) => front.close()));
    throw error;
  }
}
