// The messages about data sources of VMs and of the host (ocaml/idl/datamodel_vm.ml and
// datamodel_host.ml, ocaml/xapi/rrdd_helper.ml of xen-api e2ee48d6).
import type { Database } from '../model/database.js';
import type { Owner, RrdStore } from '../rrd/store.js';
import { xapiErrors } from '../wire/errors.js';
import { type Wire, WireFloat } from '../wire/values.js';
import { type Method, type Param, selfOf, VOID } from './method.js';

const name: Param = { name: 'data_source', type: 'string' };

export function dataSourceMethods(database: Database, rrds: RrdStore): Method[] {
  const host: Param = { name: 'host', type: { ref: 'host' } };
  return [
    ...messages('VM', selfOf('VM'), rrds, (ref) => ({ vm: database.get('VM', ref).uuid as string })),
    ...messages('host', host, rrds, (ref) => ({ host: database.get('host', ref).uuid as string })),
  ];
}

function messages(type: string, self: Param, rrds: RrdStore, ownerOf: (ref: string) => Owner): Method[] {
  const message = (verb: string, params: readonly Param[], role: Method['role'], call: (owner: Owner, source: string) => Wire): Method => ({
    name: `${type}.${verb}`,
    params,
    role,
    async: false,
    call: ([ref, source]) => call(ownerOf(ref as string), source as string),
  });
  const missing = (source: string) => xapiErrors.internal(`Datasource_missing(${source.slice(0, 100)})`);
  return [
    message('get_data_sources', [self], 'read-only', (owner) =>
      rrds.sourcesOf(owner).map(({ info, enabled }) => ({
        name_label: info.name,
        name_description: info.description,
        enabled,
        standard: info.standard,
        units: info.units,
        min: new WireFloat(info.min),
        max: new WireFloat(info.max),
        // Always 0 here in xapi: query_data_source tells the value.
        value: new WireFloat(0),
      })),
    ),
    message('record_data_source', [self, name], 'admin', (owner, source) => {
      if (!rrds.record(owner, source)) throw missing(source);
      return VOID;
    }),
    message('query_data_source', [self, name], 'read-only', (owner, source) => {
      const value = rrds.newest(owner, source);
      if (value === undefined) throw missing(source);
      return new WireFloat(value);
    }),
    message('forget_data_source_archives', [self, name], 'admin', (owner, source) => {
      rrds.forget(owner, source);
      return VOID;
    }),
  ];
}
