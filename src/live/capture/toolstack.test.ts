// The toolstack of a captured host, by the evidence that its texts hold.
import { describe, expect, it } from 'vitest';
import { coresOf, xlInfo } from '../../../test/support/xl-info.js';
import { readCapture } from './captured-host.js';
import { xapiVmOf } from './toolstack.js';

const info = (more: Record<string, string>) =>
  `${xlInfo({ host: 'box', totalMib: 4096, more, cpus: coresOf(1, 2), nodes: [[4096, 1000, '10']] })}\n`;
const seen = (text: string) => readCapture([{ file: 'paste', text }]).toolstack;
const UUID = '11111111-2222-3333-4444-555555555555';

describe('the toolstack of a host', () => {
  it.each([
    ['a kernel of XCP-ng', info({ release: '4.19.0+1' })],
    ['a patch queue', info({ xen_changeset: 'abc123, pq def456' })],
    ["xapi's record of a VM", `${info({})}uuid ( RO)  : ${UUID}\n  name-label ( RW): web\n  VCPUs-params (MRW): \n`],
    ["xapi's keys", `${info({})}/local/domain/0/name = "Domain-0"\n/xapi/${UUID}/private = "1"\n`],
  ])('is xapi by %s', (_, text) => {
    expect(seen(text)).toBe('xapi');
  });

  it.each([
    ['a kernel of Debian', info({ release: '6.1.0-18-amd64' })],
    ['the builder of Debian', info({ cc_compile_domain: 'lists.alioth.debian.org' })],
    ["libxl's keys", `${info({})}/libxl/3/type = "pvh"\n`],
  ])('is xl by %s', (_, text) => {
    expect(seen(text)).toBe('xl');
  });

  it('is unknown without evidence', () => {
    expect(seen(info({ release: '6.1.0' }))).toBe('unknown');
  });
});

describe("xapi's record of a domain", () => {
  const vm = (name: string, last: number, domid?: number) => ({
    ...{ uuid: `${UUID.slice(0, -1)}${last}`, name },
    ...(domid === undefined ? {} : { running: { domid } }),
  });
  const records = { hosts: [], vms: [vm('a', 1), vm('b', 2, 7), vm('c', 4), vm('c', 5)] };

  it('is found by uuid, or by a name that is unique', () => {
    expect(xapiVmOf(records, 'x', records.vms[3]!.uuid)).toBe(records.vms[3]);
    expect(xapiVmOf(records, 'a', undefined)).toBe(records.vms[0]);
    expect(xapiVmOf(records, 'c', undefined)).toBeUndefined();
  });

  it('is not one that runs elsewhere: by its number it would have been known by uuid', () => {
    expect(xapiVmOf(records, 'b', undefined)).toBeUndefined();
  });
});
