// The licences of the packages whose code is in the bundles, as one text: they ask to be passed on
// with it.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const PACKAGE = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/;
const LICENCE_FILE = /^(licen[cs]e|copying)\b/i;

/**
 * @param metafiles of esbuild
 * @returns the text. Throws when a package in a bundle names no licence
 */
export function bundledLicences(root, metafiles) {
  const folders = new Set();
  for (const { outputs } of metafiles)
    for (const { inputs } of Object.values(outputs))
      for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
        const found = PACKAGE.exec(path);
        if (found !== null && bytesInOutput > 0) folders.add(found[0]);
      }
  const parts = [...folders].map((folder) => licenceOf(join(root, folder)));
  const sorted = [...new Map(parts.map((part) => [part.title, part.text]))].sort(([a], [b]) => (a < b ? -1 : 1));
  const list = sorted.map(([title, text]) => `${'-'.repeat(72)}\n${title}\n\n${text}\n`);
  return `The bundles in this folder contain code of these packages, under their own licences.\n\n${list.join('\n')}`;
}

function licenceOf(folder) {
  const { name, version, license, author } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  if (typeof license !== 'string') throw new Error(`${name} ${version} is in a bundle, and names no licence`);
  const files = readdirSync(folder).filter((entry) => LICENCE_FILE.test(entry));
  const texts = files.map((file) => readFileSync(join(folder, file), 'utf8').trim());
  // Some packages name their licence and have no text of it.
  const by = typeof author === 'object' ? author.name : author;
  if (texts.length === 0) texts.push(`Copyright ${by ?? 'its authors'}; licence ${license}, https://spdx.org/licenses/${license}.html`);
  return { title: `${name} ${version} (${license})`, text: texts.join('\n\n') };
}
