/*
 * Lets Debian's xenstored and oxenstored run on a machine without Xen (LD_PRELOAD): event channels, grants and domain
 * information come from here. A domain N exists when the file $XENSTORED_RUNDIR/domains/N does; domain 0 always does.
 *   gcc -shared -fPIC -o without-xen.so without-xen.c -ldl
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include <xenctrl.h>

#define PAGE 4096

static void *const HANDLE = (void *)1;
static int events = -1;

static const char *run_dir(void)
{
    const char *dir = getenv("XENSTORED_RUNDIR");
    return dir ? dir : "/tmp";
}

/* Event channels: one descriptor that never has anything to tell. */
void *xenevtchn_open(void *logger, unsigned flags)
{
    if (events < 0)
        events = eventfd(0, EFD_NONBLOCK);
    return HANDLE;
}
void *xenevtchn_fdopen(void *logger, int fd, unsigned flags)
{
    events = fd;
    return HANDLE;
}
int xenevtchn_close(void *handle) { return 0; }
int xenevtchn_fd(void *handle) { return events; }
int xenevtchn_bind_virq(void *handle, unsigned virq) { return 2; }
int xenevtchn_bind_interdomain(void *handle, uint32_t domid, uint32_t port) { return 3; }
int xenevtchn_unbind(void *handle, uint32_t port) { return 0; }
int xenevtchn_notify(void *handle, uint32_t port) { return 0; }
int xenevtchn_pending(void *handle) { return -1; }
int xenevtchn_unmask(void *handle, uint32_t port) { return 0; }

/* A guest's ring is an empty page, by grant for the C daemon, by frame for oxenstored. */
void *xengnttab_open(void *logger, unsigned flags) { return HANDLE; }
int xengnttab_close(void *handle) { return 0; }
int xengnttab_set_max_grants(void *handle, uint32_t count) { return 0; }
void *xengnttab_map_grant_ref(void *handle, uint32_t domid, uint32_t ref, int prot)
{
    return mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
void *xc_map_foreign_range(xc_interface *handle, uint32_t domid, int size, int prot, unsigned long mfn)
{
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
int xengnttab_unmap(void *handle, void *start, uint32_t count) { return munmap(start, (size_t)count * PAGE); }

static int exists(uint32_t domid)
{
    char path[PAGE];

    snprintf(path, sizeof path, "%s/domains/%u", run_dir(), domid);
    return domid == 0 || access(path, F_OK) == 0;
}
xc_interface *xc_interface_open(xentoollog_logger *logger, xentoollog_logger *dombuild, unsigned flags) { return HANDLE; }
int xc_interface_close(xc_interface *handle) { return 0; }
int xc_domain_getinfo(xc_interface *handle, uint32_t first, unsigned most, xc_dominfo_t *info)
{
    unsigned found = 0;

    for (uint32_t domid = first; domid < 100 && found < most; domid++) {
        if (!exists(domid))
            continue;
        memset(&info[found], 0, sizeof info[found]);
        info[found].domid = domid;
        info[found++].running = 1;
    }
    return found ? (int)found : -1;
}

/* oxenstored asks for more descriptors than a container gives, and ends when refused. */
int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit) { return 0; }

/* Where Linux on Xen tells dom0's own port and ring: files of the run folder. */
static const char *redirected(const char *path, char *buffer)
{
    static const char prefix[] = "/proc/xen/xsd_";

    if (!path || strncmp(path, prefix, sizeof prefix - 1))
        return path;
    snprintf(buffer, PAGE, "%s/%s", run_dir(), path + sizeof "/proc/xen");
    return buffer;
}
int open(const char *path, int flags, ...)
{
    int (*next)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    char buffer[PAGE];
    va_list rest;

    va_start(rest, flags);
    int mode = va_arg(rest, int);
    va_end(rest);
    return next(redirected(path, buffer), flags, mode);
}
int open64(const char *path, int flags, ...)
{
    int (*next)(const char *, int, ...) = dlsym(RTLD_NEXT, "open64");
    char buffer[PAGE];
    va_list rest;

    va_start(rest, flags);
    int mode = va_arg(rest, int);
    va_end(rest);
    return next(redirected(path, buffer), flags, mode);
}
