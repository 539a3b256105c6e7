// Refuses a text of two running hosts, and a description that belongs to another option.
import { InputError } from '../../base/errors.js';
import { looksLikeHost } from '../../machine/readers/detect.js';
import { looksLikeVms } from '../../machine/readers/detect-vms.js';
import type { InputText } from '../../machine/readers/input-text.js';
import { otherDocument, otherText, refusalOf } from '../../machine/readers/other-outputs.js';
import type { Listing } from './listings.js';
import { plainHost } from './text/plain-host.js';
import { plainText } from './text/plain-text.js';

/** Two hosts in one text would become one that nobody has. */
export function oneHost(info: readonly Listing[]): void {
  const names = new Map<string, ListingPlace>();
  for (const { file, lines } of info) {
    for (const { text, number } of lines) {
      const name = /^host\s*:\s*(\S+)/.exec(text)?.[1];
      if (name !== undefined && !names.has(name)) names.set(name, { file, line: number });
    }
  }
  const [first, second] = names.keys();
  if (second === undefined) {
    sameMachine(info);
    return;
  }
  throw new InputError(
    `expected the listings of one host, got those of ${first} and ${second}`,
    names.get(second)!,
    'give a text for each host, one --from for each',
  );
}

/** Fields of a machine that no running host changes. */
const FIXED = ['machine', 'max_cpu_id', 'nr_nodes', 'cores_per_socket', 'threads_per_core', 'hw_caps', 'total_memory'];

/** Hosts may have one name, such as that of an installer's default. */
function sameMachine(info: readonly Listing[]): void {
  const first = new Map<string, string>();
  for (const { file, lines } of info) {
    for (const { text, number } of lines) {
      const [, name, value] = /^([a-z_]+)\s*:\s*(.*?)\s*$/.exec(text) ?? [];
      if (name === undefined || !FIXED.includes(name)) continue;
      const before = first.get(name) ?? value!;
      first.set(name, before);
      if (before === value) continue;
      throw new InputError(
        `expected the listings of one host, got two outputs of \`xl info\` that differ in ${name}: ${clip(before)} and ${clip(value!)}`,
        { file, line: number },
        'give a text for each host, one --from for each',
      );
    }
  }
}

const clip = (text: string) => (text.length > 40 ? `${text.slice(0, 40)}...` : text);

interface ListingPlace {
  readonly file: string;
  readonly line: number;
}

/** What --host and --vms read is no text of a running host, nor is what other tools print. */
export function refuseDescription(input: InputText): void {
  const text = plainText(input.text);
  const other = otherDocument(text) ?? (looksLikeHost(plainHost(input)) ? null : otherText(text));
  if (other !== null) throw refusalOf(other, input.file, 'add the output of `xl info -n`, taken as root in dom0');
  const as = describedAs(input);
  if (as === null) return;
  throw new InputError(`expected the output of Xen tools, got ${as.what}`, { file: input.file }, `give it with ${as.option}`);
}

function describedAs(input: InputText): { readonly what: string; readonly option: string } | null {
  if (looksLikeVms(input.text)) return { what: 'a description of VMs', option: '--vms, and the host with --host or --from' };
  return looksLikeHost(plainHost(input)) ? { what: 'a description of a host', option: '--host' } : null;
}
