// Readers of traces: accepted forms, and the errors for others.
import { describe, expect, it } from 'vitest';
import { InputError } from '../../base/errors.js';
import { GIB, MIB } from '../../base/units.js';
import { type AzurePart, azurePart, readAzureTrace } from './azure.js';
import { looksLikeCsv, readCsvTrace } from './csv.js';
import { generatedTrace } from './generated.js';
import { beginningOf, peakOf, scaled, type Trace } from './trace.js';

const csv = (text: string) => readCsvTrace({ file: 'a.csv', text });
const listed = (trace: Trace) =>
  Array.from({ length: trace.vms }, (_, vm) => [trace.arrival[vm], trace.departure[vm], trace.vcpus[vm], trace.memoryBytes[vm]! / MIB]);

function refusal(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof InputError) return error.toString();
    throw error;
  }
  return 'accepted';
}

describe('CSV', () => {
  it('has times with units, sizes with units, and columns in any order; lines are sorted by time', () => {
    const trace = csv('\uFEFFvcpus,owner,duration,memory,time\r\n2,a,1h,4GiB,5m\r\n1,b,,512MiB,10\r\n\r\n4,c,1d,1GiB,10s\r\n');
    expect(listed(trace)).toEqual([
      [10, Number.POSITIVE_INFINITY, 1, 512],
      [10, 86_410, 4, 1024],
      [300, 3900, 2, 4096],
    ]);
    expect([...trace.leaving]).toEqual([2, 1, 0]);
    expect(trace.endSeconds).toBe(86_410);
  });

  it('is known by its header', () => {
    expect([looksLikeCsv('time,vcpus,memory,duration\n'), looksLikeCsv('Time, vCPUs\n'), looksLikeCsv('300 a,|,b')]).toEqual([
      true,
      true,
      false,
    ]);
  });

  it.each([
    ['time,vcpus,memory\n', /a\.csv:1: the header has no column duration/],
    ['time,vcpus,memory,duration\n1,2,3GiB\n', /a\.csv:2: expected 4 fields as in the header, got 3/],
    ['time,vcpus,memory,duration\n\n-1,2,3GiB,4\n', /a\.csv:3: time '-1'; expected seconds/],
    ['time,vcpus,memory,duration\n1,0,3GiB,4\n', /a\.csv:2: vcpus '0'; expected a whole number from 1 to 128/],
    ['time,vcpus,memory,duration\n1,129,3GiB,4\n', /vcpus '129'/],
    ['time,vcpus,memory,duration\n1,2,3000,4\n', /a\.csv:2: memory '3000'; expected a size with its unit/],
    ['time,vcpus,memory,duration\n1,2,1MiB,4\n', /memory '1MiB'/],
    ['time,vcpus,memory,duration\n1,2,3GiB,long\n', /a\.csv:2: duration 'long'; expected seconds/],
    ['time,vcpus,memory,duration\n', /a\.csv: the trace has no VMs/],
  ])('%j is refused', (text, message) => {
    expect(refusal(() => csv(text))).toMatch(message);
  });
});

describe('the Azure format', () => {
  const parts = (change: Partial<Record<AzurePart, string>> = {}) => {
    const texts = {
      arrivals: '300 a,b,|,a,|,\n600 b,|,\n',
      durations: '300 U0,U1,|,C7,|,\n600 U1,|,\n',
      flavours: '1,1.75 a\n16,112 b\n',
      bins: '0 0\n300 1\n600 1\n',
      ...change,
    };
    const input = (part: AzurePart) => ({ file: part, text: texts[part] });
    return { arrivals: input('arrivals'), durations: input('durations'), flavours: input('flavours'), bins: input('bins') };
  };

  it('rounds durations up to their bin, and lets VMs that still ran run to the end', () => {
    const trace = readAzureTrace(parts());
    expect(listed(trace)).toEqual([
      [300, 300, 1, 1792],
      [300, 900, 16, 112 * 1024],
      [300, Number.POSITIVE_INFINITY, 1, 1792],
      [600, 1200, 16, 112 * 1024],
    ]);
    expect(trace.endSeconds).toBe(900);
    expect(peakOf(trace)).toEqual({ vms: 3, vcpus: 33, memoryBytes: 225.75 * GIB });
  });

  it('its texts are told apart by their first line', () => {
    const { arrivals, durations, flavours, bins } = parts();
    expect([arrivals, durations, flavours, bins].map(({ text }) => azurePart(text))).toEqual(['arrivals', 'durations', 'flavours', 'bins']);
    expect(azurePart('time,vcpus,memory,duration')).toBeNull();
  });

  it.each([
    [{ durations: '300 U0,U1,|,C7,|,\n' }, /durations: 1 lines of durations for 2 lines of arrivals/],
    [{ durations: '300 U0,U1,|,|,\n600 U1,|,\n' }, /arrivals:1: does not match line 1 of durations/],
    [{ durations: '300 U0,U1,|,C7,|,\n900 U1,|,\n' }, /arrivals:2: does not match/],
    [{ durations: '300 U0,U9,|,C7,|,\n600 U1,|,\n' }, /durations:1: there is no bin 9/],
    [{ durations: '300 U0,X1,|,C7,|,\n600 U1,|,\n' }, /durations:1: cannot read the duration 'X1'/],
    [{ arrivals: '300 a,b,|,z,|,\n600 b,|,\n' }, /arrivals:1: flavour 'z' is not in flavours/],
    [{ flavours: '1,1.75 a\nb\n' }, /flavours:2: cannot read 'b'/],
    [{ bins: '0 0\nx\n' }, /bins:2: cannot read 'x'/],
  ])('%j is refused', (change, message) => {
    expect(refusal(() => readAzureTrace(parts(change)))).toMatch(message);
  });
});

describe('traces', () => {
  const trace = csv('time,vcpus,memory,duration\n0,2,1GiB,10\n5,40,1GiB,10\n10,1,1GiB,10\n');

  it('scaled have more of both, up to what Xen gives a guest', () => {
    expect(listed(scaled(trace, 2.5)).map(([, , vcpus, mib]) => [vcpus, mib])).toEqual([
      [5, 2560],
      [100, 2560],
      [3, 2560],
    ]);
    expect(refusal(() => scaled(trace, 4))).toMatch(/160 vCPUs at scale 4; Xen gives an HVM guest at most 128/);
  });

  it('their beginning ends where the next VM arrives', () => {
    expect(beginningOf(trace, 2)).toMatchObject({ vms: 2, endSeconds: 10 });
    expect(beginningOf(trace, 3)).toBe(trace);
  });

  it('generated are the same from the same seed, with wide VMs and a heavy tail', () => {
    const generated = generatedTrace(3000, 5);
    expect(listed(generated)).toEqual(listed(generatedTrace(3000, 5)));
    expect(listed(generated)).not.toEqual(listed(generatedTrace(3000, 6)));
    const lifetimes = Array.from({ length: 3000 }, (_, vm) => generated.departure[vm]! - generated.arrival[vm]!).sort((a, b) => a - b);
    // Half of a Pareto distribution with exponent 1 is below twice its least value.
    expect(lifetimes[1500]!).toBeGreaterThan(500);
    expect(lifetimes[1500]!).toBeLessThan(700);
    expect(lifetimes.at(-1)).toBeGreaterThan(100_000);
    expect(Math.max(...generated.vcpus)).toBe(64);
  });
});
