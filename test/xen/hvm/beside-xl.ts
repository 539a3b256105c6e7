// The same HVM guest by xl and by xennuma: vCPU masks, node affinity and pages by node agree.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { asWere, bench, stop, traces, using, xl } from '../guests/host.js';
import { listDomains, listVcpus, pagesOnNodes } from '../guests/xl-output.js';
import { FIRMWARE, firmware, makeDisk, SAYS, startHvm } from './guest.js';

const CONFIG = '/tmp/xennuma-hvm.cfg';
const NODES = 4;

function seen(name: string) {
  const { domid, affinity } = listDomains().get(name)!;
  return { affinity, vcpus: listVcpus().get(name), pages: pagesOnNodes(NODES).get(domid) };
}

test('xl create of the same guest has the same masks, node affinity and pages by node', () =>
  using(bench(), async () => {
    const disk = makeDisk('/tmp/xennuma-hvm-of-xl');
    writeFileSync(
      CONFIG,
      [
        'name = "of-xl"',
        'type = "hvm"',
        'memory = 256',
        'vcpus = 1',
        // As a list: a string would not stop xl's own placement.
        'cpus = ["6-7"]',
        'bios = "seabios"',
        `bios_path_override = "${FIRMWARE}"`,
        `disk = [ "format=raw, vdev=hda, access=rw, backendtype=qdisk, target=${disk}" ]`,
        'device_model_override = "/usr/libexec/xen-qemu-system-i386"',
        'serial = "pty"',
        'vga = "none"',
        'vnc = 0',
        '',
      ].join('\n'),
    );
    xl('create', CONFIG);
    assert.match(await firmware('of-xl', 's', (said) => SAYS.test(said)), SAYS);
    const theirs = seen('of-xl');
    xl('destroy', 'of-xl');
    // Opened when all of xl's guest is gone.
    await using(bench(), async (one) => {
      const unused = await traces(one.doors.xc, one.doors.xs);
      await startHvm(one, 'ours', { vcpusParams: { mask: '6,7' } });
      const ours = seen('ours');
      console.log(`xl: ${JSON.stringify(theirs)}\nxennuma: ${JSON.stringify(ours)}`);
      assert.deepEqual(ours, theirs);
      await stop(one, 'ours');
      await asWere(one.doors, unused);
    });
  }));
