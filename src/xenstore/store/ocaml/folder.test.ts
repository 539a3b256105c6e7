// Versions of a folder, compared with plain maps that are copied whole.
import { expect, it } from 'vitest';
import { Random } from '../../../base/random.js';
import { Folder } from './folder.js';

interface Version {
  readonly folder: Folder<number>;
  readonly map: Map<string, number>;
}

const sorted = <T>(items: Iterable<T>): T[] => [...items].sort();

function expectSame({ folder, map }: Version): void {
  expect(folder.size).toBe(map.size);
  expect(sorted(folder)).toEqual(sorted(map));
  expect(sorted(folder.keys())).toEqual(sorted(map.keys()));
  expect(sorted(folder.values())).toEqual(sorted(map.values()));
}

/** Changes versions of a folder at random, in phases of growing and of shrinking. */
function play(random: Random, names: number, steps: number): Version[] {
  const versions: Version[] = [{ folder: new Folder<number>(), map: new Map() }];
  for (let step = 0; step < steps; step++) {
    const { folder, map } = versions[random.below(versions.length)]!;
    const grows = Math.floor(step / (2 * names)) % 2 === 0;
    const name = `n${random.below(names)}`;
    const kind = random.below(10);
    if (kind === 9) {
      versions[versions.length < 8 ? versions.length : random.below(8)] = { folder: folder.copy(), map: new Map(map) };
    } else if (grows ? kind < 7 : kind < 2) {
      folder.set(name, step);
      map.set(name, step);
    } else {
      folder.delete(name);
      map.delete(name);
    }
    expect(folder.get(name)).toBe(map.get(name));
    expect(folder.size).toBe(map.size);
  }
  return versions;
}

it.each([10, 70, 200, 1000])('is what a map would be, in every version, whatever is changed in whichever: %i names', (names) => {
  for (const seed of [7, 8]) for (const version of play(new Random(seed), names, 12 * names + 500)) expectSame(version);
});

it.each([64, 65, 1000])('starts with the %i children of a map', (size) => {
  const map = new Map(Array.from({ length: size }, (_, at) => [`child-${at}`, at]));
  expectSame({ folder: new Folder(new Map(map)), map });
});

it('finds all children that have a key, also after they have changed', () => {
  const random = new Random(3);
  const keysOf = (child: number): readonly number[] | null => (child % 50 === 0 ? null : [child % 7, child % 11]);
  for (const { folder, map } of play(random, 700, 4000)) {
    for (let step = 0; step < 200; step++) {
      const name = `n${random.below(700)}`;
      if (random.below(4) > 0) {
        folder.set(name, step);
        map.set(name, step);
      } else {
        folder.delete(name);
        map.delete(name);
      }
      if (step % 20 > 0) continue;
      const keys = [random.below(11), random.below(11)];
      const found = new Map<string, number>();
      folder.having(keys, keysOf, (child, value) => found.set(child, value));
      for (const [child, value] of map) {
        const has = keysOf(value)?.some((key) => keys.includes(key)) ?? true;
        if (has) expect(found.get(child)).toBe(value);
      }
      for (const [child, value] of found) expect(map.get(child)).toBe(value);
    }
  }
});

it('looks again only at leaves that have changed', () => {
  const folder = new Folder<number>();
  for (let at = 0; at < 2000; at++) folder.set(`n${at}`, at);
  let looks = 0;
  const having = (key: number) => {
    looks = 0;
    const found: number[] = [];
    const keysOf = (child: number) => {
      looks++;
      return [child];
    };
    folder.having([key], keysOf, (_, child) => found.push(child));
    return found;
  };
  expect(having(5)).toContain(5);
  expect(looks).toBe(2000);
  expect(having(6)).toContain(6);
  expect(looks).toBe(0);
  folder.set('n7', 5);
  expect(having(5)).toEqual(expect.arrayContaining([5, 5]));
  expect(looks).toBeGreaterThan(0);
  expect(looks).toBeLessThan(100);
});
