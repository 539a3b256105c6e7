// Commands of xe on GPUs, PCI and USB devices, PVS, clusters, SR-IOV, drivers and observers
// (cli_operations.ml of xen-api e2ee48d6).
import { asList, asRecord } from '../../xapi-client/values.js';
import { XeFailure } from '../failures.js';
import { required } from '../objects.js';
import type { Run } from '../operations.js';
import { type Named, oneCall, selectedHost } from './calls.js';
import { asLine, asUuidOf } from './prints.js';
import {
  bytes,
  colonPairs,
  constant,
  float,
  integer,
  listed,
  maybe,
  maybeUuid,
  oneOf,
  record,
  truth,
  truthOr,
  uuid,
  uuids,
  type Word,
  word,
} from './words.js';

const GPUS: readonly Named[] = [
  oneCall(
    'gpu-group-create',
    'Creates a group of GPUs; prints its uuid.',
    'GPU_group.create',
    [word('name-label'), maybe('name-description'), constant({})],
    asUuidOf('GPU_group'),
  ),
  oneCall('gpu-group-destroy', 'Destroys a group of GPUs that has none.', 'GPU_group.destroy', [uuid('GPU_group')]),
  oneCall(
    'gpu-group-get-remaining-capacity',
    'Prints how many virtual GPUs of a type a group can still have.',
    'GPU_group.get_remaining_capacity',
    [uuid('GPU_group'), uuid('VGPU_type', 'vgpu-type-uuid')],
    asLine,
  ),
  oneCall(
    'vgpu-create',
    'Gives a VM a virtual GPU; prints its uuid.',
    'VGPU.create',
    [
      uuid('VM', 'vm-uuid'),
      uuid('GPU_group', 'gpu-group-uuid'),
      maybe('device', '0'),
      constant({}),
      maybeUuid('VGPU_type', 'vgpu-type-uuid'),
    ],
    asUuidOf('VGPU'),
  ),
  oneCall('vgpu-destroy', 'Takes a virtual GPU from a VM.', 'VGPU.destroy', [uuid('VGPU')]),
  ...(['PGPU', 'PCI'] as const).flatMap((type) => [
    oneCall(
      `${type.toLowerCase()}-enable-dom0-access`,
      "Lets Domain-0 use a device after its host's reboot.",
      `${type}.enable_dom0_access`,
      [uuid(type)],
      asLine,
    ),
    oneCall(
      `${type.toLowerCase()}-disable-dom0-access`,
      "Keeps Domain-0 from a device after its host's reboot.",
      `${type}.disable_dom0_access`,
      [uuid(type)],
      asLine,
    ),
  ]),
  oneCall('pci-get-dom0-access-status', 'Tells whether Domain-0 may use a device.', 'PCI.get_dom0_access_status', [uuid('PCI')], asLine),
];

const USB: readonly Named[] = [
  oneCall(
    'vusb-create',
    'Gives a VM a USB device; prints its uuid.',
    'VUSB.create',
    [uuid('VM', 'vm-uuid'), uuid('USB_group', 'usb-group-uuid'), constant({})],
    asUuidOf('VUSB'),
  ),
  oneCall('vusb-unplug', 'Detaches a USB device from its running VM.', 'VUSB.unplug', [uuid('VUSB')]),
  oneCall('vusb-destroy', 'Takes a USB device from a VM.', 'VUSB.destroy', [uuid('VUSB')]),
  oneCall('network-sriov-destroy', 'Turns off SR-IOV on a network.', 'network_sriov.destroy', [uuid('network_sriov')]),
];

const PVS: readonly Named[] = [
  oneCall(
    'pvs-site-introduce',
    'Adds a PVS site; prints its uuid.',
    'PVS_site.introduce',
    [word('name-label'), maybe('name-description'), maybe('pvs-uuid')],
    asUuidOf('PVS_site'),
  ),
  oneCall('pvs-site-forget', 'Removes a PVS site.', 'PVS_site.forget', [uuid('PVS_site')]),
  oneCall(
    'pvs-server-introduce',
    'Adds a server of a PVS site; prints its uuid.',
    'PVS_server.introduce',
    [listed('addresses', null), integer('first-port'), integer('last-port'), uuid('PVS_site', 'pvs-site-uuid')],
    asUuidOf('PVS_server'),
  ),
  oneCall('pvs-server-forget', 'Removes a PVS server.', 'PVS_server.forget', [uuid('PVS_server')]),
  oneCall(
    'pvs-proxy-create',
    'Caches what a VIF reads from a PVS site; prints its uuid.',
    'PVS_proxy.create',
    [uuid('PVS_site', 'pvs-site-uuid'), uuid('VIF', 'vif-uuid')],
    asUuidOf('PVS_proxy'),
  ),
  oneCall('pvs-proxy-destroy', "Ends a VIF's cache.", 'PVS_proxy.destroy', [uuid('PVS_proxy')]),
  oneCall(
    'pvs-cache-storage-create',
    'Gives a host storage for the cache of a PVS site; prints its uuid.',
    'PVS_cache_storage.create',
    [
      record({
        host: selectedHost('sr-uuid', 'pvs-site-uuid', 'size'),
        SR: uuid('SR', 'sr-uuid'),
        site: uuid('PVS_site', 'pvs-site-uuid'),
        size: bytes('size'),
      }),
    ],
    asUuidOf('PVS_cache_storage'),
  ),
  oneCall('pvs-cache-storage-destroy', 'Removes storage of a cache.', 'PVS_cache_storage.destroy', [uuid('PVS_cache_storage')]),
];

