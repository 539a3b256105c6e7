// Classes without objects in the daemon: xe lists nothing, and knows no uuid (gen_cmds in
// xapi-cli-server/cli_operations.ml of xen-api e2ee48d6). A host with such objects has an xe of its
// own, which knows their fields.
import type { XeCommand } from './command.js';
import { XeFailure } from './failures.js';
import { required } from './objects.js';
import type { Run } from './operations.js';

/** The name in xe's commands, and the class of the API. */
const CLASSES = {
  blob: 'blob',
  certificate: 'Certificate',
  cluster: 'Cluster',
  'cluster-host': 'Cluster_host',
  drtask: 'DR_task',
  feature: 'Feature',
  'gpu-group': 'GPU_group',
  'host-crashdump': 'host_crashdump',
  'network-sriov': 'network_sriov',
  observer: 'Observer',
  patch: 'pool_patch',
  pci: 'PCI',
  pgpu: 'PGPU',
  pusb: 'PUSB',
  'pvs-cache-storage': 'PVS_cache_storage',
  'pvs-proxy': 'PVS_proxy',
  'pvs-server': 'PVS_server',
  'pvs-site': 'PVS_site',
  repository: 'Repository',
  'sdn-controller': 'SDN_controller',
  secret: 'secret',
  update: 'pool_update',
  'usb-group': 'USB_group',
  vgpu: 'VGPU',
  'vgpu-type': 'VGPU_type',
  vmss: 'VMSS',
  vusb: 'VUSB',
} as const;

function unknownFields(name: string): XeFailure {
  return new XeFailure(`this xe does not know the fields of class ${name}; use the xe of the host itself`);
}

function commandsOf([name, apiClass]: readonly [string, string]): (readonly [string, XeCommand])[] {
  const list = async ({ context }: Run): Promise<void> => {
    if ((await context.session.records(apiClass)).size > 0) throw unknownFields(name);
  };
  const one = async ({ context, params }: Run): Promise<void> => {
    await context.session.call(`${apiClass}.get_by_uuid`, [required(params, 'uuid')]);
    throw unknownFields(name);
  };
  const command = (verb: string, needs: readonly string[], help: string, run: XeCommand['run']) =>
    [`${name}-${verb}`, { required: needs, optional: [], help, run }] as const;
  return [
    command('list', [], `Lists the ${name}s; xennuma serve has none.`, list),
    command('param-list', ['uuid'], 'Lists all fields of the object.', one),
    command('param-get', ['uuid', 'param-name'], 'Prints one field.', one),
    command('param-set', ['uuid'], 'Sets fields.', one),
  ];
}

export const BARE: readonly (readonly [string, XeCommand])[] = Object.entries(CLASSES).flatMap(commandsOf);
