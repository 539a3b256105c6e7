// `xennuma agent --fleet`: a host of another toolstack as a member, read by the agent on it. The
// fleet shows it; its VMs are started by its own toolstack.
import type { MemberOptions } from '../../../fleet/member/member.js';
import type { HostMap } from '../../../map/host-map.js';
import type { FleetSettings } from '../../input/serve-config.js';
import { WatchedHost } from './collect/watched-host.js';
import { Membership } from './membership.js';

export interface HostReading {
  /** Name of the host in the fleet: a token. */
  readonly name: string;
  /** The host as it is now. It may reject: then the host counts as away until the next reading. */
  readonly read: () => Promise<HostMap>;
  /** Time between two readings. */
  readonly everyMs: number;
  readonly log: MemberOptions['log'];
}

export function watchForFleet(settings: FleetSettings, { name, read, everyMs, log }: HostReading): { close(): Promise<void> } {
  const host = new WatchedHost(name, settings.tags);
  let reading: Promise<void> | null = null;
  const look = () => {
    reading ??= (async () => {
      try {
        host.read(await read());
      } catch (error) {
        host.read(null, error instanceof Error ? error.message : String(error));
      }
      membership.changed();
    })().finally(() => {
      reading = null;
    });
  };
  const membership = new Membership(settings, host, log);
  const timer = setInterval(look, everyMs);
  look();
  return {
    close: async () => {
      clearInterval(timer);
      await reading;
      await membership.close();
    },
  };
}
