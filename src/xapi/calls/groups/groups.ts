// The messages of class VM_group: VMs that placement spreads over hosts, if the group says so
// (ocaml/xapi/xapi_vm_group.ml and xapi_vm.ml of xen-api e2ee48d6).
import { setGroups } from '../../life/membership.js';
import type { Database } from '../../model/database.js';
import { VM_GROUP_CLASS } from '../../model/schema-groups.js';
import { xapiErrors } from '../../wire/errors.js';
import { checkValue } from '../../wire/types.js';
import type { WireStruct } from '../../wire/values.js';
import { type Method, type Param, selfOf, VOID } from '../method.js';

/** @throws XapiError OPERATION_NOT_ALLOWED for what is no VM that somebody runs */
export function assertMember(
  { is_control_domain: control, is_a_template: template, is_a_snapshot: snapshot }: WireStruct,
  reason: string,
): void {
  if (control === true || template === true || snapshot === true) throw xapiErrors.operationNotAllowed(reason);
}

export function groupMethods(database: Database): Method[] {
  const message = (name: string, params: readonly Param[], call: Method['call']): Method => ({
    name,
    params,
    role: 'admin',
    async: true,
    call,
  });
  const value: Param = { name: 'value', type: { set: { ref: 'VM_group' } } };
  return [
    message('VM_group.create', [{ name: 'args', type: 'record' }], ([args]) => {
      const groupFields = args as WireStruct;
      const fields = ['name_label', 'name_description', 'placement'].map((name) => {
        const { type, initial } = VM_GROUP_CLASS.fields[name]!;
        return [name, checkValue(type, groupFields[name] ?? initial, name)] as const;
      });
      return database.create('VM_group', Object.fromEntries(fields));
    }),
    message('VM_group.destroy', [selfOf('VM_group')], ([ref]) => {
      for (const vm of database.get('VM_group', ref as string).VMs as readonly string[]) {
        const groups = database.get('VM', vm).groups as readonly string[];
        setGroups(
          database,
          vm,
          groups.filter((one) => one !== ref),
        );
      }
      database.destroy('VM_group', ref as string);
      return VOID;
    }),
    message('VM.set_groups', [selfOf('VM'), value], ([vm, groups]) => {
      const wanted = groups as readonly string[];
      assertMember(database.get('VM', vm as string), 'Control domains, templates, and snapshots cannot be added to VM groups.');
      if (wanted.length > 1) throw xapiErrors.tooManyGroups();
      for (const group of wanted) database.get('VM_group', group);
      setGroups(database, vm as string, wanted);
      return VOID;
    }),
  ];
}
