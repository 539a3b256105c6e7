// The shipped unit and settings are accepted by systemd and serve; doctor as a user starts it.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { doctorSchema } from '../src/cli/answers/answers.js';
import { readSettings } from '../src/cli/input/serve-config.js';
import { root, xennuma } from './xennuma.js';

const dir = mkdtempSync(join(tmpdir(), 'xennuma-service-'));
afterAll(() => rmSync(dir, { recursive: true }));
/** Since 250 units that are not installed can be looked at. */
const systemd =
  Number(/^systemd (\d+)/.exec(spawnSync('systemd-analyze', ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1] ?? 0) >= 250;
const has = (tool: string): boolean => spawnSync('sh', ['-c', `command -v ${tool}`]).status === 0;
const NOBODY = 65534;

describe('packaging/', () => {
  const unitFile = (name: string): string => join(root, 'packaging', name);

  it.skipIf(!systemd).each(['xennuma.service', 'xennuma-embedded.service'])('systemd accepts %s without a message', (name) => {
    const unit = readFileSync(unitFile(name), 'utf8').replaceAll('/usr/bin/xennuma', process.execPath);
    const file = join(dir, name);
    writeFileSync(file, unit);
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' });
    // Units of the machine itself are not ours to judge.
    expect({ status, stderr: stderr.split('\n').filter((line) => line.includes('xennuma')) }).toEqual({ status: 0, stderr: [] });
  });

  it.skipIf(!systemd).each([
    ['xennuma.service', 15],
    ['xennuma-embedded.service', 9],
  ])('%s takes from the daemon what it does not need: an exposure of at most %i tenths of 10 by systemd', (name, tenths) => {
    const words = ['security', '--offline=yes', `--threshold=${tenths}`, '--no-pager', unitFile(name)];
    const { status, stdout, stderr } = spawnSync('systemd-analyze', words, { encoding: 'utf8' });
    expect({ status, stderr }, stdout.split('\n').at(-2)).toEqual({ status: 0, stderr: '' });
  });

  it.skipIf(!has('systemd-sysusers'))('xennuma.sysusers makes the user that the unit of the embedded host names', () => {
    const machine = join(dir, 'machine');
    mkdirSync(join(machine, 'etc'), { recursive: true });
    const { status, stderr } = spawnSync('systemd-sysusers', [`--root=${machine}`, unitFile('xennuma.sysusers')], { encoding: 'utf8' });
    expect(status, stderr).toBe(0);
    const user = /^User=(.*)$/m.exec(readFileSync(unitFile('xennuma-embedded.service'), 'utf8'))![1];
    const home = /^StateDirectory=(.*)$/m.exec(readFileSync(unitFile('xennuma-embedded.service'), 'utf8'))![1];
    const line = readFileSync(join(machine, 'etc/passwd'), 'utf8').trim().split(':');
    expect([line[0], line[5], line[6]]).toEqual([user, `/var/lib/${home}`, '/usr/sbin/nologin']);
  });

  it.skipIf(process.getuid?.() !== 0 || !has('setpriv'))(
    'on an embedded host serve starts, answers and ends as a user without any right of root',
    { timeout: 120_000 },
    async () => {
      const state = join(dir, 'state');
      mkdirSync(state, { mode: 0o700 });
      chmodSync(dir, 0o755);
      chownSync(state, NOBODY, NOBODY);
      const config = join(dir, 'embedded.yaml');
      writeFileSync(config, `host: ${join(root, 'examples/hosts/memory-only-node.xml')}\nstate: ${state}\nlisten: 127.0.0.1:0\n`, {
        mode: 0o644,
      });
      const plain = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--no-new-privs', '--bounding-set=-all'];
      const command = [process.execPath, join(root, 'dist/xennuma.js'), 'serve', '--config', config];
      const child = spawn('setpriv', [...plain, ...command], { env: { PATH: process.env.PATH, HOME: '/' } });
      let said = '';
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (chunk: Buffer) => {
          said += chunk.toString();
        });
      }
      try {
        await vi.waitUntil(() => /http:\/\/127\.0\.0\.1:\d+/.test(said) || child.exitCode !== null, { timeout: 60_000 });
        const address = /http:\/\/127\.0\.0\.1:\d+/.exec(said)?.[0];
        expect(address, said).toBeDefined();
        expect((await fetch(`${address}/metrics`)).status).toBe(200);
        expect(statSync(join(state, 'xapi.db')).uid).toBe(NOBODY);
        child.kill('SIGTERM');
        const [code] = (await once(child, 'exit')) as [number];
        expect(code, said).toBe(0);
      } finally {
        child.kill('SIGKILL');
      }
    },
  );

  it('config.yaml is what serve reads', () => {
    expect(readSettings({ config: join(root, 'packaging/config.yaml') })).toMatchObject({ on: 'xen', state: '/var/lib/xennuma' });
  });

  it('with config.yaml doctor asks for the users that serve needs, and its command makes them', () => {
    const folder = mkdtempSync(join(dir, 'etc-'));
    const config = join(folder, 'config.yaml');
    writeFileSync(config, readFileSync(join(root, 'packaging/config.yaml')));
    const users = () =>
      doctorSchema.parse(JSON.parse(xennuma(['doctor', '--json', '--config', config]).out)).checks.find(({ name }) => name === 'users');
    const missing = users()!;
    expect(missing.state).toBe('missing');
    const words = missing.mend.replace('USER', 'root').split(' ').slice(1);
    expect(xennuma(words, { input: 'secret\n' }).code).toBe(0);
    expect(users()!.state).toBe('ok');
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
