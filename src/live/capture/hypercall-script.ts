// A second, exact source on a remote host. If the host has Python 3 and libxencall, this script
// makes the read-only hypercalls itself, all in one process, and prints Xen's answers in hex: free
// memory by node, masks and node affinity, which xl's listings round or leave out.
// hypercall-answers.ts decodes the answers.
import { DOMCTL, HYPERCALL, SYSCTL } from '../../abi/commands.js';
import { interfaceVersion } from '../../abi/interface-version.js';
import {
  AFFINITY_AT,
  AFFINITY_FLAG,
  BITMAP_AT,
  CPUTOPO_AT,
  CPUTOPOINFO_AT,
  DISTANCE_BYTES,
  DOMAIN_INFO_AT,
  DOMAIN_LIST_AT,
  DOMCTL_AT,
  MEMINFO_AT,
  NODE_BITS,
  NONE_U32,
  NUMAINFO_AT,
  SYSCTL_AT,
  VCPU_INFO_AT,
} from '../../abi/layout.js';

const MINORS = Array.from({ length: 10 }, (_, index) => 13 + index);
/**
 * "13: (18, 18, 104), ...": by minor version the numbers of domctl and sysctl, and the size of
 * getdomaininfo.
 */
const versions = MINORS.map((minor) => {
  const { domctl, sysctl, domainInfoBytes } = interfaceVersion(`4.${minor}`);
  return `${minor}: (${domctl}, ${sysctl}, ${domainInfoBytes})`;
}).join(', ');

const D = DOMCTL_AT.union;
const S = SYSCTL_AT.union;
const UUID_BYTES = 16;
/** Domains in one answer of getdomaininfolist. */
const DOMAINS_AT_A_TIME = 256;

/**
 * For `python3 -c '...'` in sh, so without single quotes. Any failure ends it with a status other
 * than 0: the listings say the rest.
 */
