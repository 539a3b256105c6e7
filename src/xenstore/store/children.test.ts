// Versions of a node's children, compared with plain maps that are copied whole.
import { expect, it } from 'vitest';
import { Random } from '../../base/random.js';
import { Children } from './children.js';

it('keeps the order of a set, whatever goes and comes again', () => {
  const random = new Random(11);
  for (let round = 0; round < 20; round++) {
    let [children, set] = [new Children<true>(), new Set<string>()];
    for (let step = 0; step < 1500; step++) {
      const name = `n${random.below(200)}`;
      if (random.below(3) > 0 && !children.has(name)) {
        children.set(name, true);
        set.add(name);
      } else {
        children.delete(name);
        set.delete(name);
      }
      if (random.below(7) === 0) [children, set] = [children.copy(), new Set(set)];
      expect(children.has(name)).toBe(set.has(name));
    }
    expect([...children.keys()]).toEqual([...set]);
    expect([...children.values()]).toHaveLength(set.size);
  }
});

it('is what a map would be, in every version, whatever is changed in whichever', () => {
  const random = new Random(7);
  for (let round = 0; round < 20; round++) {
    const versions = [{ children: new Children<number>(), map: new Map<string, number>() }];
    for (let step = 0; step < 1500; step++) {
      const { children, map } = versions[random.below(versions.length)]!;
      const name = `n${random.below(200)}`;
      const kind = random.below(10);
      if (kind < 6) {
        children.set(name, step);
        map.set(name, step);
      } else if (kind < 9) {
        children.delete(name);
        map.delete(name);
      } else if (versions.length < 12) versions.push({ children: children.copy(), map: new Map(map) });
      expect(children.get(name)).toBe(map.get(name));
      expect(children.size).toBe(map.size);
    }
    for (const { children, map } of versions) {
      expect([...children].sort()).toEqual([...map].sort());
      expect([...children.keys()].sort()).toEqual([...map.keys()].sort());
      expect([...children.values()].sort()).toEqual([...map.values()].sort());
    }
  }
});
