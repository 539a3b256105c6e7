// `xennuma serve --fleet`: the daemon as a member.
import { hostToken } from '../../../fleet/protocol/subjects.js';
import type { Daemon, DaemonLog } from '../../../xapi/daemon.js';
import type { FleetSettings } from '../../input/serve-config.js';
import { DaemonHost } from './fleet-host.js';
import { Membership, RETRY_MS } from './membership.js';

/** Changes that come together are one map. */
const GATHER_MS = 20;

export function joinFleet(settings: FleetSettings, daemon: Daemon, log: DaemonLog): { close(): Promise<void> } {
  const { host: hostRef } = daemon.objects;
  const name = hostToken(settings.name ?? String(daemon.database.get('host', hostRef).name_label));
  const host = new DaemonHost(daemon, name, settings.tags);
  const membership = new Membership(settings, host, log, recover());
  let gathering: NodeJS.Timeout | null = null;
  const changed = () => {
    gathering ??= setTimeout(() => {
      gathering = null;
      host.forget();
      membership.changed();
    }, GATHER_MS);
  };
  daemon.database.subscribe({ published: (objects) => objects.some(({ type }) => type === 'VM' || type === 'VM_metrics') && changed() });
  // Memory of the host also changes without a record: a real Xen has other toolstacks.
  const looking = setInterval(changed, RETRY_MS);

  /** Before the first start can come from the fleet. */
  async function recover(): Promise<void> {
    try {
      const { destroyed, kept, failed } = await host.recover();
      if (destroyed.length > 0)
        log.info({ vms: destroyed }, 'starts of the fleet were cut off when the daemon was killed: their VMs never ran, and are removed');
      if (kept.length > 0) log.warn({ vms: kept }, 'VMs that the fleet started are off and have run: start or destroy them');
      if (failed.length > 0)
        log.warn({ vms: failed }, 'VMs whose start was cut off cannot be changed; remove those that are off by VM.destroy');
    } catch (error) {
      log.warn({ error: String(error) }, 'VMs whose start was cut off cannot be looked at; remove those that are off by VM.destroy');
    }
  }

  return {
    close: async () => {
      clearInterval(looking);
      if (gathering !== null) clearTimeout(gathering);
      await membership.close();
    },
  };
}
