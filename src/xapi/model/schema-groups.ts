// Classes that group VMs: appliances, which start in order, and groups, which placement considers.
import { DATAMODEL } from './datamodel.js';
import { type ClassDef, oneOf, ref, ro, rw, set } from './schema-types.js';

export const APPLIANCE_CLASS: ClassDef = {
  name: 'VM_appliance',
  fields: DATAMODEL.get('VM_appliance')!.fields,
  stored: true,
  listed: true,
};

/** ocaml/idl/datamodel_vm_group.ml of xen-api e2ee48d6; newer than the table of the data model. */
export const VM_GROUP_CLASS: ClassDef = {
  name: 'VM_group',
  fields: {
    uuid: ro('string'),
    name_label: rw('string'),
    name_description: rw('string'),
    placement: ro(oneOf('anti_affinity', 'normal'), 'normal'),
    VMs: ro(set(ref('VM'))),
  },
  stored: true,
  listed: true,
};
