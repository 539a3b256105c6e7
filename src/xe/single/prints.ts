// How commands of xe print the answer of a call.
import { asList, asRecord, asText } from '../../xapi-client/values.js';
import type { Run } from '../operations.js';

export type Print = (run: Run, answer: unknown) => unknown;
export const asLine: Print = ({ printer }, answer) => printer.list([String(answer)]);
export const asLines: Print = ({ printer }, answer) => printer.list(asList(answer).map(String));
/** The uuid of a new object. */
export const asUuidOf =
  (type: string): Print =>
  async ({ context, printer }, answer) =>
    printer.list([asText(await context.session.call(`${type}.get_uuid`, [answer]))]);
/** A map as a record of fields. */
export const asFields: Print = ({ printer }, answer) =>
  printer.table([Object.entries(asRecord(answer)).map(([name, value]) => ({ name, mark: ' ( RO)', value: String(value), json: value }))]);
export const silent: Print = () => {};

/** Uuids of new or found objects. */
export const asUuidsOf =
  (type: string): Print =>
  async ({ context, printer }, answer) => {
    const found: string[] = [];
    for (const ref of asList(answer)) found.push(asText(await context.session.call(`${type}.get_uuid`, [ref])));
    printer.list(found);
  };
/** Two columns. */
export const asTable = ({ printer }: Run, rows: readonly (readonly [string, string])[]): void =>
  printer.table([rows.map(([name, value]) => ({ name, mark: '', value, json: value }))]);
