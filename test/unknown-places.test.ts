// Domains of which the nodes of their vCPUs are not known: nothing calls their memory remote or
// local, neither the text nor the pictures nor the page.
import { describe, expect, it } from 'vitest';
import { readCapture } from '../src/live/capture/captured-host.js';
import { hostFigures } from '../src/map/figures.js';
import { acrossPages } from '../src/page/across.js';
import { remarksOf } from '../src/page/remarks.js';
import { renderHostMapSvg } from '../src/view/host-map-svg.js';
import { renderHostMapText } from '../src/view/host-map-text.js';
import { profileOf } from '../src/xenopsd/api/profiles.js';
import { TWO_NODES_DUMP, twoNodesInfo, twoNodesList, twoNodesVcpus } from './support/two-nodes.js';

const mapOf = (...parts: string[]) => readCapture([{ file: 'p.txt', text: parts.join('\n') }]).live.map;
/** Half of the rows of its vCPUs are lost. */
const CUT = twoNodesVcpus('db').split('\n').slice(0, 4).join('\n');

describe.each([
  ['a dump without a table of vCPUs', mapOf(twoNodesInfo({}), TWO_NODES_DUMP)],
  ['a list of domains and a dump', mapOf(twoNodesInfo({}), twoNodesList('db'), TWO_NODES_DUMP)],
  ['a table that lacks rows', mapOf(twoNodesInfo({}), twoNodesList('db'), CUT, TWO_NODES_DUMP)],
])('%s', (_, map) => {
  const figures = hostFigures(map);
  it('has no figures of nearness', () => {
    expect(figures.domains.find(({ domid }) => domid === 7)).toMatchObject({
      remotePages: 0,
      remoteNode: [false, false],
      onOneNode: false,
      meanDistance: null,
      worstDistance: null,
    });
    const at = map.domains.findIndex(({ domid }) => domid === 7);
    expect(acrossPages(map.domains[at]!, figures.domains[at]!)).toBe(0);
    expect(remarksOf(map, { profile: profileOf('xapi-25.6'), policy: 'best_effort' })).toEqual([]);
  });

  it('marks no memory as remote in the text', () => {
    const text = renderHostMapText(map, { width: 100, color: false });
    // The legend alone explains the mark.
    expect(text.replace(/^.*a! remote.*$/gm, '')).not.toMatch(/!/);
    expect(text).toContain('n0 1 GiB, n1 3 GiB');
  });

  it('marks no memory as remote in the picture', () => {
    const picture = renderHostMapSvg(map);
    expect(picture).not.toMatch(/class="[^"]*far-text/);
    expect(picture).not.toMatch(/(?:Domain-7|db): [^<]*local|% of [^<]* local/);
  });
});

it('says how many vCPUs a domain has only where that is listed', () => {
  expect(renderHostMapText(mapOf(twoNodesInfo({}), TWO_NODES_DUMP), { width: 100, color: false })).toMatch(/Domain-7 +7 +\? +\?/);
  expect(renderHostMapText(mapOf(twoNodesInfo({}), twoNodesList('db'), TWO_NODES_DUMP), { width: 100, color: false })).toMatch(
    /db +7 +2 +\? +\?/,
  );
});
