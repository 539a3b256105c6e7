// Writes src/xapi/model/datamodel.json, a compact table of XAPI's data model, from the facts beside
// the checkout: names, types, access and least role of classes, fields and messages. Which messages
// have no Async form, and the values of parameters that may be left out, come from the folder
// ocaml/idl of xen-api (e2ee48d6).
//   node scripts/make-datamodel.mjs FACTS.json.gz IDL
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

const [file, idl] = process.argv.slice(2);
if (file === undefined || idl === undefined) {
  console.error('usage: node scripts/make-datamodel.mjs FACTS.json.gz IDL');
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

const INITIAL = { VString: String, VEnum: String, VInt: parseInt, VBool: (text) => text === 'true', VMap: () => ({}), VSet: () => [] };

/** "(VString \"x\")" and the like; a reference by default is the null one. */
function initialOf(text) {
  const [, kind, value] = /\((V\w+) (.*)\)$/.exec(text);
  if (value.includes('null_ref')) return 'OpaqueRef:NULL';
  return INITIAL[kind](value.replace(/^"|"$/g, '').replace(/L$/, ''));
}

/** Types of parameters that are younger than the facts. */
function youngType(text) {
  if (text === 'Bool' || text === 'String') return text.toLowerCase();
  if (/^Map \(.*, String\)$/.test(text)) return { map: 'string' };
  throw new Error(`no such type: ${text}`);
}

/** What the sources say of a message: "class.name" in lower case -> {async, optional}. */
function readSources() {
  const found = new Map();
  for (const name of readdirSync(idl).filter((one) => /^datamodel(_\w+)?\.ml$/.test(one))) {
    const text = readFileSync(join(idl, name), 'utf8');
    const modules = [...text.matchAll(/^module (\w+) = struct/gm)];
    for (const { index } of text.matchAll(/\bcall\s/g)) {
      const body = text.slice(index, index + 6000).split(/\n {2,4}let |\nlet /, 1)[0];
      const message = /~name:\s*"(\w+)"/.exec(body)?.[1];
      if (message === undefined) continue;
      const type = modules.findLast((one) => one.index < index)?.[1] ?? name.slice('datamodel_'.length, -'.ml'.length);
      const flags = /~flags:\s*\[([^\]]*)\]/.exec(body)?.[1];
      const params = body.matchAll(
        /param_type=\s*((?:(?!param_type).)*?)\s*;\s*param_name=\s*"(\w+)"(?:(?!param_type).)*?param_default=\s*(None|Some\s*\([^\n]*\))/gs,
      );
      const optional = [...params]
        .filter(([, , , initial]) => initial !== 'None')
        .map(([, kind, param, initial]) => ({ kind, param, initial: initialOf(initial) }));
      found.set(`${type}.${message}`.toLowerCase(), { async: flags === undefined || flags.includes('Async'), optional });
    }
  }
  return found;
}

const sources = readSources();

/** Parameters with the values of those that may be left out, and those younger than the facts. */
function paramsOf(type, message, after) {
  const { optional } = sources.get(`${type}.${message}`.toLowerCase()) ?? { optional: [] };
  const known = after.map(([name, kind]) => {
    const initial = optional.find(({ param }) => param === name)?.initial;
    return [name, collect(typeOf(kind)), ...(initial === undefined ? [] : [initial])];
  });
  const young = optional.filter(({ param }) => !after.some(([name]) => name === param));
  return [...known, ...young.map(({ kind, param, initial }) => [param, youngType(kind), initial])];
}

/** Only the last parameters may be left out. */
function checkOrder(params) {
  const first = params.findIndex((one) => one.length === 3);
  if (first >= 0 && params.slice(first).some((one) => one.length < 3)) throw new Error(`left out in the middle: ${JSON.stringify(params)}`);
  return params;
}

const classes = {};
for (const [name, { fields, messages }] of Object.entries(facts)) {
  classes[name] = {
    fields: Object.fromEntries(fields.map(([field, type, access]) => [field, [ACCESS[access], collect(typeOf(type))]])),
    // The least role that may send a message, null = the local superuser alone; then the parameters
    // after the session, each with its value where it may be left out.
    messages: Object.fromEntries(
      messages.map(({ name: message, implicit, roles, params }) => {
        const least = ROLES.findLastIndex((role) => roles.includes(role));
        const after = params.filter(([param], index) => index > 0 || param !== 'session_id');
        const given = implicit ? [] : [checkOrder(paramsOf(name, message, after))];
        return [message, [least < 0 ? null : ROLES[least], ...given]];
      }),
    ),
    removed: messages.filter(({ state }) => state === 'Removed_s').map((one) => one.name),
    // Without an Async form. Of the messages that follow from a class, create and destroy have one.
    sync: messages
      .filter((one) => !one.implicit && sources.get(`${name}.${one.name}`.toLowerCase())?.async === false)
      .map((one) => one.name),
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
