// The check of a XenStore outside of this process before an embedded host uses it: do its keys
// belong to another host?
import { InputError } from '../../base/errors.js';
import { nullIfAbsent } from '../../xenstore/absence.js';
import type { XenstoreConnection } from '../../xenstore/connection.js';

/** Says that all guests in this store were an embedded host's, which ended with its process. */
const MARK = '/tool/xennuma/embedded-host';
const GUEST_KEYS = ['/vm', '/xenops', '/libxl'];

/**
 * Removes the keys of an earlier embedded host, and marks the store as used by this one.
 * @throws InputError when it holds domains of another host
 */
export async function takeStore(xs: XenstoreConnection): Promise<void> {
  const guests = (await nullIfAbsent(xs.directory('/local/domain')))?.filter((name) => name !== '0') ?? [];
  const marked = (await nullIfAbsent(xs.readBytes(MARK))) !== null;
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
      await nullIfAbsent(xs.rm(`/local/domain/${guest}`));
    }
    for (const path of GUEST_KEYS) await nullIfAbsent(xs.rm(path));
  }
  await xs.write(MARK, '');
}
