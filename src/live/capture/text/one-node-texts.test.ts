// Pasted texts of a host of one node: `xl info` without -n tells its CPUs by their count alone, and
// the sizes of the domains tell where their memory is.
import { describe, expect, it } from 'vitest';
import { twoNodesList, twoNodesVcpus } from '../../../../test/support/two-nodes.js';
import { PAGES_PER_GIB } from '../../../base/units.js';
import { readCapture } from '../captured-host.js';

const GUEST = 'win 10 (2)';
const LIST = twoNodesList(GUEST);
const VCPUS = twoNodesVcpus(GUEST);
const read = (text: string) => readCapture([{ file: 'paste.txt', text }]).live;

describe('a host of one node without the table of its CPUs', () => {
  const one = (...more: string[]) =>
    ['nr_cpus : 4', 'max_cpu_id : 7', 'nr_nodes : 1', 'total_memory : 8192', 'free_memory : 1024', ...more].join('\n');
  it.each([
    ['whole', 'xen_commandline        : dom0_mem=2048M watchdog ucode=scan crashkernel=256M,below=4G smt=off console=vga'],
    ['wrapped', 'xen_commandline        : dom0_mem=2048M watchdog ucode=scan crashkernel=256M\n,below=4G smt=off console=vga'],
    ['wrapped before what looks like a field', 'xen_commandline        : dom0_mem=2048M dom0_mem=ma\nx:2048M smt=off console=vga'],
  ])('has the CPUs that smt=off leaves: its command line %s', (_, line) => {
    expect(
      read(one(line))
        .map.cpus.filter((cpu) => cpu?.online)
        .map((cpu) => cpu!.id),
    ).toEqual([0, 2, 4, 6]);
  });

  it('needs the sizes of its domains alone to tell where their memory is', () => {
    const vcpus = VCPUS.replaceAll('4-5,7 / 4-7', 'all / all');
    const known = read([one(), LIST, vcpus].join('\n'));
    expect(known.map.domains[1]).toMatchObject({ name: GUEST, pages: [4 * PAGES_PER_GIB] });
    expect(known.notes.join('\n')).not.toMatch(/xl dmesg|`xl list`/);
    const sizeless = read([one(), vcpus].join('\n'));
    expect(sizeless.map.domains[1]).toMatchObject({ name: GUEST, pagesUnknown: true });
    expect(sizeless.notes).toContain('The memory of the domains is not known: run `xl list`.');
    expect(sizeless.notes.join('\n')).not.toContain('xl dmesg');
    expect(read(one()).notes.join('\n')).not.toContain('xl dmesg');
  });
});
