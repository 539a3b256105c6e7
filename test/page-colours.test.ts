// The colours of the page: text can be read, and fills can be told from the paper and from each
// other, for people with each of the three kinds of colour blindness too.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from './xennuma.js';

type Rgb = readonly [number, number, number];

const css = readFileSync(join(root, 'web/src/page.css'), 'utf8');
const themes = { light: colours(/:root \{([^}]*)\}/), dark: colours(/:root\[data-theme="dark"\] \{([^}]*)\}/) };

function colours(block: RegExp): ReadonlyMap<string, Rgb> {
  const [, text = ''] = block.exec(css) ?? [];
  return new Map([...text.matchAll(/--([\w-]+): #([0-9a-f]{6});/g)].map(([, name, hex]) => [name!, linear(hex!)]));
}

/** sRGB (IEC 61966-2-1) without its curve. */
function linear(hex: string): Rgb {
  const channel = (at: number): number => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return [channel(0), channel(2), channel(4)];
}

/** WCAG 2.2, contrast ratio. */
function contrast(a: Rgb, b: Rgb): number {
  const luminance = ([red, green, blue]: Rgb): number => 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

type Matrix = readonly [Rgb, Rgb, Rgb];
const times = (matrix: Matrix, [x, y, z]: Rgb): Rgb => matrix.map((row) => row[0] * x + row[1] * y + row[2] * z) as unknown as Rgb;

/** Machado, Oliveira and Fernandes 2009, table 1, severity 1. */
const SIGHTS: Readonly<Record<string, Matrix>> = {
  usual: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

/** Ottosson 2020. */
function okLab(rgb: Rgb): Rgb {
  const clipped = rgb.map((value) => Math.min(1, Math.max(0, value))) as unknown as Rgb;
  const lms = times(
    [
      [0.4122214708, 0.5363325363, 0.0514459929],
      [0.2119034982, 0.6806995451, 0.1073969566],
      [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    clipped,
  ).map(Math.cbrt) as unknown as Rgb;
  return times(
    [
      [0.2104542553, 0.793617785, -0.0040720468],
      [1.9779984951, -2.428592205, 0.4505937099],
      [0.0259040371, 0.7827717662, -0.808675766],
    ],
    lms,
  );
}
const distance = (a: Rgb, b: Rgb): number => 100 * Math.hypot(...okLab(a).map((value, at) => value - okLab(b)[at]!));

const pairs = <T>(list: readonly T[]): [T, T][] => list.flatMap((a, at) => list.slice(at + 1).map((b): [T, T] => [a, b]));

describe.each(Object.entries(themes))('%s colours', (_, theme) => {
  const colour = (name: string): Rgb => theme.get(name)!;

  it.each(['paper', 'panel', 'hot', 'changed'])('text can be read on %s', (ground) => {
    const texts = ['ink', ...(ground === 'hot' || ground === 'changed' ? [] : ['quiet', 'good']), 'accent', 'remote-text'];
    const poor = texts.filter((name) => contrast(colour(name), colour(ground)) < 4.5);
    expect(poor).toEqual([]);
    expect(contrast(colour('paper'), colour('accent'))).toBeGreaterThanOrEqual(4.5);
  });

  it('fills stand out from the paper', () => {
    const fills = ['local', 'remote', 'dom0', 'accent', 'good', 'quiet'];
    const poor = fills.filter((name) => contrast(colour(name), colour('paper')) < 3);
    expect(poor).toEqual([]);
  });

  it.each(Object.entries(SIGHTS))('states of memory differ: %s sight', (__, sight) => {
    const states = ['local', 'remote', 'dom0', 'xen', 'paper'];
    const near = pairs(states)
      .map(([a, b]) => ({ pair: `${a} ${b}`, is: distance(times(sight, colour(a)), times(sight, colour(b))) }))
      .filter(({ is }) => is < 10);
    expect(near).toEqual([]);
  });

  it.each(Object.entries(SIGHTS))('paths, and events, differ: %s sight', (__, sight) => {
    const near = [...pairs(['accent', 'remote', 'ink', 'line']), ...pairs(['ink', 'local', 'remote', 'accent'])]
      .map(([a, b]) => ({ pair: `${a} ${b}`, is: distance(times(sight, colour(a)), times(sight, colour(b))) }))
      .filter(({ is }) => is < 10);
    expect(near).toEqual([]);
  });
});

it('the dark colours are the same by the system and by choice', () => {
  const bySystem = colours(/:root:not\(\[data-theme="light"\]\) \{([^}]*)\}/);
  expect([...bySystem]).toEqual([...themes.dark]);
});
