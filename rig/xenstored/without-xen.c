/*
 * Lets Debian's xenstored and oxenstored run on a machine without Xen (LD_PRELOAD): event channels, grants and domain
 * information come from here. A domain N exists when the file $XENSTORED_RUNDIR/domains/N does; domain 0 always does.
 * An introduced domain is a guest that one can be: what comes on the unix socket $XENSTORED_RUNDIR/guest-N goes to its ring as
 * the guest's kernel would put it there, and what the daemon puts there comes back.
 *   gcc -shared -fPIC -o without-xen.so without-xen.c -ldl -lpthread
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xen/io/xs_wire.h>

#define PAGE 4096
#define GUESTS 64
#define FIRST_GUEST_PORT 100
/* A wake-up is never lost, but a guest's kernel looks now and then as well. */
#define LOOK_MS 50

struct guest {
    /* The ring as the guest has it mapped; a new one with each introduction. */
    volatile struct xenstore_domain_interface *ring;
    unsigned introductions;
    int wake;
    int pumped;
};

static void *const HANDLE = (void *)1;
static struct guest guests[GUESTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Ports with something to tell, four bytes each. */
static int ports[2] = { -1, -1 };

static const char *run_dir(void)
{
    const char *dir = getenv("XENSTORED_RUNDIR");
    return dir ? dir : "/tmp";
}

static void kick_daemon(unsigned domid)
{
    uint32_t port = FIRST_GUEST_PORT + domid;

    /* When the pipe is full the daemon has enough to wake up for. */
    if (write(ports[1], &port, sizeof port) < 0 && errno != EAGAIN)
        abort();
}

static void wake_guest(struct guest *guest)
{
    uint64_t one = 1;

    if (write(guest->wake, &one, sizeof one) < 0 && errno != EAGAIN)
        abort();
}

/* Moves what it can between the guest's bytes and the ring. Returns how many came from the ring. */
static size_t exchange(unsigned domid, char *in, size_t *in_length, char *out)
{
    struct guest *guest = &guests[domid];
    size_t sent = 0, received = 0;

    pthread_mutex_lock(&lock);
    volatile struct xenstore_domain_interface *ring = guest->ring;
    while (sent < *in_length && ring->req_prod - ring->req_cons < XENSTORE_RING_SIZE) {
        ring->req[MASK_XENSTORE_IDX(ring->req_prod)] = in[sent++];
        __sync_synchronize();
        ring->req_prod++;
    }
    while (ring->rsp_cons != ring->rsp_prod) {
        __sync_synchronize();
        out[received++] = ring->rsp[MASK_XENSTORE_IDX(ring->rsp_cons)];
        ring->rsp_cons++;
        if (received == XENSTORE_RING_SIZE)
            break;
    }
    pthread_mutex_unlock(&lock);
    memmove(in, in + sent, *in_length - sent);
    *in_length -= sent;
    if (sent > 0 || received > 0)
        kick_daemon(domid);
    return received;
}

static void send_all(int client, const char *bytes, size_t length)
{
    while (client >= 0 && length > 0) {
        ssize_t sent = send(client, bytes, length, MSG_NOSIGNAL);

        if (sent <= 0)
            return;
        bytes += sent;
        length -= sent;
    }
}

static int listen_for(unsigned domid)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s/guest-%u", run_dir(), domid);
    unlink(address.sun_path);
    if (door < 0 || bind(door, (struct sockaddr *)&address, sizeof address) || listen(door, 8))
        abort();
    return door;
}

