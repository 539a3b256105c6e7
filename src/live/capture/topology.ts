// The topology of a host from its listings: `xl info -n`, completed or replaced by xenpm's table
// and Xen's own dump where the text has them. Without it, from `virsh capabilities`.
import { InputError } from '../../base/errors.js';
import type { Host } from '../../machine/model.js';
import type { InputText } from '../../machine/readers/input-text.js';
import { looksLikeCapabilities, readCapabilities } from '../../machine/readers/libvirt/capabilities.js';
import { looksLikeDumpedNodes, looksLikeXenDump, readXlInfo } from '../../machine/readers/xl-info.js';
import type { Listing } from './listings.js';
import { oneHost, refuseDescription } from './one-host.js';
import { plainText } from './text/plain-text.js';

/** @throws InputError where the listings do not tell the nodes, or are of two hosts */
export function readTopology(texts: readonly InputText[], listings: readonly Listing[]): Host {
  const every = listings.filter(({ kind }) => kind === 'xl info');
  oneHost(every);
  const info = latest(every);
  const tables = listings.filter(({ kind }) => kind === 'xenpm' || kind === 'numa dump');
  const more = textOf(tables);
  const [first] = info;
  const xlTables = listings
    .filter(({ kind }) => kind === 'xl cpupool-list -c' || kind === 'xl vcpu-list')
    .map((listing) => ({ file: listing.file, text: textOf([listing]) }));
  if (first === undefined) {
    const capabilities = texts.find(({ text }) => looksLikeCapabilities(plainText(text)));
    if (capabilities !== undefined) return readCapabilities({ file: capabilities.file, text: plainText(capabilities.text) });
    if (!looksLikeDumpedNodes(more) || !looksLikeXenDump(more)) throw withoutTopology(texts, listings);
    return readXlInfo({ file: tables[0]!.file, text: more }, undefined, xlTables);
  }
  const second = /^CPU\d|-> NODE/m.test(more);
  return readXlInfo({ file: first.file, text: textOf(info) }, second ? { file: tables[0]!.file, text: more } : undefined, xlTables);
}

/** Of tables that a text has twice, as before and after a change, the later count. */
function latest(info: readonly Listing[]): Listing[] {
  const has = (listing: Listing, table: string) => listing.lines.some(({ text }) => text.trimStart().startsWith(table));
  const tables = ['numa_info', 'cpu_topology'];
  return info.filter((one, at) => !tables.some((table) => has(one, table) && info.slice(at + 1).some((later) => has(later, table))));
}

function withoutTopology(texts: readonly InputText[], listings: readonly Listing[]): InputError {
  const files = texts.map(({ file }) => file).join(', ');
  if (listings.length === 0) for (const text of texts) refuseDescription(text);
  const seen = [...new Set(listings.map(({ kind }) => `\`${kind}\``))];
  return new InputError(
    seen.length === 0
      ? 'expected the output of Xen tools, found none'
      : `the host's topology is not known: found ${seen.join(', ')}, not \`xl info -n\``,
    { file: files },
    'add the output of `xl info -n`, taken as root in dom0',
  );
}

function textOf(some: readonly Listing[]): string {
  return some.flatMap(({ lines }) => lines.map(({ text }) => text)).join('\n');
}
