// `xe event-wait class=CLASS field=value field=/=value`: waits until some object of the class fits
// all words (event_wait_gen in cli_operations.ml of xen-api e2ee48d6).
import { XeContext } from './context.js';
import { XeFailure } from './failures.js';
import type { XeClass, XeObject } from './field.js';
import { HOST, POOL, TASK } from './host-class.js';
import { allObjects, fieldsOf, required, STANDARD_PARAMS, shownValue } from './objects.js';
import type { Run } from './operations.js';
import { VM } from './vm-class.js';

const CLASSES: readonly XeClass[] = [VM, HOST, POOL, TASK];

export async function eventWait({ context, params }: Run, signal?: AbortSignal): Promise<void> {
  const name = required(params, 'class');
  const xeClass = CLASSES.find((one) => one.name === name);
  if (xeClass === undefined) throw new XeFailure(`Cli listening for class '${name}' not currently implemented`);
  const words = params
    .filter(([key]) => key !== 'class' && !STANDARD_PARAMS.has(key))
    .map(([key, value]) => (value.startsWith('/=') ? { key, value: value.slice(2), equal: false } : { key, value, equal: true }));
  const fits = async (object: XeObject): Promise<boolean> => {
    const fields = fieldsOf(xeClass, object.record);
    for (const word of words) {
      const field = fields.find((one) => one.name === word.key);
      if (field === undefined) throw new XeFailure(`key missing: ${word.key}`);
      if (((await shownValue(field, object)) === word.value) !== word.equal) return false;
    }
    return true;
  };
  for (const object of await allObjects(context, xeClass)) if (await fits(object)) return;
  for await (const events of context.session.events([xeClass.apiClass], signal === undefined ? {} : { signal })) {
    // Metrics change as well: nothing asked before counts.
    const fresh = new XeContext(context.session);
    for (const { class: apiClass, ref, snapshot } of events) {
      if (snapshot === undefined || apiClass !== xeClass.apiClass.toLowerCase()) continue;
      if (await fits({ context: fresh, apiClass: xeClass.apiClass, ref, record: snapshot })) return;
    }
  }
}
