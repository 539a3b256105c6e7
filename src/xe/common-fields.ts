// Fields that the records of many classes have.
import { type Field, map, text, words } from './field.js';

export const uuid = text('uuid', 'uuid');
export const names = (access: 'ro' | 'rw' = 'rw'): Field[] => [
  text('name-label', 'name_label', access),
  text('name-description', 'name_description', access),
];
export const operations: readonly Field[] = [
  words('allowed-operations', 'allowed_operations'),
  words('current-operations', 'current_operations'),
];
export const otherConfig = map('other-config', 'other_config', 'rw');
