import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { foundVersions, notFound, searchFolders } from './libraries.js';

describe('libxenguest by version', () => {
  it('sees which versions are in the folders, and passes over folders that are not there', () => {
    const folder = mkdtempSync(join(tmpdir(), 'libxenguest-'));
    try {
      for (const name of ['libxenguest.so.4.16', 'libxenguest.so.4.16.0', 'libxenguest.so.4.9', 'libxenctrl.so.4.17'])
        writeFileSync(join(folder, name), '');
      expect(foundVersions([join(folder, 'absent'), folder])).toEqual(['4.9', '4.16']);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
  it('looks where the linker does, LD_LIBRARY_PATH first', () => {
    expect(searchFolders('/xl::/opt/lib').slice(0, 2)).toEqual(['/xl', '/opt/lib']);
    expect(searchFolders(undefined)).toContain('/usr/lib/x86_64-linux-gnu');
  });
  it('says what was found, what is supported, and why one that is there cannot be used', () => {
    expect(notFound(['4.16', '4.18'], [])).toMatch(/found libxenguest 4\.16, 4\.18.*supported: libxenguest\.so\.4\.17/);
    expect(notFound([], [])).toMatch(/no libxenguest found.*libxenmisc4\.17/);
    expect(notFound(['4.16', '4.17'], ['libxentoolcore.so.1: cannot open'])).toMatch(/4\.17 is there and cannot be loaded: libxentoolcore/);
  });
});
