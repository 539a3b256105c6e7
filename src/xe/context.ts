// One run of xe against a host: the session, and a cache of names of references and records of
// metrics.
import { XapiError } from '../xapi-client/errors.js';
import type { XapiSession } from '../xapi-client/session.js';
import { asRecord, asText, isNull, type Json } from '../xapi-client/values.js';

/** xe's text for a dangling reference. */
export const NOT_IN_DATABASE = '<not in database>';
const REF = /^OpaqueRef:/;
/** Classes whose references appear in errors. */
const NAMED_CLASSES = ['VM', 'host', 'pool', 'task', 'SR', 'VDI', 'VBD', 'VIF', 'network', 'PIF', 'Bond', 'VLAN', 'tunnel', 'VM_appliance'];

export class XeContext {
  readonly session: XapiSession;
  readonly #uuids = new Map<string, Promise<string>>();
  readonly #single = new Map<string, Promise<Json | null>>();
  readonly #all = new Map<string, Promise<ReadonlyMap<string, Json>>>();

  constructor(session: XapiSession) {
    this.session = session;
  }

  /** The uuid behind a reference, or what xe shows in its place. */
  uuidOf(apiClass: string, ref: string): Promise<string> {
    if (isNull(ref)) return Promise.resolve(NOT_IN_DATABASE);
    let found = this.#uuids.get(ref);
    if (found === undefined) {
      found = this.session.call(`${apiClass}.get_uuid`, [ref]).then(asText, absent(NOT_IN_DATABASE));
      this.#uuids.set(ref, found);
    }
    return found;
  }

  /**
   * A record that belongs to another, such as VM_metrics; null when there is none. The second of a
   * class fetches all of them.
   */
  related(apiClass: string, ref: string): Promise<Json | null> {
    if (isNull(ref)) return Promise.resolve(null);
    const known = this.#single.get(ref);
    if (known !== undefined) return known;
    const one = () => this.session.call(`${apiClass}.get_record`, [ref]).then(asRecord, absent(null));
    let found: Promise<Json | null>;
    if (!this.#all.has(apiClass) && ![...this.#single.keys()].some((key) => key.startsWith(`${apiClass}/`))) {
      found = one();
      this.#single.set(`${apiClass}/`, found);
    } else {
      let all = this.#all.get(apiClass);
      if (all === undefined) {
        all = this.session.records(apiClass).catch(absent(new Map<string, Json>()));
        this.#all.set(apiClass, all);
      }
      found = all.then((records) => records.get(ref) ?? one());
    }
    this.#single.set(ref, found);
    return found;
  }

  /** "uuid (name)" for a reference in an error's parameters; anything else stays as it is. */
  async readable(param: string): Promise<string> {
    if (!REF.test(param) || isNull(param)) return param;
    for (const apiClass of NAMED_CLASSES) {
      const record = await this.session.call(`${apiClass}.get_record`, [param]).then(asRecord, absent(null));
      if (record === null) continue;
      const name = asText(record.name_label);
      return `${asText(record.uuid)}${'name_label' in record ? ` (${name})` : ''}`;
    }
    return param;
  }
}

/** For a promise's failure: the value when the API refused, the failure itself otherwise. */
function absent<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof XapiError) return value;
    throw error;
  };
}
