// The running host behind --on xen: opened once and always closed. Every failure to reach it
// becomes an UnreachableError.
import { InputError, UnreachableError, XenError } from '../../base/errors.js';
import { type LiveMap, type LiveMapOptions, liveMap } from '../../live/live-map.js';
import type { XenHost, XenHostOptions } from '../../xenopsd/hosts/xen-host.js';

/**
 * Xen's errors for a caller that it does not serve: not the control domain, no permission, no such
 * call.
 */
const REFUSALS: readonly string[] = ['EPERM', 'EACCES', 'ENOSYS'];

/**
 * @param instead words that follow the advice where there is no Xen
 * @throws UnreachableError when there is no Xen or no XenStore here, this user has no permission,
 * or the version is unknown
 */
export async function withXen<T>(work: (host: XenHost) => Promise<T>, options: XenHostOptions = {}, instead = ''): Promise<T> {
  const { xenHost } = await import('../../xenopsd/hosts/xen-host.js');
  let host: XenHost;
  try {
    host = await xenHost(options);
  } catch (error) {
    if (error instanceof InputError) {
      const { file } = error.place;
      throw new UnreachableError(
        `${file === undefined ? '' : `${file}: `}${error.message}`,
        `${error.mend === '' ? 'see docs/real-host.md' : error.mend}${instead}`,
      );
    }
    if (error instanceof XenError) throw refused(error);
    throw error;
  }
  try {
    return await work(host);
  } catch (error) {
    throw error instanceof XenError && REFUSALS.includes(error.errno) ? refused(error) : error;
  } finally {
    await host.close();
  }
}

function refused(error: XenError): UnreachableError {
  return new UnreachableError(`Xen refuses this caller: ${error.message}`, 'run it as root in the control domain (see docs/real-host.md)');
}

/** For commands that need not run on the host itself. @throws as withXen */
export function withXenHere<T>(work: (host: XenHost) => Promise<T>): Promise<T> {
  return withXen(work, {}, ', or read a host from afar with --from ssh://root@HOST');
}

/** Reads the running host and closes it. */
export function lookAtXen(options: LiveMapOptions = { memory: true }): Promise<LiveMap> {
  return withXenHere((host) => liveMap(host, options));
}
