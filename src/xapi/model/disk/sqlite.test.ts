// The daemon's metadata of its toolstack's VMs: the next process finds it, damage is refused, and
// explain reads how a VM was built.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { vm } from '../../../../test/support/toolstack.js';
import { InputError } from '../../../base/errors.js';
import type { LastBuild, VmMetadata } from '../../../xenopsd/api/metadata.js';
import { readBuild } from '../../../xenopsd/store/build-files.js';
import { StateFolder } from './sqlite.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'xennuma-serve-'));
});
afterEach(() => rm(folder, { recursive: true }));

const stored: VmMetadata = { spec: vm('a', 2, 64), uuid: '01234567-89ab-4def-8123-456789abcdef', phase: 'running', domid: 3, pending: [] };
const build: LastBuild = { operation: 'start', domid: 3, failure: null, title: 'start a', entries: [] };

it('finds a VM again, and another process reads how it was built while this one holds the folder', async () => {
  const state = new StateFolder(folder);
  await state.domains().save(stored, build);
  expect(await readBuild(folder, 'a')).toEqual(build);
  state.close();
  const next = new StateFolder(folder);
  expect(await next.domains().load()).toEqual([stored]);
  await next.domains().remove('a');
  expect(await next.domains().load()).toEqual([]);
  expect(await readBuild(folder, 'a')).toBeNull();
  next.close();
});

it.each(['{', '{}', JSON.stringify({ ...stored, phase: 'dreaming' })])('refuses a VM that is damaged: %s', async (text) => {
  const state = new StateFolder(folder);
  await state.domains().save(stored);
  state.close();
  const raw = new Sqlite(join(folder, 'xapi.db'));
  raw.prepare('UPDATE domains SET metadata = ?').run(text);
  raw.close();
  const next = new StateFolder(folder);
  await expect(next.domains().load()).rejects.toThrow(InputError);
  next.close();
});
