// What the documents show is what the commands print, and the schemas are those of the validators.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from './xennuma.js';

const pages = ['README.md', ...readdirSync(join(root, 'docs')).flatMap((name) => (name.endsWith('.md') ? [`docs/${name}`] : []))];

describe('documents', () => {
  it.each(pages)('%s shows what the commands print', (page) => {
    const { status, stderr } = spawnSync(process.execPath, ['scripts/docs.mjs', '--check', page], { cwd: root, encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  it.each(pages)('%s links to files that are there', (page) => {
    const text = readFileSync(join(root, page), 'utf8');
    const links = [...text.matchAll(/\]\(([^)#:]+)\)/g)].map(([, link]) => join(root, page, '..', link!));
    for (const link of links) expect(readFileSync(link, 'utf8').length, link).toBeGreaterThan(0);
  });
});

it('schemas/ is what the validators say', () => {
  const dir = mkdtempSync(join(tmpdir(), 'xennuma-schemas-'));
  const { status, stderr } = spawnSync(process.execPath, ['scripts/make-schemas.mjs', dir], { cwd: root, encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  for (const name of readdirSync(dir)) {
    expect(readFileSync(join(root, 'schemas', name), 'utf8'), `${name}: run npm run schemas`).toBe(readFileSync(join(dir, name), 'utf8'));
  }
  rmSync(dir, { recursive: true });
});