/** xapi's defaults for a cluster, in seconds. */
const TIMEOUTS: readonly Word[] = [float('token-timeout', 20), float('token-timeout-coefficient', 1)];
const stack = maybe('cluster-stack', 'corosync');
const cluster = uuid('Cluster', 'cluster-uuid');

const CLUSTERS: readonly Named[] = [
  oneCall(
    'cluster-pool-create',
    'Makes a cluster of all hosts; prints its uuid.',
    'Cluster.pool_create',
    [uuid('network', 'network-uuid'), stack, ...TIMEOUTS],
    asUuidOf('Cluster'),
  ),
  oneCall('cluster-pool-destroy', 'Ends the cluster of all hosts.', 'Cluster.pool_destroy', [cluster]),
  oneCall('cluster-pool-force-destroy', 'Ends the cluster of all hosts, whatever fails.', 'Cluster.pool_force_destroy', [cluster]),
  oneCall('cluster-pool-resync', 'Takes all hosts into their cluster.', 'Cluster.pool_resync', [cluster]),
  oneCall(
    'cluster-create',
    'Makes a cluster of one host; prints its uuid.',
    'Cluster.create',
    [uuid('PIF', 'pif-uuid'), stack, truthOr('pool-auto-join', true), ...TIMEOUTS],
    asUuidOf('Cluster'),
  ),
  oneCall('cluster-destroy', 'Ends a cluster of one host.', 'Cluster.destroy', [uuid('Cluster')]),
  oneCall(
    'cluster-host-create',
    'Takes a host into a cluster; prints the uuid of its membership.',
    'Cluster_host.create',
    [cluster, uuid('host', 'host-uuid'), uuid('PIF', 'pif-uuid')],
    asUuidOf('Cluster_host'),
  ),
  oneCall('cluster-host-enable', 'Lets a member of a cluster take part again.', 'Cluster_host.enable', [uuid('Cluster_host')]),
  oneCall('cluster-host-disable', 'Keeps a member of a cluster from taking part.', 'Cluster_host.disable', [uuid('Cluster_host')]),
  oneCall('cluster-host-destroy', 'Takes a host out of a cluster.', 'Cluster_host.destroy', [uuid('Cluster_host')]),
  oneCall('cluster-host-force-destroy', 'Takes a host out of a cluster, whatever fails.', 'Cluster_host.force_destroy', [
    uuid('Cluster_host'),
  ]),
];

const NETWORKS: readonly Named[] = [
  oneCall(
    'sdn-controller-introduce',
    'Adds a controller of virtual switches; prints its uuid.',
    'SDN_controller.introduce',
    [oneOf('protocol', ['ssl', 'pssl'], 'ssl'), maybe('address'), integer('tcp-port', 0)],
    asUuidOf('SDN_controller'),
  ),
  oneCall('sdn-controller-forget', 'Removes a controller of virtual switches.', 'SDN_controller.forget', [uuid('SDN_controller')]),
  oneCall('network-attach', 'Brings a network up on a host.', 'network.attach', [uuid('network'), uuid('host', 'host-uuid')]),
];

async function selectDriver({ context: { session }, params }: Run): Promise<void> {
  const driver = await session.call('Host_driver.get_by_uuid', [required(params, 'uuid')]);
  const wanted = required(params, 'variant-name');
  for (const variant of asList(await session.call('Host_driver.get_variants', [driver]))) {
    const { name } = asRecord(await session.call('Driver_variant.get_record', [variant]));
    if (name !== wanted) continue;
    await session.call('Host_driver.select', [driver, variant]);
    return;
  }
  throw new XeFailure(`the driver has no variant ${wanted}`);
}

const DRIVERS: readonly Named[] = [
  [
    'hostdriver-select',
    {
      required: ['uuid', 'variant-name'],
      optional: [],
      help: 'Chooses a variant of a driver, from the next reboot on.',
      run: selectDriver,
    },
  ],
  oneCall(
    'hostdriver-deselect',
    'Takes back the choice of a variant.',
    'Host_driver.deselect',
    [uuid('Host_driver')],
    undefined,
    'Its devices may fail.',
  ),
  oneCall('hostdriver-variant-select', 'Chooses this variant of a driver.', 'Driver_variant.select', [uuid('Driver_variant')]),
];

const OBSERVERS: readonly Named[] = [
  oneCall(
    'observer-create',
    'Records what daemons do; prints the uuid of the observer.',
    'Observer.create',
    [
      record({
        name_label: word('name-label'),
        name_description: maybe('name-description'),
        hosts: uuids('host', 'host-uuids'),
        attributes: colonPairs('attributes'),
        endpoints: listed('endpoints', ['bugtool']),
        components: listed('components'),
        enabled: truth('enabled'),
      }),
    ],
    asUuidOf('Observer'),
  ),
  oneCall('observer-destroy', 'Destroys an observer.', 'Observer.destroy', [uuid('Observer')]),
];

export const HARDWARE_COMMANDS: readonly Named[] = [...GPUS, ...USB, ...PVS, ...CLUSTERS, ...NETWORKS, ...DRIVERS, ...OBSERVERS];
