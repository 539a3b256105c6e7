import { expect, it } from 'vitest';
import { XenError } from '../base/errors.js';
import { nullIfAbsent } from './absence.js';

const failing = (error: Error) => Promise.reject(error);

it('a node that is absent is null, every other answer stays as it is', async () => {
  expect(await nullIfAbsent(Promise.resolve(''))).toBe('');
  expect(await nullIfAbsent(failing(new XenError('ENOENT', 'read /a')))).toBeNull();
  await expect(nullIfAbsent(failing(new XenError('EACCES', 'read /a')))).rejects.toMatchObject({ errno: 'EACCES' });
  await expect(nullIfAbsent(failing(new Error('ENOENT')))).rejects.toThrow('ENOENT');
});

it('absence is what the caller says', async () => {
  const errnos = ['EACCES', 'EINVAL'] as const;
  for (const errno of errnos) expect(await nullIfAbsent(failing(new XenError(errno, 'read /a')), errnos)).toBeNull();
  await expect(nullIfAbsent(failing(new XenError('ENOENT', 'read /a')), errnos)).rejects.toMatchObject({ errno: 'ENOENT' });
});
