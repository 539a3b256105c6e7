// xe on messages about objects and on TPMs of VMs: fields in xe's order (records.ml of xen-api
// e2ee48d6).
import { bool, date, int, ref, text, words, type XeClass } from '../field.js';

export const REMAINING_XE_CLASSES: readonly XeClass[] = [
  {
    name: 'message',
    apiClass: 'message',
    fields: [
      text('uuid', 'uuid'),
      text('name', 'name'),
      int('priority', 'priority'),
      text('class', 'cls'),
      text('obj-uuid', 'obj_uuid'),
      date('timestamp', 'timestamp'),
      text('body', 'body'),
    ],
    // xe lists all of them.
    listed: ['uuid', 'name', 'priority', 'class', 'obj-uuid', 'timestamp', 'body'],
    filters: [],
  },
  {
    name: 'vtpm',
    apiClass: 'VTPM',
    fields: [
      text('uuid', 'uuid'),
      ref('vm-uuid', 'VM', 'VM'),
      bool('is_unique', 'is_unique'),
      bool('is_protected', 'is_protected'),
      words('allowed-operations', 'allowed_operations'),
    ],
    listed: ['uuid', 'vm-uuid'],
    filters: [],
  },
];
