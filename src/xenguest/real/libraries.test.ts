import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { foundVersions, notFound, searchFolders } from './libraries.js';

describe('libxenguest by version', () => {
  it('finds the versions in the folders, and skips folders that do not exist', () => {
    const folder = mkdtempSync(join(tmpdir(), 'libxenguest-'));
    try {
      for (const name of ['libxenguest.so.4.16', 'libxenguest.so.4.16.0', 'libxenguest.so.4.9', 'libxenctrl.so.4.17'])
        writeFileSync(join(folder, name), '');
      expect(foundVersions([join(folder, 'absent'), folder])).toEqual(['4.9', '4.16']);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
  it('searches where the linker does, LD_LIBRARY_PATH first', () => {
    expect(searchFolders('/xl::/opt/lib').slice(0, 2)).toEqual(['/xl', '/opt/lib']);
    expect(searchFolders(undefined)).toContain('/usr/lib/x86_64-linux-gnu');
  });
  it('names the versions found and supported, and why one that was found cannot be used', () => {
    expect(notFound(['4.16', '4.18'], [])).toMatch(/found libxenguest 4\.16, 4\.18.*supported: libxenguest\.so\.4\.17/);
    expect(notFound([], [])).toMatch(/no libxenguest found.*libxenmisc4\.17/);
    expect(notFound(['4.16', '4.17'], ['libxentoolcore.so.1: cannot open'])).toMatch(
      /4\.17 was found but cannot be loaded: libxentoolcore/,
    );
  });
});
