// The record that libxl keeps of a domain as JSON: a file in dom0 (tools/libs/light/libxl_dom.c,
// libxl__userdata_path), and the `config` that `xl list -l` prints.
import * as z from 'zod';
import { InputError } from '../base/errors.js';
import { KIB } from '../base/units.js';
import type { Expected } from '../map/drift.js';

/** A bitmap of libxl in JSON: the numbers of its bits. */
const bitmap = z.array(z.int().min(0));
const schema = z.object({
  c_info: z.object({ name: z.string().optional(), type: z.string().optional() }).optional(),
  b_info: z.object({
    max_vcpus: z.int().min(0).optional(),
    avail_vcpus: bitmap.optional(),
    target_memkb: z.int().min(0).optional(),
    vcpu_hard_affinity: z.array(bitmap).optional(),
    vcpu_soft_affinity: z.array(bitmap).optional(),
  }),
});

export interface Userdata {
  readonly name?: string;
  readonly type?: string;
  /** Online at the start. */
  readonly vcpus?: number;
  readonly memoryBytes?: number;
  /** The vCPUs' affinity as given to xl. */
  readonly expected: Expected;
}

/**
 * @param file for errors
 * @throws InputError when the text is damaged
 */
export function readUserdata(text: string, file: string): Userdata {
  const damaged = (why: string) =>
    new InputError(`expected the record that libxl keeps of a domain, got ${why}`, { file }, 'is the domain still there?');
  let content: unknown;
  try {
    // libxl ends it with a zero byte.
    content = JSON.parse(text.replace(/\0+$/, ''));
  } catch (error) {
    throw damaged(error instanceof Error ? error.message : String(error));
  }
  const parsed = schema.safeParse(content);
  if (!parsed.success) throw damaged(`${parsed.error.issues[0]?.path.join('.')}: ${parsed.error.issues[0]?.message}`);
  const { c_info: info, b_info: build } = parsed.data;
  const { vcpu_hard_affinity: hard = [], vcpu_soft_affinity: soft = [] } = build;
  const vcpus = build.avail_vcpus?.length ?? build.max_vcpus;
  return {
    ...(vcpus === undefined ? {} : { vcpus }),
    ...(build.target_memkb === undefined ? {} : { memoryBytes: build.target_memkb * KIB }),
    ...(info?.name === undefined ? {} : { name: info.name }),
    ...(info?.type === undefined ? {} : { type: info.type.toLowerCase() }),
    expected: { source: "libxl's userdata", hard: hard.length === 0 ? 'all' : hard, soft: soft.length === 0 ? null : soft },
  };
}
