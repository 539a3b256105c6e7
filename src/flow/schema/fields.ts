// Fields that several steps, notes and surprises of a record share.
import * as z from 'zod';
import { ERRNO, type Errno } from '../../base/errors.js';

export const domid = z.int();
export const vcpu = z.int().min(0);
export const node = z.int().min(0);
export const nodes = z.array(node);
export const bytes = z.number();
export const pages = z.number();
/** A list of CPUs or nodes as people write it: "0-3,8"; empty = none. */
export const list = z.string();
export const errno = z.enum(Object.keys(ERRNO) as [Errno, ...Errno[]]);
/** Concluded from what Xen reads back; absent where the step itself was seen. */
export const inferred = z.literal(true).exactOptional();
export const guestKind = z.enum(['hvm', 'pvh', 'pv']);
