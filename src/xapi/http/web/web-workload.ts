// The input of the page's plans: a host without its VMs, and the running VMs by their labels, with
// the settings that their next start would read.
import { emptyHost, type PageObject, type PageWorkload, uniqueNames } from '../../../page/page-workload.js';
import type { Daemon } from '../../daemon.js';
import { specOf } from '../../life/vm-spec.js';
import { hostMask } from '../../model/host-objects.js';
import type { PoolHost } from '../../model/pool-hosts.js';

export function workloadOf({ database }: Daemon, { ref, toolstack }: PoolHost): PageWorkload {
  const { profile, policy, doors } = toolstack;
  const records = new Map([...database.records('VM')].map(([ref, record]) => [String(record.uuid), { ref, record }]));
  const running = toolstack
    .vms()
    .flatMap(({ spec, domid }) => {
      if (domid === null) return [];
      const record = records.get(spec.name)?.record;
      return [{ domid, spec: record === undefined ? spec : specOf(record), name: String(record?.name_label ?? spec.name) }];
    })
    .sort((a, b) => a.domid - b.domid);
  const names = uniqueNames(running);
  const vms = running.flatMap(({ spec }, index): [string, PageObject][] => {
    const found = records.get(spec.name);
    return found === undefined ? [] : [[names[index]!, { ref: found.ref, uuid: spec.name }]];
  });
  const host = database.get('host', ref);
  const mask = hostMask(host);
  return {
    host: emptyHost(toolstack.snapshot(), doors.xc.version.xen),
    vms: running.map(({ spec: { uuid: _, label: __, ...spec } }, index) => ({ ...spec, name: names[index]! })),
    settings: { ...{ profile, policy, seed: 1 }, ...(mask === null ? {} : { hostMask: mask }) },
    xenVersion: doors.xc.version.xen,
    domids: Object.fromEntries(running.map(({ domid }, index) => [names[index]!, domid])),
    objects: { host: { ref, uuid: String(host.uuid) }, vms: Object.fromEntries(vms) },
  };
}
