// Pools, hosts and VMs of the page's settings, VMs that do not run included.
import type { PageObjects } from '../../../page/page-objects.js';
import type { Daemon } from '../../daemon.js';

export function objectsOf({ database: { published } }: Daemon): PageObjects {
  const [pools, hosts] = (['pool', 'host'] as const).map((type) =>
    [...published.records(type)].map(([ref, { uuid, name_label }]) => ({ ref, uuid: String(uuid), name: String(name_label) })),
  );
  const vms = [...published.records('VM')]
    .filter(([, { is_a_template, is_a_snapshot }]) => is_a_template !== true && is_a_snapshot !== true)
    .map(([ref, { uuid, name_label, power_state, domid }]) => ({
      ...{ ref, uuid: String(uuid), name: String(name_label) },
      ...{ state: String(power_state), domid: Number(domid) },
    }));
  return { pools: pools!, hosts: hosts!, vms: vms.sort((a, b) => (a.name < b.name ? -1 : 1)) };
}
