// The template of a qube as Qubes uses it: written by a shell, rendered by Jinja, read by libvirt.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { MIB } from '../base/units.js';
import { detectAndRead } from '../machine/readers/detect.js';
import { detectAndReadVms } from '../machine/readers/detect-vms.js';
import { qubePinCommand } from './qubes.js';

const folder = mkdtempSync(join(tmpdir(), 'xennuma-qubes-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the line as the user of dom0 would, below a folder in place of /etc. */
function written(line: string): string {
  const moved = line.replace(' sudo ', ' ').replace('/etc/', `${folder}/etc/`);
  const { status, stderr } = spawnSync('sh', ['-c', moved], { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return join(folder, 'etc/qubes/templates/libvirt/xen/by-name/work.xml');
}

describe('the line that pins a qube', () => {
  it('needs no folder beforehand, and keeps the template that was there', () => {
    const file = written(qubePinCommand('work', [4, 5, 6, 7])!);
    const first = readFileSync(file, 'utf8');
    expect(first).toContain('cpuset="4-7"');
    written(qubePinCommand('work', [0, 1])!);
    expect(readFileSync(file, 'utf8')).toContain('cpuset="0-1"');
    expect(readFileSync(`${file}~`, 'utf8')).toBe(first);
  });

  it('writes below /etc as root, for the user of dom0 is not', () => {
    expect(qubePinCommand('work', [0])).toMatch(/ \| sudo \S.* \/etc\/qubes\/\S+$/);
  });
});

/** Blocks and variables as in Qubes' own (qubes-core-admin, templates/libvirt/xen.xml). */
const PARENT = `<domain type="xen">
  {% block basic %}
    <name>{{ vm.name }}</name>
    <memory unit="MiB">{{ vm.maxmem }}</memory>
    <currentMemory unit="MiB">{{ vm.memory }}</currentMemory>
    <vcpu placement="static">{{ vm.vcpus }}</vcpu>
  {% endblock %}
  <os>{% block os %}<type arch="x86_64" machine="xenpvh">xenpvh</type>{% endblock %}</os>
</domain>`;
const RENDER = `
import jinja2, sys, types
loader = jinja2.DictLoader({'libvirt/xen.xml': sys.argv[1], 'own': open(sys.argv[2]).read()})
vm = types.SimpleNamespace(name='work', maxmem=4000, memory=400, vcpus=3)
print(jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined).get_template('own').render(vm=vm))`;
const hasJinja = spawnSync('python3', ['-c', 'import jinja2']).status === 0;

it.skipIf(!hasJinja)('libvirt pins each vCPU of the rendered template, and has all else as before', () => {
  const file = written(qubePinCommand('work', [4, 5, 7])!);
  const { stdout, stderr } = spawnSync('python3', ['-c', RENDER, PARENT, file], { encoding: 'utf8' });
  expect(stderr).toBe('');
  const nodes = 'nodes: [{ memory: 8GiB, cpus: "0-3" }, { memory: 8GiB, cpus: "4-7" }]';
  const host = detectAndRead([{ file: 'h.yaml', text: nodes }]);
  const [vm] = detectAndReadVms([{ file: 'work.xml', text: stdout }], host);
  expect(vm).toMatchObject({ name: 'work', vcpusMax: 3, memoryTargetBytes: 400 * MIB });
  expect(vm?.xlHardCpus).toEqual(Array.from({ length: 3 }, () => [4, 5, 7]));
});
