import { expect, test } from 'vitest';
import { domain, twoNodeHost, withDomains } from '../../test/support/host-maps.js';
import { createXenstore } from '../xenstore/in-process.js';
import { localToolstack } from './local-toolstack.js';

const DEBIAN = '6.1.0-28-amd64';
const OTHER = '5.10.0';

test.each([
  ['keys of xapi', ['/xapi/uuid'], OTHER, 'xapi'],
  ['keys of xapi before those of libxl', ['/xapi/uuid', '/libxl/5/type'], DEBIAN, 'xapi'],
  ['the kernel of XCP-ng', [], '4.19.0+1', 'xapi'],
  ['the kernel of Qubes, where libxl runs the domains', ['/libxl/5/type'], '6.6.63-1.qubes.fc37.x86_64', 'qubes'],
  ['a domain of libxl', ['/libxl/5/type'], OTHER, 'xl'],
  ['a key of libxl for a domain that is gone', ['/libxl/9/type'], OTHER, 'unknown'],
  ['the kernel of Debian', [], DEBIAN, 'xl'],
  ['none of these', [], OTHER, 'unknown'],
])('by %s', async (_, keys, kernel, expected) => {
  const xs = createXenstore({ personality: 'xenstored' }).connect(0);
  for (const key of keys) await xs.write(key, 'x');
  const map = withDomains(twoNodeHost(), [domain(5, 'guest', 1, [0], [0], { 0: 1 }, 2)]);
  expect(await localToolstack(xs, { map }, kernel)).toBe(expected);
});
