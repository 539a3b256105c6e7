// VM.migrate_send and its checks: a migration to a host that host.migrate_receive describes. Hosts
// of this pool are such (ocaml/xapi/xapi_vm_migrate.ml of xen-api e2ee48d6).
import { assertMovable, type DiskMap, isOn, leaving, moveDisk } from '../../devices/moving.js';
import { assertAddressOn, refsOf } from '../../devices/pifs.js';
import type { VmLife } from '../../life/vm-life.js';
import type { Database } from '../../model/database.js';
import { DATAMODEL } from '../../model/datamodel.js';
import { deviceErrors } from '../../wire/device-errors.js';
import { XapiError, xapiErrors } from '../../wire/errors.js';
import { structOf, type Wire } from '../../wire/values.js';
import type { Method } from '../method.js';

type Texts = Readonly<Record<string, string>>;

/** What host.migrate_receive gives and the source needs. */
const KEYS = ['host', 'SM', 'xenops', 'master', 'session_id'];
const COPY = 'Copy mode is disallowed on intra pool storage migration, try efficient alternatives, for example, VM.copy/clone.';
const VIF_MAP = 'VIF mapping is not allowed for intra-pool migration -all VIFs must be on the same network';

export interface SendingOptions {
  readonly database: Database;
  readonly life: VmLife;
  /** Moves a running VM, as VM.pool_migrate does, without a look at the disks' storage. */
  readonly migrate: (vm: string, host: string) => Promise<void>;
}

export function sendingMethods({ database, life, migrate }: SendingOptions): Method[] {
  const assertCan = (args: readonly Wire[]): string => {
    const [vm, dest, , vdiMap, vifMap] = args;
    const host = hostOf(database, dest as Texts);
    const disks = diskMap(database, vm as string, vdiMap as Texts);
    for (const [vdi, sr] of leaving(database, disks)) assertMovable(database, vdi, sr);
    for (const sr of Object.values(disks)) if (!isOn(database, sr, host)) throw deviceErrors.vmRequiresSr(vm as string, sr);
    if (Object.keys(vifMap as Texts).length > 0) throw xapiErrors.operationNotAllowed(VIF_MAP);
    life.placing.assertMovesTo(vm as string, host, host !== database.get('VM', vm as string).resident_on, false);
    return host;
  };
  return [
    {
      name: 'host.migrate_receive',
      params: DATAMODEL.get('host')!.messages.get('migrate_receive')!.params!,
      role: 'admin',
      async: true,
      call: ([host, network], { session }) => {
        database.get('network', network as string);
        assertAddressOn(database, network as string, host as string);
        const { address } = database.get('host', host as string);
        const url = (path: string) => `http://${String(address)}/${path}?session_id=${session.ref}`;
        const urls = { SM: url('services/SM'), xenops: url('services/xenops'), master: `http://${String(address)}/` };
        return structOf({ ...urls, host: host!, session_id: session.ref });
      },
    },
    sending('assert_can_migrate', (args) => {
      assertCan(args);
      return '';
    }),
    sending('migrate_send', async (args, context) => {
      const [vm, , , , , options] = args;
      const host = assertCan(args);
      const { force, copy } = options as Texts;
      if (copy === 'true') throw xapiErrors.operationNotAllowed(COPY);
      const isUp = ['Running', 'Paused'].includes(String(database.get('VM', vm as string).power_state));
      const disks = diskMap(database, vm as string, args[3] as Texts);
      const moveDisks = (): void =>
        database.atomically(() => {
          for (const [vdi, sr] of leaving(database, disks)) moveDisk(database, vdi, sr);
        });
      const moveBoth = async (): Promise<void> => {
        await migrate(vm as string, host);
        moveDisks();
      };
      // A VM that is off is nowhere.
      if (isUp) await life.operate(vm as string, 'pool_migrate', context, moveBoth, force !== 'true');
      else moveDisks();
      return vm!;
    }),
  ];
}

function sending(name: string, call: Method['call']): Method {
  return { name: `VM.${name}`, params: DATAMODEL.get('VM')!.messages.get(name)!.params!, role: 'admin', async: true, call };
}

/** @throws XapiError NOT_IMPLEMENTED for a host of another pool */
function hostOf(database: Database, dest: Texts): string {
  // xapi has an exception for it, and no code.
  if (KEYS.some((key) => dest[key] === undefined)) throw xapiErrors.internal('Not_found');
  if (!database.has('host', dest.host!)) throw xapiErrors.notImplemented('VM.migrate_send');
  return dest.host!;
}

/** Of all disks of the VM, with those that stay. @throws XapiError VDI_NOT_IN_MAP */
function diskMap(database: Database, vm: string, map: Texts): DiskMap {
  const disks: Record<string, string> = {};
  for (const ref of refsOf(database.get('VM', vm), 'VBDs')) {
    const { empty, type, VDI: vdi } = database.get('VBD', ref);
    if (empty === true || type === 'CD') continue;
    const to = map[vdi as string];
    if (to === undefined) throw new XapiError('VDI_NOT_IN_MAP', vdi as string);
    database.get('SR', to);
    disks[vdi as string] = to;
  }
  return disks;
}
