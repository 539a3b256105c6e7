// xe against what the daemon serves: every field that xe shows of a class is a field of the class
// there, and every error that it answers is worded as xe words it.
import { describe, expect, it } from 'vitest';
import { CLASSES } from '../xapi/model/schema.js';
import { type XapiError, xapiErrors } from '../xapi/wire/errors.js';
import { XE_CLASSES } from './commands.js';
import { tellServerError } from './failures.js';

describe('what the daemon refuses', () => {
  it.each(Object.entries(xapiErrors))('%s: xe has words for it, and names for its parameters', (_name, make) => {
    const { code, params } = (make as (...args: string[]) => XapiError)('a', 'b', 'c', 'd');
    // xe words this one differently (failures.ts).
    if (code === 'SESSION_AUTHENTICATION_FAILED') return;
    // Their codes are in no catalogue, and xe prints them bare (datamodel_errors.ml).
    if (code === 'VM_IS_SNAPSHOT' || code === 'REVERT_ONLY_ALLOWED_ON_SNAPSHOT') return;
    // xapi gives these other parameters than its catalogue counts, and xe shows it.
    if (['VM_IS_TEMPLATE', 'NO_HOSTS_AVAILABLE', 'DOMAIN_EXISTS'].includes(code)) return;
    const lines = tellServerError(code, params);
    expect(lines).not.toBeNull();
    expect(lines!.slice(1).filter((line) => /<extra>|<unknown>/.test(line))).toEqual([]);
  });
});

describe.each(XE_CLASSES)('xe $name', ({ apiClass, fields }) => {
  it('shows no field that the daemon has not', () => {
    const served = CLASSES.get(apiClass)!.fields;
    expect(fields.filter(({ key }) => !(key in served)).map(({ name }) => name)).toEqual([]);
  });
});
