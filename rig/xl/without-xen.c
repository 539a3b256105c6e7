/*
 * Preloaded into Debian's xl: a Xen 4.17 that is nothing but a topology, so that `xl create -n -d` and `xl info -n` run on any machine.
 *   XL_CPUS       core/socket/node of each CPU with commas between, "-" for an absent one
 *   XL_NODES      size:free of each node in bytes, with commas between; "-" for a node that is not there
 *   XL_DISTANCES  rows with ";" between, numbers with blanks between, "-" for unreachable; 10 and 20 when not set
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenctrl.h>

#define MAX_CPUS 4096
#define MAX_NODES 64

static xc_cputopo_t cpus[MAX_CPUS];
static xc_meminfo_t nodes[MAX_NODES];
static uint32_t distances[MAX_NODES][MAX_NODES];
static unsigned int nr_cpus, nr_nodes;

static const char *variable(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value ? value : otherwise;
}

static void read_cpus(void)
{
    char *rest = NULL, *text = strdup(variable("XL_CPUS", "0/0/0,1/0/0,0/1/1,1/1/1"));
    for (char *item = strtok_r(text, ",", &rest); item && nr_cpus < MAX_CPUS; item = strtok_r(NULL, ",", &rest), nr_cpus++) {
        unsigned int core = XEN_INVALID_CORE_ID, socket = XEN_INVALID_SOCKET_ID, node = XEN_INVALID_NODE_ID;
        if (*item != '-')
            sscanf(item, "%u/%u/%u", &core, &socket, &node);
        cpus[nr_cpus] = (xc_cputopo_t){ .core = core, .socket = socket, .node = node };
        if (node != XEN_INVALID_NODE_ID && node >= nr_nodes && node < MAX_NODES)
            nr_nodes = node + 1;
    }
    free(text);
}

static void read_nodes(void)
{
    const char *given = getenv("XL_NODES");
    if (!given) {
        for (unsigned int node = 0; node < nr_nodes; node++)
            nodes[node] = (xc_meminfo_t){ .memsize = 4ULL << 30, .memfree = 3ULL << 30 };
        return;
    }
    char *rest = NULL, *text = strdup(given);
    nr_nodes = 0;
    for (char *item = strtok_r(text, ",", &rest); item && nr_nodes < MAX_NODES; item = strtok_r(NULL, ",", &rest), nr_nodes++) {
        unsigned long long size = XEN_INVALID_MEM_SZ, available = XEN_INVALID_MEM_SZ;
        if (*item != '-')
            sscanf(item, "%llu:%llu", &size, &available);
        nodes[nr_nodes] = (xc_meminfo_t){ .memsize = size, .memfree = available };
    }
    free(text);
}

static void read_distances(void)
{
    for (unsigned int from = 0; from < nr_nodes; from++)
        for (unsigned int to = 0; to < nr_nodes; to++)
            distances[from][to] = from == to ? 10 : 20;
    const char *given = getenv("XL_DISTANCES");
    if (!given)
        return;
    char *rest = NULL, *text = strdup(given);
    unsigned int from = 0;
    for (char *row = strtok_r(text, ";", &rest); row && from < nr_nodes; row = strtok_r(NULL, ";", &rest), from++) {
        char *more = NULL;
        unsigned int to = 0;
        for (char *item = strtok_r(row, " ", &more); item && to < nr_nodes; item = strtok_r(NULL, " ", &more), to++)
            distances[from][to] = *item == '-' ? XEN_INVALID_NODE_DIST : strtoul(item, NULL, 10);
    }
    free(text);
}

__attribute__((constructor)) static void read_topology(void)
{
    read_cpus();
    read_nodes();
    read_distances();
}

xc_interface *xc_interface_open(xentoollog_logger *log, xentoollog_logger *debug, unsigned int flags) { return (void *)&nr_cpus; }
int xc_interface_close(xc_interface *xch) { return 0; }
int xc_get_max_cpus(xc_interface *xch) { return nr_cpus; }
int xc_get_max_nodes(xc_interface *xch) { return MAX_NODES; }

int xc_get_online_cpus(xc_interface *xch)
{
    int online = 0;
    for (unsigned int cpu = 0; cpu < nr_cpus; cpu++)
        online += cpus[cpu].node != XEN_INVALID_NODE_ID;
    return online;
}

int xc_cputopoinfo(xc_interface *xch, unsigned int *count, xc_cputopo_t *to)
{
    if (to)
        memcpy(to, cpus, (*count < nr_cpus ? *count : nr_cpus) * sizeof(*to));
    *count = nr_cpus;
    return 0;
}

int xc_numainfo(xc_interface *xch, unsigned int *count, xc_meminfo_t *memory, uint32_t *table)
{
    unsigned int wanted = *count < nr_nodes ? *count : nr_nodes;
    if (memory)
        memcpy(memory, nodes, wanted * sizeof(*memory));
    for (unsigned int from = 0; table && from < wanted; from++)
        memcpy(table + from * wanted, distances[from], wanted * sizeof(*table));
    *count = nr_nodes;
    return 0;
}

int xc_physinfo(xc_interface *xch, xc_physinfo_t *info)
{
    memset(info, 0, sizeof(*info));
    info->threads_per_core = info->cores_per_socket = 1;
    info->nr_cpus = xc_get_online_cpus(xch);
    info->max_cpu_id = nr_cpus - 1;
    for (unsigned int node = 0; node < nr_nodes; node++)
        info->nr_nodes += nodes[node].memsize != XEN_INVALID_MEM_SZ;
    info->max_node_id = MAX_NODES - 1;
    info->total_pages = 1 << 22;
    info->free_pages = 1 << 21;
    info->capabilities = XEN_SYSCTL_PHYSCAP_hvm | XEN_SYSCTL_PHYSCAP_pv | XEN_SYSCTL_PHYSCAP_hap;
    return 0;
}

int xc_version(xc_interface *xch, int command, void *to)
{
    switch (command) {
    case XENVER_version: return 4 << 16 | 17;
    case XENVER_pagesize: return 4096;
    case XENVER_compile_info: memset(to, 0, sizeof(xen_compile_info_t)); return 0;
    case XENVER_extraversion: case XENVER_changeset: case XENVER_capabilities: case XENVER_commandline: *(char *)to = 0; return 0;
    default: return 0;
    }
}

int xc_sched_id(xc_interface *xch, int *scheduler) { *scheduler = XEN_SCHEDULER_CREDIT2; return 0; }
int xc_pcitopoinfo(xc_interface *xch, unsigned int count, physdev_pci_device_t *devices, uint32_t *at) { return -1; }
long xc_sharing_freed_pages(xc_interface *xch) { return 0; }
long xc_sharing_used_frames(xc_interface *xch) { return 0; }
xc_cpumap_t xc_cpupool_freeinfo(xc_interface *xch) { return calloc(1, nr_cpus / 8 + 1); }

struct xs_handle;
struct xs_handle *xs_open(unsigned long flags) { return (void *)&nr_cpus; }
void xs_close(struct xs_handle *handle) {}
int xs_fileno(struct xs_handle *handle) { return 0; }