export const HYPERCALL_SCRIPT = `import ctypes, json
x = ctypes.CDLL("libxencall.so.1", use_errno=True)
x.xencall_open.restype = x.xencall_alloc_buffer.restype = ctypes.c_void_p
x.xencall_open.argtypes = [ctypes.c_void_p, ctypes.c_uint]
x.xencall_alloc_buffer.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
x.xencall1.argtypes = [ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint64]
x.xencall2.argtypes = [ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint64, ctypes.c_uint64]
door = x.xencall_open(None, 0)
version = x.xencall2(door, ${HYPERCALL.xenVersion}, 0, 0)
domctl, sysctl, info_bytes = {${versions}}[version & 0xffff]
known = {}
def buffer(name, size):
    if known.get(name, (0, 0))[1] < size:
        known[name] = (x.xencall_alloc_buffer(door, size), size)
    ctypes.memset(known[name][0], 0, size)
    return known[name][0]
def call(number, size, at, fields, command, interface, domain=0):
    op = bytearray(size)
    def put(where, value, width):
        op[where:where + width] = value.to_bytes(width, "little")
    put(0, command, 4)
    put(4, interface, 4)
    if number == ${HYPERCALL.domctl}:
        put(${DOMCTL_AT.domain}, domain, 2)
    for where, value, width in fields:
        put(at + where, value, width)
    here = buffer("op", size)
    ctypes.memmove(here, bytes(op), size)
    if x.xencall1(door, number, here) < 0:
        return None
    return ctypes.string_at(here, size)
def ask(command, fields=()):
    return call(${HYPERCALL.sysctl}, ${SYSCTL_AT.sizeBytes}, ${S}, fields, command, sysctl)
def of(domain, command, fields=()):
    return call(${HYPERCALL.domctl}, ${DOMCTL_AT.sizeBytes}, ${D}, fields, command, domctl, domain)
def number(answer, at, width=4):
    return int.from_bytes(answer[at:at + width], "little")
def hexed(address, size):
    return ctypes.string_at(address, size).hex()
physinfo = ask(${SYSCTL.physinfo})
count = number(ask(${SYSCTL.numainfo}), ${S + NUMAINFO_AT.nodes})
memory, distances = buffer("memory", count * ${MEMINFO_AT.sizeBytes}), buffer("distances", count * count * ${DISTANCE_BYTES})
ask(${SYSCTL.numainfo}, ((${NUMAINFO_AT.nodes}, count, 4), (${NUMAINFO_AT.memory}, memory, 8), (${NUMAINFO_AT.distances}, distances, 8)))
cpus = number(ask(${SYSCTL.cputopoinfo}), ${S + CPUTOPOINFO_AT.cpus})
topology = buffer("topology", cpus * ${CPUTOPO_AT.sizeBytes})
ask(${SYSCTL.cputopoinfo}, ((${CPUTOPOINFO_AT.cpus}, cpus, 4), (${CPUTOPOINFO_AT.entries}, topology, 8)))
infos, first = [], 0
while True:
    page = buffer("infos", ${DOMAINS_AT_A_TIME} * info_bytes)
    fields = ((${DOMAIN_LIST_AT.first}, first, 2), (${DOMAIN_LIST_AT.most}, ${DOMAINS_AT_A_TIME}, 4), (${DOMAIN_LIST_AT.entries}, page, 8))
    got = number(ask(${SYSCTL.getdomaininfolist}, fields), ${S + DOMAIN_LIST_AT.count})
    infos += [ctypes.string_at(page + at * info_bytes, info_bytes) for at in range(got)]
    if got < ${DOMAINS_AT_A_TIME}:
        break
    first = number(infos[-1], ${DOMAIN_INFO_AT.domain}, 2) + 1
width = (cpus + 7) // 8
masks = {}
def mask(address):
    return masks.setdefault(hexed(address, width), len(masks))
domains = []
for info in infos:
    domid = number(info, ${DOMAIN_INFO_AT.domain}, 2)
    nodes = buffer("nodes", ${NODE_BITS / 8})
    if of(domid, ${DOMCTL.getnodeaffinity}, ((${BITMAP_AT.handle}, nodes, 8), (${BITMAP_AT.bits}, ${NODE_BITS}, 4))) is None:
        continue
    affinity, vcpus = hexed(nodes, ${NODE_BITS / 8}), []
    last = number(info, ${DOMAIN_INFO_AT.maxVcpuId})
    for vcpu in range(0 if last == ${NONE_U32} else last + 1):
        state = of(domid, ${DOMCTL.getvcpuinfo}, ((${VCPU_INFO_AT.vcpu}, vcpu, 4),))
        hard, soft = buffer("hard", width), buffer("soft", width)
        fields = ((${AFFINITY_AT.vcpu}, vcpu, 4), (${AFFINITY_AT.flags}, ${AFFINITY_FLAG.hard | AFFINITY_FLAG.soft}, 4),
            (${AFFINITY_AT.hard + BITMAP_AT.handle}, hard, 8), (${AFFINITY_AT.hard + BITMAP_AT.bits}, cpus, 4),
            (${AFFINITY_AT.soft + BITMAP_AT.handle}, soft, 8), (${AFFINITY_AT.soft + BITMAP_AT.bits}, cpus, 4))
        if state is None or of(domid, ${DOMCTL.getvcpuaffinity}, fields) is None:
            break
        vcpus.append([state[${D + VCPU_INFO_AT.online}], mask(hard), mask(soft)])
    else:
        # Without the handle, so that a capture without names has no uuid in it.
        bare = info[:${DOMAIN_INFO_AT.handle}] + bytes(${UUID_BYTES}) + info[${DOMAIN_INFO_AT.handle + UUID_BYTES}:]
        domains.append([bare.hex(), affinity, vcpus])
print(json.dumps({"hypercalls": version, "physinfo": (physinfo or b"").hex(), "memory": hexed(memory, count * ${MEMINFO_AT.sizeBytes}),
    "distances": hexed(distances, count * count * ${DISTANCE_BYTES}), "topology": hexed(topology, cpus * ${CPUTOPO_AT.sizeBytes}),
    "masks": list(masks), "domains": domains}))
`;
