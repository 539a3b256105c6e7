// Fields that several steps, notes and surprises of a record share.
import * as z from 'zod';
import { ERRNO, type Errno } from '../../base/errors.js';

export const domid = z.int();
export const vcpu = z.int().min(0);
export const node = z.int().min(0);
export const nodes = z.array(node);
export const bytes = z.number();
export const pages = z.number();
/** A list of CPUs or nodes in the usual form: "0-3,8"; empty = none. */
export const list = z.string();
export const errno = z.enum(Object.keys(ERRNO) as [Errno, ...Errno[]]);
/** Inferred from values read back from Xen; absent if the step itself was observed. */
export const inferred = z.literal(true).exactOptional();
export const guestKind = z.enum(['hvm', 'pvh', 'pv']);
