// The part of XAPI's data model that the daemon serves, as docs/xapi.md lists it. After a change of
// the messages: XENNUMA_WRITE_DOCS=1 npx vitest run src/xapi/coverage.test.ts
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { failure, type TestDaemon, testDaemon } from '../../test/support/daemon.js';
import { REFUSED_MESSAGES } from './calls/devices/all.js';
import { DATAMODEL } from './model/datamodel.js';
import { CLASSES, EMPTY_CLASSES } from './model/schema.js';
import type { FieldType } from './wire/types.js';
import type { Wire } from './wire/values.js';

const DOCUMENT = fileURLToPath(new URL('../../docs/xapi.md', import.meta.url));
const [BEGIN, END] = ['<!-- coverage -->\n', '<!-- /coverage -->'];

/** Listed, but nothing stands behind them: they answer with a code of xapi's. */
const REFUSED = new Set(REFUSED_MESSAGES);

interface Counts {
  served: number;
  empty: number;
  removed: number;
  refused: number;
}
const none = (): Counts => ({ served: 0, empty: 0, removed: 0, refused: 0 });

function percent(part: number, whole: number): string {
  return `${((100 * part) / whole).toFixed(1)} %`;
}

/** @param refused messages that answer NOT_IMPLEMENTED */
function table(methods: ReadonlySet<string>, refused: ReadonlySet<string>): string {
  const total = none();
  let [fields, allFields] = [0, 0];
  const rows = [...DATAMODEL.values()].map((one) => {
    const counts = none();
    const isEmpty = EMPTY_CLASSES.includes(one.name) || one.name === 'user' || one.name === 'LVHD';
    for (const [message, { removed }] of one.messages) {
      const full = `${one.name}.${message}`;
      if (removed) counts.removed++;
      else if (refused.has(full) || REFUSED.has(full)) counts.refused++;
      else if (isEmpty) counts.empty++;
      else counts.served++;
    }
    const names = Object.keys(one.fields);
    const known = names.filter((name) => CLASSES.get(one.name)?.fields[name] !== undefined || methods.has(`${one.name}.get_${name}`));
    fields += known.length;
    allFields += names.length;
    for (const kind of ['served', 'empty', 'removed', 'refused'] as const) total[kind] += counts[kind];
    return `| \`${one.name}\` | ${counts.served} | ${counts.empty} | ${counts.removed} | ${counts.refused} | ${known.length} of ${names.length} |`;
  });
  const messages = total.served + total.empty + total.removed + total.refused;
  const summary = `Of ${messages} messages in ${DATAMODEL.size} classes ${total.served} are served, ${total.empty} have the answer of a host without such objects, ${total.removed} were removed from xapi, and ${total.refused} are refused: ${percent(messages - total.refused, messages)} are answered as by xapi. ${fields} of ${allFields} fields are there (${percent(fields, allFields)}).`;
  return [summary, '', '| class | served | empty | removed | refused | fields |', '|---|---|---|---|---|---|', ...rows, ''].join('\n');
}

/** Messages on nothing that answer NOT_IMPLEMENTED with their own name. */
async function refusedMessages(daemon: TestDaemon): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  const plain = { string: '', int: 0, float: 0, bool: false, datetime: '20260101T00:00:00Z', record: {} };
  const nothing = (type: FieldType): Wire => {
    if (typeof type === 'string') return plain[type];
    if ('enum' in type) return type.enum[0]!;
    if ('ref' in type) return '';
    return 'set' in type ? [] : {};
  };
  for (const { name: type, messages } of DATAMODEL.values()) {
    for (const [name, { params }] of messages) {
      const full = `${type}.${name}`;
      const args = params?.map((param) => nothing(param.type)) ?? [name === 'create' ? {} : ''];
      if (full === 'session.logout') continue;
      const answer = await failure(daemon.call(full, ...args));
      if (answer[0] === 'NOT_IMPLEMENTED' && answer[1] === full) found.add(full);
    }
  }
  return found;
}

it('docs/xapi.md says what of the data model is served', async () => {
  const daemon = await testDaemon();
  const methods = new Set(
    (await daemon.dispatcher.call({ method: 'system.listMethods', params: [] }, '', new AbortController().signal)) as string[],
  );
  const refused = await refusedMessages(daemon);
  await daemon.close();
  const text = readFileSync(DOCUMENT, 'utf8');
  const [begin, end] = [text.indexOf(BEGIN) + BEGIN.length, text.indexOf(END)];
  expect(end).toBeGreaterThanOrEqual(begin);
  const written = table(methods, refused);
  if (process.env.XENNUMA_WRITE_DOCS !== undefined) writeFileSync(DOCUMENT, text.slice(0, begin) + written + text.slice(end));
  else expect(text.slice(begin, end)).toBe(written);
});

it('every class lists its objects where xapi does, and finds none by an unknown uuid or reference', async () => {
  const daemon = await testDaemon();
  const code = async (method: string, ...params: Wire[]): Promise<Wire> => {
    try {
      return await daemon.call(method, ...params);
    } catch (error) {
      const { code: name, params: rest } = error as { code: string; params: string[] };
      return [name, ...rest];
    }
  };
  const names = new Set(
    (await daemon.dispatcher.call({ method: 'system.listMethods', params: [] }, '', new AbortController().signal)) as string[],
  );
  const [ref, uuid] = ['OpaqueRef:0d3f2b1a-0000-4000-8000-000000000001', '0d3f2b1a-0000-4000-8000-000000000001'];
  for (const { name, messages } of DATAMODEL.values()) {
    if (messages.get('get_all')?.removed === true) continue;
    if (messages.has('get_by_uuid') && names.has(`${name}.get_by_uuid`)) {
      expect(await code(`${name}.get_by_uuid`, uuid)).toEqual(['UUID_INVALID', name, uuid]);
      expect(await code(`${name}.get_record`, ref)).toEqual(name === 'session' ? expect.anything() : ['HANDLE_INVALID', name, ref]);
    }
    if (!messages.has('get_all')) expect(await code(`${name}.get_all`)).toEqual(['MESSAGE_METHOD_UNKNOWN', `${name}.get_all`]);
    else if (EMPTY_CLASSES.includes(name)) {
      expect([await code(`${name}.get_all`), await code(`${name}.get_all_records`)]).toEqual([[], {}]);
    } else expect(Array.isArray(await code(`${name}.get_all`))).toBe(true);
  }
  await daemon.close();
});
