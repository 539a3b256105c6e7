// Qubes OS starts its qubes by libvirt, from a template of XML: `xl create` and configs of xl play
// no part there (qubes-core-admin, doc/libvirt.rst).
import { formatList } from '../base/bitset.js';
import { shellWord } from '../base/shell-word.js';

/** The template of one qube; it comes before xen-user.xml and libvirt's own xen.xml. */
const templateOf = (qube: string) => `/etc/qubes/templates/libvirt/xen/by-name/${qube}.xml`;

/** The device model of an HVM qube in a domain of its own, which no template describes. */
const STUB_DOMAIN = /-dm$/;

/**
 * A line of shell that pins the qube's vCPUs from its next start on, as hard affinity: libvirt
 * knows no soft one. Each vCPU is named, because libvirt's driver for libxl does not look at the
 * cpuset of <vcpu> (QubesOS/qubes-issues 9186). `install` makes the folder, which no package of
 * Qubes has (core-dom0.spec.in), and keeps an earlier template as FILE~; the user of dom0 is not
 * root. null for a domain that is no qube.
 */
export function qubePinCommand(qube: string, cpus: readonly number[]): string | null {
  if (STUB_DOMAIN.test(qube)) return null;
  const xml = `{% extends "libvirt/xen.xml" %}{% block basic %}{{ super() }}<cputune>{% for i in range(vm.vcpus) %}<vcpupin vcpu="{{ i }}" cpuset="${formatList(cpus)}"/>{% endfor %}</cputune>{% endblock %}`;
  return `echo ${shellWord(xml)} | sudo install -D -b -m 644 /dev/stdin ${shellWord(templateOf(qube))}`;
}

/** Memory gets its nodes at the start of a qube; Qubes has no migration to the same host. */
export function qubeRestartCommand(qube: string): string {
  return `qvm-shutdown --wait ${shellWord(qube)} && qvm-start ${shellWord(qube)}`;
}
