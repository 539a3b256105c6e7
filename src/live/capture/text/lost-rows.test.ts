// Tables of `xl vcpu-list` that lack rows: cut off or damaged, or taken of some domains alone.
import { describe, expect, it } from 'vitest';
import { TWO_NODES_DUMP as DUMP, twoNodesInfo, twoNodesList, twoNodesVcpus } from '../../../../test/support/two-nodes.js';
import { readCapture } from '../captured-host.js';

const GUEST = 'win 10 (2)';
const [INFO, LIST, VCPUS] = [twoNodesInfo({}), twoNodesList(GUEST), twoNodesVcpus(GUEST)];
const POOLS = 'Name               CPU list\nPool-0             0,1,2,3,4,5,6,7';

const read = (text: string) => readCapture([{ file: 'paste.txt', text }]).live;

describe('a table that lost rows', () => {
  it.each([
    ['the last', VCPUS.replace(/\n[^\n]*$/, ''), '1 of 2 vCPUs of win 10 (2)'],
    ['the first', VCPUS.replace(/\nDomain-0 +0 +0 [^\n]*/, ''), '1 of 2 vCPUs of Domain-0'],
  ])('%s: says of which domains the affinity is not known', (_, table, names) => {
    const { notes } = read([INFO, LIST, table, DUMP, POOLS].join('\n'));
    expect(notes).toEqual([`The affinity of ${names} is not in the table, which is cut off or damaged: run \`xl vcpu-list\` again.`]);
  });

  const ofOthers = (names: string) => `The affinity of ${names} is not in the table: run \`xl vcpu-list\` for all domains.`;
  it('all of a domain, as by `xl vcpu-list NAME`: the table is not called damaged', () => {
    const { notes } = read([INFO, LIST, VCPUS.replace(/\nwin[^\n]*/g, ''), DUMP, POOLS].join('\n'));
    expect(notes).toEqual([ofOthers('win 10 (2)')]);
  });

  it('both: a note for each', () => {
    const { notes } = read(
      [INFO, LIST, VCPUS.replace(/\n[\s\S]*/, '\nDomain-0   0   0   0   r--   1.0  all / all'), DUMP, POOLS].join('\n'),
    );
    expect(notes).toEqual([
      ofOthers('win 10 (2)'),
      'The affinity of 1 of 2 vCPUs of Domain-0 is not in the table, which is cut off or damaged: run `xl vcpu-list` again.',
    ]);
  });
});
