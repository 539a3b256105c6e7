// What a reader of the log makes of entries that no owner wrote, and of a log that is another one.
import { expect, it } from 'vitest';
import { decodeMap, encodeClaim, encodeMap, type LightMap } from './entries.js';
import { Picture } from './picture.js';
import { MOST_EPOCH } from './subjects.js';

const mapOf = (epoch: number, freeMib: number): string =>
  encodeMap({
    ...{ epoch, number: 1, vms: 0, drifted: 0, draining: false, runs: '', tags: [], absorbed: [], dead: [], settled: 0 },
    nodes: [{ memoryMib: 100, freeMib, cores: 8, vcpus: 0, cpus: '0-7' }],
  } satisfies LightMap);

/** @returns reads an entry at the next place */
function readerOf(picture: Picture) {
  let place = 0;
  return (subject: string, text: string) => picture.read({ place: ++place, subject, text, pending: 0 });
}

const freeOf = (picture: Picture) => picture.freeBefore('x', Number.POSITIVE_INFINITY);

it.each([1, 3, MOST_EPOCH])('a map of epoch %i, which nobody took, changes nothing: the maps of the owner, 2, count after it', (epoch) => {
  const picture = new Picture();
  const read = readerOf(picture);
  read('h.x.o.2.x-1', '{}');
  read('h.x.m', mapOf(2, 50));
  read('h.x.m', mapOf(epoch, 100));
  expect(freeOf(picture)).toEqual([50]);
  read('h.x.m', mapOf(2, 40));
  expect(freeOf(picture)).toEqual([40]);
});

it('a map of an epoch that no subject can have is none', () => {
  expect(decodeMap(mapOf(MOST_EPOCH, 1))).not.toBeNull();
  expect(decodeMap(mapOf(MOST_EPOCH + 1, 1))).toBeNull();
});

it('after a restart nothing of the old log counts, its claims are lost, and it is whole when all of the new one is read', () => {
  const lost: string[] = [];
  const picture = new Picture({ settled: (host, id, how) => lost.push(`${host} ${id} ${how}`) });
  const read = readerOf(picture);
  read('h.x.o.2.x-1', '{}');
  read('h.x.m', mapOf(2, 50));
  read('h.x.r.p.x-1', encodeClaim({ parts: [[0, 30]], vcpus: 1, start: 's' }));
  expect(freeOf(picture)).toEqual([20]);
  picture.restart();
  expect(lost).toEqual(['x p.x-1 lost']);
  expect([picture.whole, picture.last, picture.hosts.size]).toEqual([false, 0, 0]);
  picture.read({ place: 1, subject: 'h.x.o.1.x-2', text: '{}', pending: 1 });
  expect(picture.whole).toBe(false);
  picture.read({ place: 2, subject: 'h.x.m', text: mapOf(1, 90), pending: 0 });
  expect(picture.whole).toBe(true);
  expect(freeOf(picture)).toEqual([90]);
});

it('a deletion in an epoch that nobody took hides no map of the owner', () => {
  const picture = new Picture();
  const read = readerOf(picture);
  read('h.x.o.2.x-1', '{}');
  read('h.x.m', mapOf(2, 50));
  read('h.x.r.p.x-1', '-999999999.999999999999999');
  read('h.x.r.p.x-2', '-3.1');
  expect(freeOf(picture)).toEqual([50]);
  // In the owner's epoch it is believed, until the owner takes another one.
  read('h.x.r.p.x-3', '-2.999999999999999');
  read('h.x.m', mapOf(2, 40));
  expect(freeOf(picture)).toBeNull();
  read('h.x.o.3.x-1', '{}');
  read('h.x.m', mapOf(3, 30));
  expect(freeOf(picture)).toEqual([30]);
});

it('a claim on a node that no host has takes no memory and no time', () => {
  const picture = new Picture();
  const read = readerOf(picture);
  read('h.x.o.2.x-1', '{}');
  read('h.x.m', mapOf(2, 50));
  read('h.x.r.p.x-1', encodeClaim({ parts: [[4_294_967_290, 1]], vcpus: 1, start: 's' }));
  expect(freeOf(picture)).toEqual([50]);
});
