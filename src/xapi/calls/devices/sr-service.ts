// Messages of classes SR and VDI about what stands beside their disks: other storage, data sources,
// replicas of the pool's database, network block devices (xapi_sr.ml, xapi_vdi.ml and xapi_dr.ml of
// xen-api e2ee48d6).
import { assertHoldsStatefile, assertOnAllHosts } from '../../devices/ha-storage.js';
import { probed } from '../../devices/probe.js';
import type { Database } from '../../model/database.js';
import { deviceErrors } from '../../wire/device-errors.js';
import { XapiError, xapiErrors } from '../../wire/errors.js';
import type { Wire } from '../../wire/values.js';
import type { Method } from '../method.js';
import { type DeviceParts, deviceMessage } from './message.js';

export function srServiceMethods({ database, modelled }: DeviceParts): Method[] {
  const on = (type: string) => (name: string, call: (ref: string, args: readonly Wire[]) => Wire | undefined) =>
    deviceMessage(database, type, name, (args) => {
      database.get(type, args[0] as string);
      return call(args[0] as string, args);
    });
  const [sr, vdi] = [on('SR'), on('VDI')];
  const replicates = (ref: string): never => {
    assertOnAllHosts(database, ref);
    // No driver of the model has SR_METADATA.
    throw deviceErrors.srNotSupported(ref);
  };
  const probe = (name: string, answer: (type: string, config: Readonly<Record<string, string>>) => Wire): Method =>
    deviceMessage(database, 'SR', name, ([host, config, type]) => {
      database.get('host', host as string);
      if (!modelled) throw deviceErrors.srUnknownDriver(type as string);
      return answer((type as string).toLowerCase(), config as Readonly<Record<string, string>>);
    });
  return [
    probe('probe', (type, config) => probed(database, type, config)),
    probe('probe_ext', (type, config) => {
      probed(database, type, config);
      // Drivers of sm answer in text.
      throw new XapiError('SR_OPERATION_NOT_SUPPORTED');
    }),
    deviceMessage(database, 'SR', 'make', () => {
      throw new XapiError('MESSAGE_DEPRECATED');
    }),
    sr('assert_can_host_ha_statefile', (ref) => {
      assertHoldsStatefile(database, ref);
      return undefined;
    }),
    sr('assert_supports_database_replication', replicates),
    sr('enable_database_replication', replicates),
    // There is no replica that would have to end.
    sr('disable_database_replication', () => undefined),
    ...dataSourceMethods(database, sr),
    vdi('get_nbd_info', (ref) => nbdInfo(database, ref)),
    vdi('open_database', (ref) => {
      const { type } = database.get('VDI', ref);
      if (type !== 'metadata') throw deviceErrors.vdiIncompatibleType(ref, String(type));
      throw new XapiError('COULD_NOT_IMPORT_DATABASE', 'the disk has no contents');
    }),
    vdi('read_database_pool_uuid', () => ''),
  ];
}

/** xapi has data sources of SRs only where a driver makes them; none does. */
function dataSourceMethods(database: Database, sr: (name: string, call: (ref: string) => Wire | undefined) => Method): Method[] {
  const missing = (ref: string): never => {
    throw xapiErrors.internal(`Datasource_missing(SR: ${String(database.get('SR', ref).uuid)})`);
  };
  return [
    sr('get_data_sources', () => []),
    sr('record_data_source', missing),
    sr('query_data_source', missing),
    sr('forget_data_source_archives', () => undefined),
  ];
}

/** @throws XapiError VDI_INCOMPATIBLE_TYPE; NOT_IMPLEMENTED where xapi would name a server */
function nbdInfo(database: Database, ref: string): Wire {
  const { type } = database.get('VDI', ref);
  if (type === 'cbt_metadata') throw deviceErrors.vdiIncompatibleType(ref, 'cbt_metadata');
  const served = database.refs('network').filter((network) => {
    const { purpose, PIFs: pifs } = database.get('network', network);
    const isFor = (purpose as readonly string[]).some((one) => one === 'nbd' || one === 'insecure_nbd');
    return isFor && (pifs as readonly string[]).some((pif) => database.get('PIF', pif).currently_attached === true);
  });
  if (served.length > 0) throw xapiErrors.notImplemented('VDI.get_nbd_info');
  return [];
}
