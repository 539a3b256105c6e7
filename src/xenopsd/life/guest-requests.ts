// What a toolstack asks of a guest, and how long it waits for it (xen-api, shutdown and
// shutdown_wait_for_ack of ocaml/xenopsd/xc/domain.ml; the waits of ocaml/xenopsd/lib).
import { XenError } from '../../base/errors.js';
import type { HostDoors } from '../api/host-doors.js';
import { StepError, type StepName } from '../start/start-run.js';
import { POWERED_OFF, SUSPENDED_ITSELF } from './guest-ending.js';
import type { KnownVm } from './registry.js';

const ANSWER_MS = 60_000;
const DOWN_MS = 20 * 60_000;
const POLL_MS = 100;

interface Request {
  readonly step: StepName;
  /** Xen's reason of a domain whose guest has done it. */
  readonly reason: number;
  /** xenopsd's names of its errors. */
  readonly noAnswer: string;
  readonly notDone: string;
}

const REQUESTS = {
  suspend: {
    step: 'VM.save',
    reason: SUSPENDED_ITSELF,
    noAnswer: 'Failed_to_acknowledge_suspend_request',
    notDone: 'Failed_to_suspend',
  },
  poweroff: {
    step: 'VM.shutdown',
    reason: POWERED_OFF,
    noAnswer: 'Failed_to_acknowledge_shutdown_request',
    notDone: 'Failed_to_shutdown',
  },
} as const satisfies Record<string, Request>;

export class GuestRequests {
  readonly #doors: HostDoors;
  readonly #sleep: (ms: number) => Promise<void>;

  constructor(doors: HostDoors, sleep: (ms: number) => Promise<void>) {
    this.#doors = doors;
    this.#sleep = sleep;
  }

  /**
   * Resolves when the guest has done it. A guest with a device model also has its power button
   * pressed, and need not answer: without drivers for Xen it reads no XenStore.
   * @throws StepError when it does not answer, does not do it in time, or does something else
   */
  async ask(vm: KnownVm, domid: number, what: keyof typeof REQUESTS): Promise<void> {
    const { xc, xs, deviceModel } = this.#doors;
    const { step, reason, noAnswer, notDone }: Request = REQUESTS[what];
    const key = `${await xs.domainPath(domid)}/control/shutdown`;
    const isDown = () => xc.domainInfo(domid)?.shutdown !== null;
    const hasModel = vm.spec.kind === 'hvm' && deviceModel !== undefined;
    await xs.write(key, what);
    try {
      if (hasModel) xc.domainPowerButton(domid);
      else if (!(await this.#waited(ANSWER_MS, async () => isDown() || (await this.#isTaken(key))))) {
        throw new StepError(step, `${noAnswer}: the guest did not answer within ${ANSWER_MS / 1000} s`);
      }
      if (!(await this.#waited(DOWN_MS, async () => isDown()))) {
        throw new StepError(step, `${notDone}: the guest did not do it within ${DOWN_MS / 1000} s`);
      }
    } catch (error) {
      // A guest that reads it later must not follow it then.
      await xs.write(key, '').catch(() => {});
      throw error;
    }
    const found = xc.domainInfo(domid)?.shutdown;
    if (found !== reason) throw new StepError(step, `${notDone}: the guest went down for reason ${found ?? 'unknown'} instead`);
  }

  /** The guest takes the key away, or empties it, when it has read it. */
  async #isTaken(key: string): Promise<boolean> {
    try {
      return (await this.#doors.xs.read(key)) === '';
    } catch (error) {
      if (error instanceof XenError && error.errno === 'ENOENT') return true;
      throw error;
    }
  }

  async #waited(mostMs: number, done: () => Promise<boolean>): Promise<boolean> {
    for (let waitedMs = 0; waitedMs < mostMs; waitedMs += POLL_MS) {
      if (await done()) return true;
      await this.#sleep(POLL_MS);
    }
    return done();
  }
}
