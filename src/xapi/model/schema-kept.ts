// Classes of records that clients make beside VMs: messages about objects, and TPMs of VMs.
import { DATAMODEL } from './datamodel.js';
import type { ClassDef } from './schema-types.js';

export const KEPT_CLASSES: readonly ClassDef[] = ['message', 'VTPM'].map((name) => ({
  name,
  fields: DATAMODEL.get(name)!.fields,
  stored: true,
  listed: true,
}));
