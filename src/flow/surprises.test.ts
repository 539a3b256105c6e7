import { describe, expect, it } from 'vitest';
import { SURPRISES, surpriseClause } from './surprises.js';

describe('the catalogue of surprises', () => {
  it.each(Object.entries(SURPRISES))('%s has the expectation, the reality, the place and the source', (code, entry) => {
    expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/);
    for (const text of [entry.title, entry.expected, entry.happens, entry.where]) {
      expect(text).not.toBe('');
      expect(text).not.toMatch(/[.\n]$/);
    }
    if (entry.advice !== null) expect(entry.advice).toMatch(/^[A-Z].*\.$/);
    expect(entry.source).toMatch(/^https:\/\/github\.com\/[\w.-]+\/[\w.-]+\/blob\/\S+$/);
  });

  it('has titles that fit into a sentence', () => {
    expect(surpriseClause('mask-ignored')).toBe('the mask is ignored by xapi');
    expect(surpriseClause('one-unrestricted-vcpu')).toBe('one unrestricted vCPU makes the domain span every node');
    expect(surpriseClause('xl-cpus-ignored')).toBe('cpus= and cpus_soft= mean nothing to xapi');
    expect(surpriseClause('xe-mask-ignored')).toBe('VCPUs-params:mask means nothing to xl');
    expect(surpriseClause('first-mask-reused')).toBe('vCPUs without a mask of their own get the first one');
  });
});
