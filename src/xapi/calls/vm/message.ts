// A message of class VM that has an Async form.
import type { Method, Param } from '../method.js';

export function message(name: string, params: readonly Param[], call: Method['call'], role: Method['role'] = 'admin'): Method {
  return { name: `VM.${name}`, params, role, async: true, call };
}
