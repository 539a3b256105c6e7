// Classes of storage and networks, with the data model's own fields. An embedded host has objects
// of these classes, but no real devices; see devices/.

import type { Wire } from '../wire/values.js';
import { DATAMODEL } from './datamodel.js';
import type { ClassDef, FieldDef } from './schema-types.js';

const NAMES = [
  ...(['SM', 'SR', 'VDI', 'VBD', 'VBD_metrics', 'PBD', 'VIF', 'VIF_metrics', 'network', 'PIF', 'PIF_metrics', 'console'] as const),
  ...(['VLAN', 'Bond', 'tunnel'] as const),
] as const;

export type DeviceClass = (typeof NAMES)[number];

/** Defaults other than those of the fields' types (ocaml/idl/datamodel.ml of xen-api). */
const DEFAULTS: Readonly<Partial<Record<DeviceClass, Readonly<Record<string, Wire>>>>> = {
  VBD: { unpluggable: true },
  VDI: { on_boot: 'persist', managed: true },
  network: { managed: true, MTU: 1500 },
  PIF: { VLAN: -1, managed: true, ip_configuration_mode: 'None', igmp_snooping_status: 'unknown' },
};

function fieldsOf(name: DeviceClass): Readonly<Record<string, FieldDef>> {
  const fields = { ...DATAMODEL.get(name)!.fields };
  for (const [field, initial] of Object.entries(DEFAULTS[name] ?? {})) fields[field] = { ...fields[field]!, initial };
  return fields;
}

export const DEVICE_CLASSES: readonly ClassDef[] = NAMES.map((name) => ({
  name,
  fields: fieldsOf(name),
  stored: true,
  listed: true,
}));
