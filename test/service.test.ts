// The shipped unit and settings are accepted by systemd and serve; doctor as a user starts it.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { doctorSchema } from '../src/cli/answers/answers.js';
import { readSettings } from '../src/cli/input/serve-config.js';
import { root, xennuma } from './xennuma.js';

const dir = mkdtempSync(join(tmpdir(), 'xennuma-service-'));
afterAll(() => rmSync(dir, { recursive: true }));
/** Since 250 units that are not installed can be looked at. */
const systemd =
  Number(/^systemd (\d+)/.exec(spawnSync('systemd-analyze', ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1] ?? 0) >= 250;

describe('packaging/', () => {
  it.skipIf(!systemd)('systemd accepts xennuma.service without a message', () => {
    const unit = readFileSync(join(root, 'packaging/xennuma.service'), 'utf8').replaceAll('/usr/bin/xennuma', process.execPath);
    const file = join(dir, 'xennuma.service');
    writeFileSync(file, unit);
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' });
    // Units of the machine itself are not ours to judge.
    expect({ status, stderr: stderr.split('\n').filter((line) => line.includes('xennuma')) }).toEqual({ status: 0, stderr: [] });
  });

  it.skipIf(!systemd)('xennuma.service takes from the daemon what it does not need: an exposure of at most 2.0 of 10 by systemd', () => {
    const words = ['security', '--offline=yes', '--threshold=20', '--no-pager', join(root, 'packaging/xennuma.service')];
    const { status, stdout, stderr } = spawnSync('systemd-analyze', words, { encoding: 'utf8' });
    expect({ status, stderr }, stdout.split('\n').at(-2)).toEqual({ status: 0, stderr: '' });
  });

  it('config.yaml is what serve reads', () => {
    expect(readSettings({ config: join(root, 'packaging/config.yaml') })).toMatchObject({ on: 'xen', state: '/var/lib/xennuma' });
  });
});

describe('xennuma doctor', () => {
  const settings = (text: string): string => {
    const file = join(dir, 'config.yaml');
    writeFileSync(file, text);
    return file;
  };

  it('says in JSON what its schema says', () => {
    const { code, out } = xennuma(['doctor', '--json', '--config', settings('host: host.xml\nlisten: 127.0.0.1:0\n')]);
    const answer = doctorSchema.parse(JSON.parse(out));
    expect(code).toBe(answer.well ? 0 : 1);
    expect(answer.checks.find((check) => check.name === 'settings')!.state).toBe('ok');
  });

  it('exits with 1 for wrong settings, and names the place', () => {
    const { code, out } = xennuma(['doctor', '--quiet', '--config', settings('host: host.xml\nport: 80\n')]);
    expect(code).toBe(1);
    expect(out).toMatch(/MISSING +settings +\S+config\.yaml:\d+: /);
  });

  it('exits with 1 if others could connect without TLS or users', () => {
    const { code, out } = xennuma(['doctor', '--quiet', '--config', settings('host: host.xml\nlisten: 0.0.0.0:0\n')]);
    expect(code).toBe(1);
    expect(out).toMatch(/users/);
    expect(out).toMatch(/no TLS/);
  });
});
