// Records made whole and changed: all fields of their class, and nothing else to find in them.
import { expect, it } from 'vitest';
import type { WireStruct } from '../wire/values.js';
import { complete, withChanges } from './record-fields.js';
import { CLASSES, classOf } from './schema.js';

const UUID = '53a44a9b-7faa-88b7-b513-995f965290d5';

it.each([...CLASSES.keys()])('a %s has the fields of its class in their order, with their defaults', (type) => {
  const record = complete(type, {}, UUID);
  const { fields } = classOf(type);
  expect(Object.keys(record)).toEqual(Object.keys(fields));
  for (const [name, { initial }] of Object.entries(fields)) expect(record[name]).toBe(name === 'uuid' ? UUID : initial);
  expect(Object.isFrozen(record)).toBe(true);
});

it('a record has no names but its fields', () => {
  const record = complete('VM', { name_label: 'one' }, UUID);
  for (const one of [record, withChanges(record, { name_label: 'two' })]) {
    for (const name of ['constructor', 'toString', '__proto__']) expect(one[name]).toBeUndefined();
    expect(Object.getPrototypeOf(one)).toBeNull();
  }
});

it('a change makes another record, with the fields that it does not name', () => {
  const map: WireStruct = Object.freeze({ key: 'value' });
  const before = complete('VM', { name_label: 'one', other_config: map }, UUID);
  const after = withChanges(before, { name_label: 'two', VCPUs_max: 4 });
  expect(before.name_label).toBe('one');
  expect({ ...after }).toEqual({ ...before, name_label: 'two', VCPUs_max: 4 });
  expect(after.other_config).toBe(map);
  expect(Object.keys(after)).toEqual(Object.keys(before));
  // And again from the changed one, as it is kept.
  expect(withChanges(Object.freeze(after), { name_label: 'three' }).name_label).toBe('three');
  expect(after.name_label).toBe('two');
});
