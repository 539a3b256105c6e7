// Notifications of a service to systemd: that it is ready, alive, or ending (sd_notify(3)). Node
// cannot write to datagram sockets, so a call of the C library sends them; without the library,
// systemd's own program sends them in the name of the service.
import { execFile } from 'node:child_process';

const PROGRAM = 'systemd-notify';

export interface ServiceManager {
  /** It serves from now on. Starts the signs of life that a unit with WatchdogSec= waits for. */
  ready(): void;
  /** Its end has begun, and may take a while. Resolves when systemd knows. */
  ending(): Promise<void>;
}

/**
 * @param complain for what could not be told; the service goes on
 * @param env NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, as systemd sets them
 * @param datagram sends a text to a unix socket, and throws when it cannot; null = there is no such
 *   call
 */
export function serviceManager(
  complain: (message: string) => void,
  env: NodeJS.ProcessEnv = process.env,
  datagram: ((socket: string, text: string) => void) | null = null,
): ServiceManager {
  const socket = env.NOTIFY_SOCKET ?? '';
  if (socket === '') return { ready: () => {}, ending: async () => {} };
  // One after the other, so that nothing arrives after the end.
  let notifications = Promise.resolve();
  let waiting = 0;
  const tell = (word: string): Promise<void> => {
    if (datagram !== null) {
      try {
        datagram(socket, word);
      } catch (error) {
        complain(`systemd was not told ${word}: ${error instanceof Error ? error.message : String(error)}`);
      }
      return notifications;
    }
    waiting++;
    notifications = notifications.then(
      () =>
        new Promise((done) => {
          // The process id of the service: systemd would ask who the sender was after it has gone.
          execFile(PROGRAM, [`--pid=${process.pid}`, word], { env }, (error) => {
            waiting--;
            if (error !== null) complain(`systemd was not told ${word}: ${error.message.trim()}`);
            done();
          });
        }),
    );
    return notifications;
  };
  const every = lifeSignMs(env);
  let signs: NodeJS.Timeout | undefined;
  return {
    ready() {
      void tell('READY=1');
      // Two signs fit into the time that systemd waits. A loop that hangs gives none.
      if (every !== null) signs = setInterval(() => waiting === 0 && void tell('WATCHDOG=1'), every).unref();
    },
    ending() {
      clearInterval(signs);
      return tell('STOPPING=1');
    },
  };
}

/** Half of what systemd waits for (sd_watchdog_enabled(3)); null when it does not watch. */
function lifeSignMs(env: NodeJS.ProcessEnv): number | null {
  const { WATCHDOG_USEC: limit, WATCHDOG_PID: pid } = env;
  if (limit === undefined || !/^[1-9]\d*$/.test(limit)) return null;
  if (pid !== undefined && pid !== String(process.pid)) return null;
  return Math.max(1, Math.floor(Number(limit) / 2000));
}
