// Hosts that leave the pool (ocaml/xapi/xapi_pool.ml of xen-api e2ee48d6, eject). A daemon does not
// join the pool of another, nor connect to one: all hosts of a pool are given to one daemon.
import { dropCards } from '../../devices/cards.js';
import { dropDisk } from '../../devices/disks.js';
import { destroyLinked } from '../../devices/links.js';
import { dropDevices } from '../../devices/vm-devices.js';
import type { VmLife } from '../../life/vm-life.js';
import type { Database } from '../../model/database.js';
import { poolCpuInfo } from '../../model/host-objects.js';
import { type PoolHost, PoolHosts } from '../../model/pool-hosts.js';
import { NULL } from '../../model/schema-types.js';
import { joiningError, xapiErrors } from '../../wire/errors.js';
import { type Method, type Param, selfOf, VOID } from '../method.js';
import { assertDead } from './settings.js';

export interface MembershipOptions {
  readonly database: Database;
  readonly hosts: PoolHosts;
  readonly life: VmLife;
  readonly pool: () => string;
}

export function poolMembershipMethods({ database, hosts, life, pool }: MembershipOptions): Method[] {
  const message = (name: string, params: readonly Param[], call: Method['call']): Method => ({
    name: `pool.${name}`,
    params,
    role: 'admin',
    async: true,
    call,
  });
  const text = (name: string): Param => ({ name, type: 'string' });
  const join = (name: string): Method =>
    message(name, ['master_address', 'master_username', 'master_password'].map(text), ([address]) => {
      assertMayJoin(database, hosts, address as string);
      throw xapiErrors.notImplemented(`pool.${name}`);
    });
  const leave = (host: PoolHost): void => {
    database.atomically(() => {
      removeHost(database, host);
      const left = new PoolHosts(hosts.present(database));
      database.update('pool', pool(), { cpu_info: poolCpuInfo(database, left) });
    });
  };
  return [
    join('join'),
    join('join_force'),
    message('eject', [{ name: 'host', type: { ref: 'host' } }], ([ref]) => {
      const host = hosts.get(ref as string);
      // xapi has an exception for it, and no code.
      if (host === hosts.coordinator) throw xapiErrors.internal('Xapi_pool.Cannot_eject_master');
      for (const [, vm] of database.records('VM')) {
        if (vm.resident_on === host.ref && vm.is_control_domain !== true) throw xapiErrors.operationNotAllowed('VM resident on host');
      }
      // xapi looks at resident_on alone; the host would go with a domain on it.
      if (life.placing.coming(host.ref) !== null) throw xapiErrors.operationNotAllowed('VM resident on host');
      leave(host);
      return VOID;
    }),
    // For a host that is down and does not come back.
    {
      name: 'host.destroy',
      params: [selfOf('host')],
      role: 'admin',
      async: true,
      call: ([ref]) => {
        assertDead(database, hosts, ref as string);
        const residents = [...database.records('VM')].filter(([, vm]) => vm.resident_on === ref && vm.is_control_domain !== true);
        if (residents.length > 0) throw xapiErrors.hasResidentVms(ref as string);
        leave(hosts.get(ref as string));
        return VOID;
      },
    },
  ];
}

/** Names of this machine, which is the coordinator of this pool. */
const OWN_NAMES = ['localhost', '127.0.0.1', '::1'];

/**
 * The checks of pool.join that need no answer of the other pool, in xapi's order (pre_join_checks).
 * @throws XapiError with the reason why this host cannot join any pool
 */
function assertMayJoin(database: Database, hosts: PoolHosts, address: string): void {
  const several = hosts.all.length > 1;
  const own = hosts.all.map(({ ref }) => database.get('host', ref).address);
  if ([...own, ...OWN_NAMES].includes(address)) {
    throw xapiErrors.operationNotAllowed(several ? 'Host is already part of a pool' : 'Host cannot become slave of itself');
  }
  if (several) throw joiningError('JOINING_HOST_CANNOT_BE_MASTER_OF_OTHER_HOSTS');
  const vms = [...database.records('VM')].map(([, vm]) => vm);
  if (vms.some((vm) => vm.power_state === 'Running' && vm.is_control_domain !== true)) {
    throw joiningError('JOINING_HOST_CANNOT_HAVE_RUNNING_VMS');
  }
  if (vms.some((vm) => Object.keys(vm.current_operations as object).length > 0)) {
    throw joiningError('JOINING_HOST_CANNOT_HAVE_VMS_WITH_CURRENT_OPERATIONS');
  }
  const shared = [...database.records('SR')].some(([, sr]) => sr.shared === true && sr.is_tools_sr !== true);
  if (shared) throw joiningError('JOINING_HOST_CANNOT_CONTAIN_SHARED_SRS');
  if (database.count('Bond') > 0) throw joiningError('POOL_JOINING_HOST_HAS_BONDS');
  if (database.count('tunnel') > 0) throw joiningError('POOL_JOINING_HOST_HAS_TUNNELS');
  const vlans = [...database.records('VLAN')].map(([, vlan]) => database.get('PIF', String(vlan.untagged_PIF)));
  if (vlans.some(({ management }) => management !== true)) throw joiningError('POOL_JOINING_HOST_HAS_NON_MANAGEMENT_VLANS');
}

/** Its control domain, its storage with the disks in it, and its network cards go with it. */
function removeHost(database: Database, { ref }: PoolHost): void {
  for (const [vm, record] of [...database.records('VM')]) {
    if (record.affinity === ref && record.is_control_domain !== true) database.update('VM', vm, { affinity: NULL });
    if (record.resident_on !== ref) continue;
    dropDevices(database, vm);
    database.destroy('VM_metrics', String(record.metrics));
    database.destroy('VM', vm);
  }
  for (const [pbd, record] of [...database.records('PBD')]) if (record.host === ref) removeStorage(database, pbd, String(record.SR));
  dropCards(database, ref);
  database.destroy('host', ref);
}

function removeStorage(database: Database, pbd: string, sr: string): void {
  destroyLinked(database, 'PBD', pbd);
  const { shared, PBDs: pbds, VDIs: vdis } = database.get('SR', sr);
  if (shared === true || (pbds as readonly string[]).length > 0) return;
  for (const vdi of vdis as readonly string[]) dropDisk(database, vdi);
  for (const [pool, record] of [...database.records('pool')]) {
    const named = ['default_SR', 'suspend_image_SR', 'crash_dump_SR'].filter((field) => record[field] === sr);
    if (named.length > 0) database.update('pool', pool, Object.fromEntries(named.map((field) => [field, NULL])));
  }
  database.destroy('SR', sr);
}
