// Which toolstack runs the host that this command runs on, by the same signs as from afar.
import { release } from 'node:os';
import type { XenstoreConnection } from '../xenstore/connection.js';
import { type SeenToolstack, toolstackOf } from './capture/toolstack.js';
import { type LiveMap, readKey } from './live-map.js';

/** @param kernel release of dom0's kernel, as `xl info` prints it */
export async function localToolstack(
  xs: Pick<XenstoreConnection, 'read' | 'directory'>,
  { map }: Pick<LiveMap, 'map'>,
  kernel: string = release(),
): Promise<SeenToolstack> {
  const types = await Promise.all(map.domains.map(({ domid }) => readKey(xs, `/libxl/${domid}/type`)));
  return toolstackOf({
    ofXapi: (await xs.directory('/xapi').catch(() => [])).length > 0,
    ofXl: types.some((type) => type !== undefined),
    info: [`release : ${kernel}`],
  });
}
