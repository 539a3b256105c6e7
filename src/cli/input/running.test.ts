// Names of domains that a host does not have, or does not show.
import { expect, it } from 'vitest';
import { TWO_NODES_DUMP, twoNodesInfo, twoNodesList } from '../../../test/support/two-nodes.js';
import { xennuma } from '../../../test/xennuma.js';
import { readCapture } from '../../live/capture/captured-host.js';
import { pickDomains } from './running.js';

const INFO = twoNodesInfo({});
const ONLY_DOM0 = TWO_NODES_DUMP.split('\n').slice(0, 4).join('\n');

it.each([
  ['no domain is listed', INFO, "there is no domain 'web' in the listings, which show no domain; add `xl list -n` and `xl vcpu-list`"],
  ['only Domain-0 runs', `${INFO}\n${ONLY_DOM0}`, "there is no domain 'web'; none runs"],
  ['another one runs', `${INFO}\n${twoNodesList('db')}`, "there is no domain 'web'; the domains are db"],
])('%s', (_, text, message) => {
  expect(() => pickDomains(readCapture([{ file: 'p.txt', text }]).live.map, ['web'])).toThrow(message.split(';')[0]!);
  for (const words of [
    ['explain', 'web'],
    ['verify', 'web'],
    ['place', 'web', '--dry-run'],
    ['rebalance', 'web'],
  ]) {
    const { code, err } = xennuma([...words, '--from', '-'], { input: text });
    expect([code, err], words[0]).toEqual([2, `xennuma: ${message}\n`]);
  }
});

it('without a name, where no domain is listed', () => {
  expect(xennuma(['explain', '--from', '-'], { input: INFO }).err).toBe(
    'xennuma: expected the name of a domain, got none in the listings, which show no domain; add `xl list -n` and `xl vcpu-list`\n',
  );
});