static void *pump(void *argument)
{
    unsigned domid = (unsigned)(uintptr_t)argument;
    struct guest *guest = &guests[domid];
    int door = listen_for(domid), client = -1;
    unsigned introductions = 0;
    char in[PAGE], out[XENSTORE_RING_SIZE];
    size_t in_length = 0, received;
    uint64_t count;

    for (;;) {
        struct pollfd waits[] = {
            { .fd = guest->wake, .events = POLLIN },
            { .fd = client < 0 ? door : -1, .events = POLLIN },
            { .fd = in_length == 0 ? client : -1, .events = POLLIN },
        };

        poll(waits, 3, LOOK_MS);
        if (waits[0].revents && read(guest->wake, &count, sizeof count) < 0 && errno != EAGAIN)
            abort();
        /* A domain that was introduced anew is another guest. */
        if (client >= 0 && introductions != guest->introductions) {
            close(client);
            client = -1;
            in_length = 0;
            continue;
        }
        if (waits[1].revents) {
            client = accept4(door, NULL, NULL, SOCK_CLOEXEC);
            introductions = guest->introductions;
        }
        if (waits[2].revents) {
            ssize_t length = read(client, in, sizeof in);

            if (length <= 0) {
                close(client);
                client = -1;
            } else {
                in_length = length;
            }
        }
        while ((received = exchange(domid, in, &in_length, out)) > 0)
            send_all(client, out, received);
    }
    return NULL;
}

/* Event channels: one descriptor, on which guests' ports come. */
void *xenevtchn_open(void *logger, unsigned flags)
{
    if (ports[0] < 0 && pipe2(ports, O_NONBLOCK | O_CLOEXEC))
        abort();
    return HANDLE;
}
void *xenevtchn_fdopen(void *logger, int fd, unsigned flags)
{
    xenevtchn_open(logger, flags);
    return HANDLE;
}
int xenevtchn_close(void *handle) { return 0; }
int xenevtchn_fd(void *handle) { return ports[0]; }
int xenevtchn_bind_virq(void *handle, unsigned virq) { return 2; }
int xenevtchn_bind_interdomain(void *handle, uint32_t domid, uint32_t port)
{
    pthread_t thread;
    sigset_t all, before;

    if (domid == 0 || domid >= GUESTS || !guests[domid].ring)
        return 3;
    if (!guests[domid].pumped) {
        guests[domid].pumped = 1;
        /* Signals are the daemon's. */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        if (pthread_create(&thread, NULL, pump, (void *)(uintptr_t)domid))
            abort();
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    return FIRST_GUEST_PORT + domid;
}
int xenevtchn_unbind(void *handle, uint32_t port) { return 0; }
int xenevtchn_notify(void *handle, uint32_t port)
{
    if (port >= FIRST_GUEST_PORT && port < FIRST_GUEST_PORT + GUESTS)
        wake_guest(&guests[port - FIRST_GUEST_PORT]);
    return 0;
}
int xenevtchn_pending(void *handle)
{
    uint32_t port;

    return read(ports[0], &port, sizeof port) == sizeof port ? (int)port : -1;
}
int xenevtchn_unmask(void *handle, uint32_t port) { return 0; }

/* A guest's ring, by grant for the C daemon, by frame for oxenstored; the guest has it mapped as well. */
static void *map_ring(uint32_t domid, size_t size)
{
    if (domid == 0 || domid >= GUESTS || size != PAGE)
        return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct guest *guest = &guests[domid];
    int memory = memfd_create("ring", MFD_CLOEXEC);

    if (memory < 0 || ftruncate(memory, PAGE))
        abort();
    void *theirs = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    void *ours = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    close(memory);
    pthread_mutex_lock(&lock);
    if (guest->ring)
        munmap((void *)guest->ring, PAGE);
    else
        guest->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    guest->ring = ours;
    guest->introductions++;
    pthread_mutex_unlock(&lock);
    wake_guest(guest);
    return theirs;
}
void *xengnttab_open(void *logger, unsigned flags) { return HANDLE; }
int xengnttab_close(void *handle) { return 0; }
int xengnttab_set_max_grants(void *handle, uint32_t count) { return 0; }
void *xengnttab_map_grant_ref(void *handle, uint32_t domid, uint32_t ref, int prot) { return map_ring(domid, PAGE); }
void *xc_map_foreign_range(xc_interface *handle, uint32_t domid, int size, int prot, unsigned long mfn) { return map_ring(domid, size); }
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
