// A XenStore outside this process, taken for an embedded host: whose keys are in it?
import { InputError, XenError } from '../../base/errors.js';
import type { XenstoreConnection } from '../../xenstore/connection.js';

/** Says that all guests in this store were an embedded host's, which ended with its process. */
const MARK = '/tool/xennuma/embedded-host';
const GUEST_KEYS = ['/vm', '/xenops', '/libxl'];

/**
 * Clears what an embedded host left, and marks the store as one's own.
 * @throws InputError when it holds domains of another host
 */
export async function takeStore(xs: XenstoreConnection): Promise<void> {
  const guests = (await ifThere(xs.directory('/local/domain')))?.filter((name) => name !== '0') ?? [];
  const marked = (await ifThere(xs.readBytes(MARK))) !== undefined;
  if (guests.length > 0 && !marked) {
    const some = `${guests.slice(0, 5).join(', ')}${guests.length > 5 ? ', ...' : ''}`;
    throw new InputError(
      `this XenStore has domains of another host (${some})`,
      { path: '/local/domain' },
      'give the embedded host one of its own: xennuma xenstored --socket FILE',
    );
  }
  if (marked) {
    for (const guest of guests) {
      const domid = Number(guest);
      if (await xs.isIntroduced(domid)) await xs.release(domid);
      await ifThere(xs.rm(`/local/domain/${guest}`));
    }
    for (const path of GUEST_KEYS) await ifThere(xs.rm(path));
  }
  await xs.write(MARK, '');
}

async function ifThere<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof XenError && error.errno === 'ENOENT') return undefined;
    throw error;
  }
}
