// What the page takes of an address that may come from anywhere.
import { describe, expect, it } from 'vitest';
import { formatChange, parseChange } from '../web/src/lib/changes.js';

const NOTHING = { masks: {}, added: [], drained: [] };

describe('changes in an address', () => {
  it('are read as they were written', () => {
    const change = {
      ...NOTHING,
      hostMask: '0-3',
      masks: { a: null },
      added: [{ name: 'b', vcpus: 2, memoryBytes: 2 ** 30 }],
      drained: [0, 63],
    };
    expect(parseChange(formatChange(change))).toEqual(change);
  });

  it.each([
    '[]',
    'null',
    'no JSON',
    '{"added":[null,7,"x",{"name":1}]}',
    '{"added":[{"name":"x","vcpus":8193,"memoryBytes":1}]}',
    '{"masks":[null],"drained":[64,-1,"0"],"added":{}}',
    '{"masks":null,"profile":"x","policy":7,"hostMask":9}',
  ])('that are none are left out: %s', (text) => {
    expect({ ...parseChange(text), masks: {} }).toEqual(NOTHING);
  });
});
