// The chart's flow from where it begins, on the real host: `xennuma xe` sets a mask and a policy
// and starts VMs through `xennuma serve --on xen`; Debian's xl agrees, and a daemon that was killed
// finds its VMs again. Run by node:test in dom0 (npm run test:xen -- xapi).

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { MIB } from '../../../src/base/units.js';
import { asWere, bench, MINI, traces, using } from '../guests/host.js';
import { listDomains, listVcpus, pagesOnNodes } from '../guests/xl-output.js';
import { Service } from './daemon.js';

const NODES = 4;
/** CPUs of each node of machine shape a. */
const CPUS_OF_NODE = ['0-1', '2-3', '4-5', '6-7'];

// dom0 of the rig has no network, not even this.
execFileSync('ip', ['link', 'set', 'lo', 'up']);

test('xe sets mask and policy and starts VMs on the real Xen; kill -9 of the daemon costs nothing; xl agrees', () =>
  using(bench(), async ({ doors }) => {
    // The first domain of a host makes these, and they stay.
    for (const folder of ['/libxl', '/vm', '/xenops', '/xenops/domain']) await doors.xs.mkdir(folder);
    const unused = await traces(doors.xc, doors.xs);
    const service = new Service();
    await service.start();
    try {
      await flow(service);
    } finally {
      await service.end('SIGKILL');
    }
    await asWere(doors, unused);
  }));

async function flow(service: Service): Promise<void> {
  const create = async (name: string, type: string, vcpus: number): Promise<string> => {
    const uuid = await service.xe('vm-create', `name-label=${name}`);
    const memory = ['static-min', 'dynamic-min', 'dynamic-max', 'static-max'].map((limit) => `memory-${limit}=${64 * MIB}`);
    const cpus = [`VCPUs-max=${vcpus}`, `VCPUs-at-startup=${vcpus}`];
    await service.xe('vm-param-set', `uuid=${uuid}`, `domain-type=${type}`, `PV-kernel=${MINI.kernel}`, ...memory, ...cpus);
    return uuid;
  };
  const param = (uuid: string, name: string) => service.xe('vm-param-get', `uuid=${uuid}`, `param-name=${name}`);
  const masked = await create('masked', 'pvh', 2);
  const placed = await create('placed', 'pv', 1);
  const host = await service.xe('host-list', '--minimal');

  // The words of the chart, as they are typed.
  assert.equal(service.typed('vm-param-set', `uuid=${masked}`, 'VCPUs-params:mask=1,2,3'), '');
  assert.equal(service.typed('host-param-set', `uuid=${host}`, 'numa-affinity-policy=best_effort'), '');
  assert.equal(service.typed('vm-start', `uuid=${masked}`), '');
  await service.xe('vm-start', `uuid=${placed}`);

  const domid = Number(await param(masked, 'dom-id'));
  const onXen = () => ({ domains: listDomains(), vcpus: listVcpus(), pages: pagesOnNodes(NODES) });
  const before = onXen();
  assert.equal(before.domains.get('masked')?.domid, domid);
  assert.deepEqual(before.domains.get('masked')?.affinity, [0, 1]);
  assert.deepEqual(before.vcpus.get('masked'), [
    { hard: '1-3', soft: '0-7' },
    { hard: '1-3', soft: '0-7' },
  ]);
  assert.deepEqual(before.pages.get(domid)!.slice(2), [0, 0], 'memory on the nodes of CPUs 1, 2 and 3 alone');
  const placedPages = before.pages.get(before.domains.get('placed')!.domid)!;
  const node = placedPages.findIndex((pages) => pages > 0);
  assert.equal(placedPages.filter((pages) => pages > 0).length, 1, `one node: ${placedPages.join(' ')}`);
  assert.deepEqual(before.vcpus.get('placed'), [{ hard: '0-7', soft: CPUS_OF_NODE[node] }]);
  assert.equal(await param(placed, 'numa-optimised'), 'true');
  assert.equal(await param(placed, 'numa-nodes'), '1');
  assert.equal(await param(placed, 'numa-node-memory'), `${node}: ${placedPages[node]! * 4096}`);
  console.log(`masked: xl vcpu-list has 1-3 / all; placed: soft ${CPUS_OF_NODE[node]}, ${placedPages[node]} pages on node ${node}`);

  await service.xe('vm-pause', `uuid=${placed}`);
  await service.end('SIGKILL');
  assert.deepEqual(onXen(), before, 'domains are of Xen: they do not mind');
  await service.start();
  assert.deepEqual(onXen(), before, 'nor a daemon that comes back');
  assert.equal(await service.xe('vm-list', 'is-control-domain=false', 'power-state=running', '--minimal'), masked);
  assert.equal(await service.xe('vm-list', 'power-state=paused', '--minimal'), placed);
  assert.equal(Number(await param(masked, 'dom-id')), domid);
  assert.equal(await param(masked, 'VCPUs-params'), 'mask: 1,2,3');
  assert.equal(await service.xe('host-param-get', `uuid=${host}`, 'param-name=numa-affinity-policy'), 'best_effort');
  console.log(`killed and started anew: found ${[...before.domains.keys()].filter((name) => name !== 'Domain-0').join(' and ')}`);

  for (const uuid of [masked, placed]) {
    await service.xe('vm-shutdown', `uuid=${uuid}`, '--force');
    await service.xe('vm-destroy', `uuid=${uuid}`);
  }
  assert.equal(await service.xe('vm-list', 'is-control-domain=false', '--minimal'), '');
  await service.end('SIGTERM');
}
