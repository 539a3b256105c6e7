// xe against what the daemon serves: every field that xe shows of a class is a field of the class there.
import { describe, expect, it } from 'vitest';
import { CLASSES } from '../xapi/schema.js';
import { XE_CLASSES } from './commands.js';

describe.each(XE_CLASSES)('xe $name', ({ apiClass, fields }) => {
  it('shows no field that the daemon has not', () => {
    const served = CLASSES.get(apiClass)!.fields;
    expect(fields.filter(({ key }) => !(key in served)).map(({ name }) => name)).toEqual([]);
  });
});
