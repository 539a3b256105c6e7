// Hosts on which numbers of nodes are missing: what listings say of Xen's node 2 belongs to the
// second node of the table.
import { expect, it } from 'vitest';
import { read } from '../../../test/support/read-paste.js';
import { TWO_NODES_DUMP, twoNodesInfo, twoNodesList, twoNodesVcpus } from '../../../test/support/two-nodes.js';

const text = (number: number) => {
  // With a distance for each number, as xl prints them; no CPU and no size of those between.
  const row = (own: number) => Array.from({ length: number + 1 }, (_, node) => (node === own ? 10 : 21)).join(',');
  const info = twoNodesInfo({})
    .replace(/( {7}1 {8})1$/gm, `$1${number}`)
    .replace('10,21', row(0))
    .replace(/^ +1:( +8192 +3072 +)21,10$/m, `   ${number}:$1${row(number)}`);
  const list = twoNodesList('db').replace(/ 1$/, ` ${number}`);
  return [info, list, twoNodesVcpus('db'), TWO_NODES_DUMP.replaceAll('Node 1:', `Node ${number}:`)].join('\n');
};

it.each([2, 5])('0 and %i', (number) => {
  const [gapped, dense] = [read(text(number)), read(text(1))];
  if (gapped === 'refused' || dense === 'refused') throw new Error('refused');
  expect(text(number)).toMatch(new RegExp(`^ +${number}: +8192`, 'm'));
  expect(gapped.map.domains).toEqual(dense.map.domains);
  expect(gapped.map.domains.find(({ domid }) => domid === 7)).toMatchObject({ pages: [262_144, 786_432], nodeAffinity: [1] });
  expect(gapped.map.distances).toEqual(dense.map.distances);
  expect(gapped.notes).toContain(`Xen's numbers of the nodes have gaps. Here, node ${number} is 1.`);
});

it('memory on a node that no table has is not known, rather than dropped', () => {
  const live = read(text(1).replace('    Node 1: 786432', '    Node 1: 0\n(XEN)     Node 3: 786432'));
  expect(live).toMatchObject({ map: { domains: [{ domid: 0 }, { domid: 7, pagesUnknown: true }] } });
});
