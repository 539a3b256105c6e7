import { describe, expect, it } from 'vitest';
import { columns, commandColumns, Progress, wantsColour } from './terminal.js';

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

it('commands are broken at the width that is asked for, and are one line where nobody asks', () => {
  // Tests have no terminal.
  expect(commandColumns({ COLUMNS: '60' })).toBe(columns({ COLUMNS: '60' }));
  expect(commandColumns({})).toBe(Number.POSITIVE_INFINITY);
});

describe('progress', () => {
  const run = (isTTY: boolean) => {
    let text = '';
    let nowMs = 0;
    const stream = { isTTY, write: (more: string) => (text += more) };
    const progress = new Progress('starting VMs', 100, stream, () => nowMs);
    for (let done = 1; done <= 100; done++) {
      nowMs += 50;
      progress.at(done);
    }
    progress.end();
    return text
      .replaceAll('\u001b[K', '')
      .split('\r')
      .map((line) => line.trim())
      .filter((line) => line !== '');
  };
  it('appears on a terminal after the first second, some times a second, and goes away', () => {
    const lines = run(true);
    expect(lines[0]).toBe('starting VMs 20/100');
    expect(lines.slice(1, 3)).toEqual(['starting VMs 24/100', 'starting VMs 28/100']);
    expect(lines.at(-1)).toBe('starting VMs 100/100');
  });
  it('is not written to a file', () => expect(run(false)).toEqual([]));
});
