// Roles, which are the same on every host (ocaml/idl/datamodel_roles.ml, ocaml/xapi/xapi_role.ml of
// xen-api), and subjects, which the file of users has.
import { createHash } from 'node:crypto';
import { DATAMODEL } from '../model/datamodel.js';
import { NULL } from '../model/schema-types.js';
import { xapiErrors } from '../wire/errors.js';
import { newStruct, type Wire, type WireStruct } from '../wire/values.js';
import { type Method, type Param, selfOf } from './method.js';
import { LOCAL_SUPERUSER, type Session, type Sessions } from './sessions.js';
import type { Role, User } from './users.js';

/** In decreasing order of privileges; each has the permissions of those after it. */
const ROLES: readonly { readonly name: string; readonly about: string }[] = [
  { name: 'pool-admin', about: 'May do everything' },
  { name: 'pool-operator', about: 'Manages hosts and the pool' },
  { name: 'vm-power-admin', about: 'Manages VMs and templates, and where they run' },
  { name: 'vm-admin', about: 'Manages VMs and templates' },
  { name: 'vm-operator', about: 'Starts, stops and uses VMs' },
  { name: 'client-cert', about: 'Logs in by a client certificate' },
  { name: 'read-only', about: 'Reads' },
];
const RANKS: ReadonlyMap<string, number> = new Map(ROLES.map(({ name }, rank) => [name, rank]));
/**
 * The uuid of a static role is the MD5 of its name (ocaml/idl/ocaml_backend/gen_rbac.ml,
 * hash2uuid).
 */
