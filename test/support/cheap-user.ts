// A line of the file of users whose hash costs next to nothing.
import { scryptSync } from 'node:crypto';
import type { Role } from '../../src/xapi/calls/users.js';

export function cheapUser(name: string, role: Role, password: string): string {
  const salt = Buffer.alloc(16);
  const key = scryptSync(password, salt, 32, { N: 2, r: 1, p: 1 });
  return `${name}:${role}:scrypt:2:1:1:${salt.toString('base64')}:${key.toString('base64')}`;
}
