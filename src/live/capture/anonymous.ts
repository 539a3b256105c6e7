// Replaces the names in a capture by others of the same kind, so that it can be shown to strangers:
// hosts, domains, VMs and their uuids. A name gets the same replacement everywhere. Paths of disks,
// and values of XenStore that placement does not use, are left out.
import { createHash } from 'node:crypto';

const UUID = /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi;
/** Keys of XenStore that show, verify and explain read. */
const NEEDED_KEY = /^\/(?:local\/domain\/\d+\/(?:name|vm|domid|platform\/vcpu\/)|vm\/[^/]+\/name|libxl\/\d+\/type|local\/pool\/)/;
/** Fields of `xl info` that name a host or its user. */
const NAMING_FIELD = /^(host|xen_commandline|cc_compile_by|cc_compile_domain)(\s*:\s*).*$/gm;
const PLAIN_NAME = /^(?:Domain-0|Pool-0|all|none|null|\(null\)|\d*)$/;

/** @param names domains, VMs, pools and hosts as the capture has them */
export function anonymous(text: string, names: readonly string[]): string {
  const replacements = new Map<string, string>();
  for (const name of [...new Set(names)].filter((one) => !PLAIN_NAME.test(one))) replacements.set(name, `vm-${replacements.size + 1}`);
  const needed = text
    .split('\n')
    .filter((line) => !/^\/\S* = "/.test(line) || NEEDED_KEY.test(line))
    .join('\n')
    .replace(NAMING_FIELD, (_, field: string, colon: string) => `${field}${colon}${field === 'host' ? 'host' : 'removed'}`)
    .replace(UUID, (uuid) => uuidFor(uuid.toLowerCase()));
  // The longest first: a name may begin with another.
  const longestFirst = [...replacements].sort(([a], [b]) => b.length - a.length);
  return longestFirst.reduce((all, [name, other]) => all.replaceAll(name, other), needed);
}

/** A replacement uuid, always the same one for a given uuid. */
function uuidFor(uuid: string): string {
  const hex = createHash('sha256').update(`xennuma ${uuid}`).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join('-');
}
