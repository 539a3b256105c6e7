// A log that nobody reads loses lines, says how many, and never waits.
import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { complaints, LogSink } from './log-sink.js';

const folder = mkdtempSync(join(tmpdir(), 'xennuma-sink-'));
const open: number[] = [];
afterEach(() => {
  vi.useRealTimers();
  for (const fd of open.splice(0)) closeSync(fd);
  rmSync(folder, { recursive: true, force: true });
});

test('a file gets each line', () => {
  const path = join(mkdtempSync(join(tmpdir(), 'xennuma-sink-')), 'log');
  const fd = openSync(path, 'w');
  open.push(fd);
  const sink = new LogSink(fd);
  sink.line('one');
  sink.line('two');
  expect(readFileSync(path, 'utf8')).toBe('one\ntwo\n');
});

test('a pipe that is full loses whole lines, and the next line that fits says how many', () => {
  const path = join(mkdtempSync(join(tmpdir(), 'xennuma-sink-')), 'pipe');
  execFileSync('mkfifo', [path]);
  // Open for both, so that neither side waits.
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  open.push(fd);
  const sink = new LogSink(fd);
  const buffer = Buffer.alloc(1 << 20);
  const drain = (): string => {
    let text = '';
    for (;;) {
      try {
        const length = readSync(fd, buffer);
        if (length === 0) return text;
        text += buffer.toString('latin1', 0, length);
      } catch {
        return text;
      }
    }
  };
  // More than a pipe holds (64 KiB), in lines that are written in part (PIPE_BUF is 4 KiB).
  const line = (at: number) => `${at} ${'x'.repeat(9000)}`;
  for (let at = 0; at < 20; at++) sink.line(line(at));
  const first = drain();
  sink.line('last');
  const text = first + drain();
  const lines = text.split('\n');
  expect(lines.pop()).toBe('');
  expect(lines.pop()).toBe('last');
  const lost = Number(/^(\d+) lines of the log were lost: nobody read it$/.exec(lines.pop()!)![1]);
  // Whole lines in their order, and those that are missing were counted.
  expect(lines).toEqual(lines.map((_, at) => line(at)));
  expect(lines.length).toBeGreaterThan(4);
  expect(lines.length + lost).toBe(20);
  sink.line('after');
  expect(drain()).toBe('after\n');
});

test('a closed descriptor is no error', () => {
  const fd = openSync('/dev/null', 'w');
  const sink = new LogSink(fd);
  closeSync(fd);
  expect(() => sink.line('to nobody')).not.toThrow();
});

test('the same complaint is logged once a second, others at once', () => {
  vi.useFakeTimers();
  const lines: string[] = [];
  const complain = complaints((line) => lines.push(line));
  complain('a');
  complain('a');
  complain('b');
  vi.advanceTimersByTime(999);
  complain('a');
  expect(lines).toEqual(['a', 'b']);
  vi.advanceTimersByTime(1);
  complain('a');
  complain('a');
  expect(lines).toEqual(['a', 'b', 'a']);
});
