import { describe, expect, it } from 'vitest';
import { wantsColour } from './terminal.js';

describe('wantsColour', () => {
  const terminal = { isTTY: true };
  const pipe = {};
  it.each<[{ isTTY?: boolean }, Record<string, string>, boolean]>([
    [terminal, {}, true],
    [pipe, {}, false],
    [terminal, { TERM: 'dumb' }, false],
    [terminal, { NO_COLOR: '1' }, false],
    [terminal, { NO_COLOR: '' }, true],
    [pipe, { FORCE_COLOR: '1' }, true],
    [terminal, { FORCE_COLOR: '0' }, false],
    [pipe, { FORCE_COLOR: '1', NO_COLOR: '1' }, false],
  ])('%j %j', (stream, env, wanted) => {
    expect(wantsColour(stream, env)).toBe(wanted);
  });
});
