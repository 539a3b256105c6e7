import { describe, expect, it } from 'vitest';
import { SURPRISES } from './surprises.js';

describe('the catalogue of surprises', () => {
  it.each(Object.entries(SURPRISES))('%s says what is expected, what happens, where, and where to read it', (code, entry) => {
    expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/);
    for (const text of [entry.title, entry.expected, entry.happens, entry.where]) {
      expect(text).not.toBe('');
      expect(text).not.toMatch(/[.\n]$/);
    }
    expect(entry.source).toMatch(/^https:\/\/github\.com\/[\w.-]+\/[\w.-]+\/blob\/\S+$/);
  });
});