function uuidOf(name: string): string {
  return createHash('md5')
    .update(name)
    .digest('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function refOf(name: string): string {
  return `OpaqueRef:${uuidOf(name)}`;
}

/** Wire names of messages with the rank of the least role that may send them. */
const PERMISSIONS: readonly { readonly name: string; readonly rank: number }[] = [...DATAMODEL.values()].flatMap((one) =>
  [...one.messages].flatMap(([message, { role }]) => (role === null ? [] : [{ name: `${one.name}.${message}`, rank: RANKS.get(role)! }])),
);

function permissionsOf(role: string): readonly string[] {
  const rank = RANKS.get(role)!;
  return PERMISSIONS.filter((one) => one.rank >= rank).map(({ name }) => name);
}

/** By role; names of permissions are in lower case. */
const LABELS: ReadonlyMap<string, readonly string[]> = new Map(
  ROLES.map(({ name }) => [name, permissionsOf(name).map((one) => one.toLowerCase())]),
);

function xapiRole(role: Role): string {
  return role === 'admin' ? 'pool-admin' : 'read-only';
}

let staticRoles: ReadonlyMap<string, WireStruct> | null = null;

/** Computed at a client's first request, because a starting daemon does not need 1,500 hashes. */
function roleRecords(): ReadonlyMap<string, WireStruct> {
  staticRoles ??= makeRoleRecords();
  return staticRoles;
}

function makeRoleRecords(): ReadonlyMap<string, WireStruct> {
  const refs = new Map(PERMISSIONS.map(({ name }) => [name, refOf(name)]));
  const record = (name: string, about: string, subroles: readonly string[], internal: boolean): [string, WireStruct] => [
    refOf(name),
    {
      uuid: uuidOf(name),
      name_label: RANKS.has(name) ? name : name.toLowerCase(),
      name_description: about,
      subroles,
      is_internal: internal,
    },
  ];
  return new Map([
    ...PERMISSIONS.map(({ name }) => record(name, 'A basic permission', [], false)),
    ...ROLES.map(({ name, about }) =>
      record(
        name,
        about,
        permissionsOf(name).map((one) => refs.get(one)!),
        name === 'client-cert',
      ),
    ),
  ]);
}

const subjectRef = (name: string): string => refOf(`subject ${name}`);

function subjectRecords(users: ReadonlyMap<string, User> | null): ReadonlyMap<string, WireStruct> {
  const subjects = [...(users?.values() ?? [])].filter(({ name }) => name !== LOCAL_SUPERUSER);
  return new Map(
    subjects.map(({ name, role }) => [
      subjectRef(name),
      {
        uuid: uuidOf(`subject ${name}`),
        subject_identifier: name,
        other_config: { 'subject-name': name },
        roles: [refOf(xapiRole(role))],
      },
    ]),
  );
}

/** @throws XapiError HANDLE_INVALID */
export function assertSubject(sessions: Sessions, ref: string): void {
  found(subjectRecords(sessions.users()), 'subject', ref);
}

/** The user's fields in a session's record. */
export function identityOf({ user, role }: Session): WireStruct {
  if (user === LOCAL_SUPERUSER && role === 'admin') {
    // The list of a local superuser is empty: nothing is checked (xapi_session.ml,
    // login_with_password).
    return { is_local_superuser: true, subject: NULL, auth_user_sid: '', auth_user_name: user, rbac_permissions: [] };
  }
  return {
    is_local_superuser: false,
    subject: user === LOCAL_SUPERUSER ? NULL : subjectRef(user),
    auth_user_sid: user,
    auth_user_name: user,
    rbac_permissions: LABELS.get(xapiRole(role))!,
  };
}

const text = (name: string): Param => ({ name, type: 'string' });

export function roleMethods(sessions: Sessions): Method[] {
  const role = (ref: Wire): WireStruct => found(roleRecords(), 'role', ref as string);
  const permissions = (ref: Wire): readonly string[] => role(ref).subroles as readonly string[];
  const holders = (permission: string): string[] =>
    [...roleRecords()].filter(([, { subroles }]) => (subroles as readonly string[]).includes(permission)).map(([ref]) => ref);
  const labels = (refs: readonly string[]): string[] => refs.map((ref) => String(roleRecords().get(ref)!.name_label));
  const named = (label: string): string[] => [...roleRecords()].filter(([, { name_label }]) => name_label === label).map(([ref]) => ref);
  const subjects = () => subjectRecords(sessions.users());
  return [
    ...listing('role', ['uuid', 'name_label', 'name_description', 'subroles', 'is_internal'], roleRecords),
    read('role.get_by_name_label', [text('label')], ([label]) => named(label as string)),
    read('role.get_permissions', [selfOf('role')], ([ref]) => permissions(ref!)),
    read('role.get_permissions_name_label', [selfOf('role')], ([ref]) => labels(permissions(ref!))),
    read('role.get_by_permission', [{ name: 'permission', type: { ref: 'role' } }], ([ref]) => {
      role(ref!);
      return holders(ref as string);
    }),
    read('role.get_by_permission_name_label', [text('label')], ([label]) => named(label as string).flatMap(holders)),
    ...listing('subject', ['uuid', 'subject_identifier', 'other_config', 'roles'], subjects),
    read('subject.get_permissions_name_label', [selfOf('subject')], ([ref]) => {
      const { roles: refs } = found(subjects(), 'subject', ref as string);
      return (refs as readonly string[]).flatMap((one) => labels(permissions(one)));
    }),
    read('session.get_all_subject_identifiers', [], () => [
      ...new Set(sessions.live().flatMap((session) => (identityOf(session).subject === NULL ? [] : [session.user]))),
    ]),
  ];
}

function read(name: string, params: readonly Param[], call: Method['call']): Method {
  return { name, params, role: 'read-only', async: false, call };
}

/** @throws XapiError HANDLE_INVALID */
function found(records: ReadonlyMap<string, WireStruct>, type: string, ref: string): WireStruct {
  const record = records.get(ref);
  if (record === undefined) throw xapiErrors.handleInvalid(type, ref);
  return record;
}

function listing(type: string, fields: readonly string[], records: () => ReadonlyMap<string, WireStruct>): Method[] {
  return [
    read(`${type}.get_all`, [], () => [...records().keys()]),
    read(`${type}.get_all_records`, [], () => Object.assign(newStruct(), Object.fromEntries(records()))),
    read(`${type}.get_record`, [selfOf(type)], ([ref]) => found(records(), type, ref as string)),
    read(`${type}.get_by_uuid`, [text('uuid')], ([uuid]) => {
      const one = [...records()].find(([, record]) => record.uuid === uuid);
      if (one === undefined) throw xapiErrors.uuidInvalid(type, uuid as string);
      return one[0];
    }),
    ...fields.map((name) => read(`${type}.get_${name}`, [selfOf(type)], ([ref]) => found(records(), type, ref as string)[name]!)),
  ];
}
