// Writes src/xapi/model/datamodel.json, a compact table of XAPI's data model, from the facts beside
// the checkout: names, types, access and least role of classes, fields and messages.
//   node scripts/make-datamodel.mjs FACTS.json.gz
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

const file = process.argv[2];
if (file === undefined) {
  console.error('usage: node scripts/make-datamodel.mjs FACTS.json.gz');
  process.exit(2);
}
const facts = JSON.parse(gunzipSync(readFileSync(file)).toString('utf8'));
const enums = new Map(Object.values(facts).flatMap((one) => one.enums));
const ACCESS = { RW: 'rw', 'RO/constructor': 'once', 'RO/runtime': 'ro' };
/** In decreasing order of privileges (ocaml/idl/datamodel_roles.ml, without client-cert). */
const ROLES = ['pool-admin', 'pool-operator', 'vm-power-admin', 'vm-admin', 'vm-operator', 'read-only'];

/** "(string -> X) map" and the like in the form that src/xapi/wire/types.ts has. */
function typeOf(text) {
  if (text.endsWith(' set')) return { set: typeOf(text.slice(0, -4)) };
  const map = /^\((.+) -> (.+)\) map$/.exec(text);
  if (map !== null) return { map: typeOf(map[2]) };
  if (text.endsWith(' ref')) return { ref: text.slice(0, -4) };
  if (text.endsWith(' record')) return 'record';
  if (text.endsWith(' option')) return typeOf(text.slice(0, -7));
  return text.startsWith('enum ') ? { enum: text.slice(5) } : text;
}

const used = new Set();
function collect(type) {
  if (typeof type === 'string') return type;
  if ('enum' in type) used.add(type.enum);
  else if ('set' in type) collect(type.set);
  else if ('map' in type) collect(type.map);
  return type;
}

const classes = {};
for (const [name, { fields, messages }] of Object.entries(facts)) {
  classes[name] = {
    fields: Object.fromEntries(fields.map(([field, type, access]) => [field, [ACCESS[access], collect(typeOf(type))]])),
    // The least role that may send a message, null = the local superuser alone; then the parameters
    // after the session.
    messages: Object.fromEntries(
      messages.map(({ name: message, implicit, roles, params }) => {
        const least = ROLES.findLastIndex((role) => roles.includes(role));
        const after = params.filter(([param], index) => index > 0 || param !== 'session_id');
        const given = implicit ? [] : [after.map(([param, type]) => [param, collect(typeOf(type))])];
        return [message, [least < 0 ? null : ROLES[least], ...given]];
      }),
    ),
  };
}
const table = { enums: Object.fromEntries([...used].sort().map((name) => [name, enums.get(name)])), classes };
for (const [name, members] of Object.entries(table.enums)) if (!Array.isArray(members)) throw new Error(`no members of ${name}`);
/** One line a class, so that a change of the model is a small difference. */
const lines = Object.entries(classes).map(([name, one]) => `${JSON.stringify(name)}:${JSON.stringify(one)}`);
const root = fileURLToPath(new URL('..', import.meta.url));
writeFileSync(
  join(root, 'src/xapi/model/datamodel.json'),
  `{"enums":${JSON.stringify(table.enums)},\n"classes":{\n${lines.join(',\n')}\n}}\n`,
);
