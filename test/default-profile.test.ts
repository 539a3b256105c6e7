// The profile where none is named: the host's own where its listings show it, else one default, the
// same for commands, scenarios, the daemon and the page.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { serveSchema } from '../src/cli/input/serve-config.js';
import { readCapture } from '../src/live/capture/captured-host.js';
import { pageOfCapture } from '../src/page/page-of-capture.js';
import { readFiles } from '../src/page/read-files.js';
import { DEFAULT_PROFILE } from '../src/xenopsd/api/profiles.js';
import { startDescribed } from '../web/src/lib/start-described.js';
import { coresOf, xlInfo } from './support/xl-info.js';
import { xennuma } from './xennuma.js';

const folder = mkdtempSync(join(tmpdir(), 'xennuma-default-profile-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const VMS = 'vms: [{ name: a, vcpus: 2, memory: 1GiB }]';
const listing = (head: Readonly<Record<string, string>>) =>
  xlInfo({
    host: 'box',
    totalMib: 16_384,
    more: head,
    cpus: coresOf(2, 4),
    nodes: [
      [8192, 6000, '10,21'],
      [8192, 7000, '21,10'],
    ],
  });
const HOST_RECORD =
  'uuid ( RO)          : 5ab4a8f1-7b1e-4f4c-9ab2-0c5be8ab8f4c\n          name-label ( RW): box\n            hostname ( RO): box\n    software-version (MRO): product_brand: XCP-ng; xapi_build: 25.33.1; xapi: 25.33\n';

/** What a listing shows, the profile, and the reason that the user reads. */
const HOSTS = [
  ['of Debian', listing({ release: '6.1.0-18-amd64' }), 'xl', /because the listings show a host of xl/],
  ['of Qubes', listing({ release: '6.6.48-1.qubes.fc37.x86_64' }), 'xl', /because the listings show Qubes/],
  ['of XCP-ng', listing({ release: '4.19.0+1' }), DEFAULT_PROFILE, /is assumed, because the listings show xapi without its version/],
  ['without a sign', listing({}), DEFAULT_PROFILE, /is assumed, because the listings show neither xapi nor xl/],
] as const;

describe.each(HOSTS)('a listing %s', (name, text, profile, reason) => {
  const path = file(`${name}.txt`, text);
  const flat = (words: string[]) => xennuma(words).out.replaceAll(/\n +/g, ' ');

  it.each(['plan --host', 'plan --from', 'run'])('%s', (command) => {
    const vms = file('vms.yaml', VMS);
    const scenario = file(`${name}.yaml`, `host: ${JSON.stringify(path)}\n${VMS}\nevents: [{ start: a }]`);
    const out = command === 'run' ? flat(['run', scenario]) : flat([...command.split(' '), path, '--vms', vms]);
    expect(out).toContain(`profile ${profile}, policy default_policy`);
    expect(out).toMatch(reason);
  });

  it('a scenario that names one', () => {
    const scenario = file(`${name}-named.yaml`, `host: ${JSON.stringify(path)}\nprofile: xapi-26.3\n${VMS}\nevents: [{ start: a }]`);
    const { out } = xennuma(['run', scenario]);
    expect(out).toContain('profile xapi-26.3, policy default_policy');
    expect(out).not.toMatch(/because the listings/);
  });

  it('the plans of its page', async () => {
    const { workload, notes } = await pageOfCapture(readCapture([{ file: 'paste.txt', text }]));
    expect(workload!.settings.profile).toBe(profile);
    expect(notes.filter((note) => reason.test(note))).toHaveLength(1);
  });

  it('files dropped onto a page, with VMs', async () => {
    const bytes = (words: string) => new TextEncoder().encode(words);
    const { described } = await readFiles([
      { name: 'box.txt', bytes: bytes(text) },
      { name: 'vms.yaml', bytes: bytes(VMS) },
    ]);
    const page = await startDescribed({ version: '1', described: described! }, () => undefined);
    expect(JSON.stringify(page)).toMatch(reason);
    expect(described!.profile).toBe(profile);
  });
});

it('a version of xapi in the records decides', async () => {
  const { workload } = await pageOfCapture(readCapture([{ file: 'paste.txt', text: `${listing({})}\n${HOST_RECORD}` }]));
  expect(workload!.settings.profile).toBe('xapi-25.33');
});

it('a page of a host that is one of several by its records opens, and says what it assumes', async () => {
  const other = HOST_RECORD.replaceAll('box', 'far');
  const text = `${listing({})}\n${other}\n${other.replaceAll('far', 'farther').replace('5ab4', '6ab4')}`;
  const { workload, notes } = await pageOfCapture(readCapture([{ file: 'paste.txt', text }]));
  expect(workload!.settings.profile).toBe(DEFAULT_PROFILE);
  expect(notes.join(' ')).toMatch(/which is assumed: which of the pool's hosts is 'box'/);
});

describe('a description', () => {
  const host = JSON.stringify(join(import.meta.dirname, '../examples/hosts/four-nodes.yaml'));
  it('without a listing: the default, which run and plan name', () => {
    const scenario = file('described.yaml', `host: ${host}\n${VMS}\nevents: [{ start: a }]`);
    expect(xennuma(['run', scenario]).out).toContain(`profile ${DEFAULT_PROFILE}, policy default_policy`);
  });
});

it('stands in one place: no other file writes it as a default', () => {
  const files = ['src', 'web/src'].flatMap((room) =>
    readdirSync(join(import.meta.dirname, '..', room), { recursive: true, encoding: 'utf8' })
      .filter((path) => /\.(?:ts|svelte)$/.test(path) && !path.endsWith('.test.ts'))
      .map((path) => `${room}/${path}`),
  );
  const asDefault = new RegExp(`(?:\\?\\?|[^=]=|default\\(|default:|;) *'?${DEFAULT_PROFILE.replace('.', '\\.')}\\b`);
  const found = files.filter((path) => asDefault.test(readFileSync(join(import.meta.dirname, '..', path), 'utf8')));
  expect(found).toEqual(['src/xenopsd/api/profiles.ts']);
  expect(serveSchema.shape.profile.description).toContain(`${DEFAULT_PROFILE} by default`);
});
