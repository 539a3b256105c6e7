/*
 * Load on a XenStore daemon through its unix socket: a Node program would be slower than what it measures.
 *   gcc -O2 -o xenstore-load xenstore-load.c
 *   xenstore-load SOCKET setup|read|write|directory|transaction|fanout CONNECTIONS IN-FLIGHT SECONDS
 * Each connection keeps IN-FLIGHT requests under way; a transaction is 8 messages, one after the other (start, 3 reads, 3 writes,
 * commit; again when it met another). fanout: one more connection writes, the others each watch what it writes, and an operation ends
 * when all have heard of it. Prints operations a second and the median and 99th percentile of their time in microseconds.
 */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { DIRECTORY = 1, READ = 2, WATCH = 4, START = 6, END = 7, WRITE = 11, EVENT = 15, ERROR = 16 };
enum { DOMAINS = 20, KEYS = 20, MOST_CONNECTIONS = 64, MOST_FLIGHT = 64, BUFFER = 1 << 17, MOST_TIMES = 1 << 22 };

struct header { uint32_t type, request, transaction, length; };
struct slot { int stage, left; uint32_t transaction; double began; };
struct connection { int fd; size_t in, out; struct slot slots[MOST_FLIGHT]; char input[BUFFER], output[BUFFER]; };

static struct connection *connections;
static int count, flight, running = 1, measuring, waiting;
static char operation;
static float *times;
static size_t finished;
static uint64_t seed = 88172645463325252ull;

static uint32_t any(void) { seed ^= seed << 13; seed ^= seed >> 7; seed ^= seed << 17; return seed >> 16; }
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec * 1e-9; }
static void die(const char *what) { perror(what); exit(1); }

static int key(char *to) { return sprintf(to, "/local/domain/%u/load/key-%u", any() % DOMAINS, any() % KEYS) + 1; }

static void put(struct connection *c, uint32_t type, uint32_t request, uint32_t transaction, const char *payload, int length)
{
    struct header header = { type, request, transaction, length };
    if (c->out + sizeof header + length > BUFFER) { fprintf(stderr, "too much is under way\n"); exit(1); }
    memcpy(c->output + c->out, &header, sizeof header);
    memcpy(c->output + c->out + sizeof header, payload, length);
    c->out += sizeof header + length;
}

static void flush(struct connection *c)
{
    size_t done = 0;
    while (done < c->out) {
        ssize_t sent = send(c->fd, c->output + done, c->out - done, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) die("send");
        if (sent < 0) break;
        done += sent;
    }
    memmove(c->output, c->output + done, c->out -= done);
}

static void ask(struct connection *c, int slot)
{
    struct slot *s = &c->slots[slot];
    char payload[128];
    int length;
    switch (operation) {
    case 'r': length = key(payload); put(c, READ, slot, 0, payload, length); break;
    case 'd': length = sprintf(payload, "/local/domain/%u/load", any() % DOMAINS) + 1; put(c, DIRECTORY, slot, 0, payload, length); break;
    case 'w': length = key(payload); length += sprintf(payload + length, "%020u", any()); put(c, WRITE, slot, 0, payload, length); break;
    case 'f': length = sprintf(payload, "/load-fan/%d", slot) + 1; length += sprintf(payload + length, "%08u", any()); put(c, WRITE, slot, 0, payload, length); break;
    case 't':
        if (s->stage == 0) put(c, START, slot, 0, "", 1);
        else if (s->stage <= 3) { length = key(payload); put(c, READ, slot, s->transaction, payload, length); }
        else if (s->stage <= 6) {
            length = sprintf(payload, "/load-tx/%d-%d-%d", (int)(c - connections), slot, s->stage) + 1;
            length += sprintf(payload + length, "%020u", any());
            put(c, WRITE, slot, s->transaction, payload, length);
        } else put(c, END, slot, s->transaction, "T", 2);
    }
}

static void begin(struct connection *c, int slot)
{
    struct slot *s = &c->slots[slot];
    s->stage = 0;
    s->left = operation == 'f' ? count : 1;
    s->began = now();
    ask(c, slot);
}

static void end(struct connection *c, int slot)
{
    struct slot *s = &c->slots[slot];
    if (--s->left > 0) return;
    if (measuring && finished < MOST_TIMES) times[finished++] = now() - s->began;
    if (running) begin(c, slot);
    else waiting--;
}

static void got(struct connection *c, const struct header *h, const char *payload)
{
    if (h->type == EVENT) {
        if (!strncmp(payload, "/load-fan/", 10)) end(&connections[count - 1], atoi(payload + 10));
        return;
    }
    struct slot *s = &c->slots[h->request];
    if (h->type == ERROR && !(operation == 't' && s->stage == 7 && !strncmp(payload, "EAGAIN", 6))) { fprintf(stderr, "refused: %.*s\n", (int)h->length, payload); exit(1); }
    if (operation == 't' && s->stage < 7) {
        if (s->stage == 0) s->transaction = strtoul(payload, NULL, 10);
        s->stage++;
        ask(c, h->request);
    } else if (h->type == ERROR) {
        s->stage = 0;
        ask(c, h->request);
    } else end(c, h->request);
}

static void receive(struct connection *c)
{
    ssize_t length = recv(c->fd, c->input + c->in, BUFFER - c->in, MSG_DONTWAIT);
    if (length == 0) { fprintf(stderr, "the daemon closed a connection\n"); exit(1); }
    if (length < 0 && errno != EAGAIN) die("recv");
    if (length > 0) c->in += length;
    size_t at = 0;
    struct header h;
    while (c->in - at >= sizeof h) {
        memcpy(&h, c->input + at, sizeof h);
        if (c->in - at < sizeof h + h.length) break;
        got(c, &h, c->input + at + sizeof h);
        at += sizeof h + h.length;
    }
    memmove(c->input, c->input + at, c->in -= at);
}

static void once(struct connection *c, uint32_t type, const char *payload, int length)
{
    struct header h;
    char body[8192];
    put(c, type, 0, 0, payload, length);
    flush(c);
    do {
        if (recv(c->fd, &h, sizeof h, MSG_WAITALL) != sizeof h) die("recv");
        if (h.length && recv(c->fd, body, h.length, MSG_WAITALL) != (ssize_t)h.length) die("recv");
    } while (h.type == EVENT);
    if (h.type == ERROR) { fprintf(stderr, "refused: %s\n", body); exit(1); }
}

static int order(const void *a, const void *b) { float x = *(float *)a, y = *(float *)b; return x < y ? -1 : x > y; }

int main(int argc, char **argv)
{
    if (argc != 6) { fprintf(stderr, "xenstore-load SOCKET OPERATION CONNECTIONS IN-FLIGHT SECONDS\n"); return 2; }
    operation = argv[2][0];
    count = atoi(argv[3]) + (operation == 'f');
    flight = atoi(argv[4]);
    double seconds = atof(argv[5]);
    if (count < 1 || count > MOST_CONNECTIONS || flight < 1 || flight > MOST_FLIGHT) return 2;
    connections = calloc(count, sizeof *connections);
    times = malloc(MOST_TIMES * sizeof *times);
    for (int i = 0; i < count; i++) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        snprintf(address.sun_path, sizeof address.sun_path, "%s", argv[1]);
        connections[i].fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(connections[i].fd, (void *)&address, sizeof address)) die("connect");
    }
    if (operation == 's') {
        char payload[128];
        for (int d = 0; d < DOMAINS; d++) for (int k = 0; k < KEYS; k++) {
            int length = sprintf(payload, "/local/domain/%d/load/key-%d", d, k) + 1;
            once(&connections[0], WRITE, payload, length + sprintf(payload + length, "%020d", k));
        }
        return 0;
    }
    if (operation == 'f') for (int i = 0; i < count - 1; i++) once(&connections[i], WATCH, "/load-fan\0t", 12);
    for (int i = operation == 'f' ? count - 1 : 0; i < count; i++) for (int s = 0; s < flight; s++, waiting++) begin(&connections[i], s);
    double start = now(), began = 0, ended = 0;
    size_t measured = 0;
    while (waiting > 0) {
        struct pollfd fds[MOST_CONNECTIONS];
        for (int i = 0; i < count; i++) { flush(&connections[i]); fds[i] = (struct pollfd){ connections[i].fd, POLLIN | (connections[i].out ? POLLOUT : 0), 0 }; }
        if (poll(fds, count, 10000) == 0) { fprintf(stderr, "no answer for 10 s\n"); return 1; }
        for (int i = 0; i < count; i++) if (fds[i].revents) receive(&connections[i]);
        double t = now();
        if (!measuring && running && t - start > seconds / 4) { measuring = 1; began = t; }
        if (measuring && t - began > seconds) { measuring = running = 0; ended = t; measured = finished; }
    }
    qsort(times, measured, sizeof *times, order);
    printf("{\"perSecond\":%.0f,\"medianUs\":%.1f,\"p99Us\":%.1f}\n", measured / (ended - began), measured ? times[measured / 2] * 1e6 : 0, measured ? times[measured * 99 / 100] * 1e6 : 0);
    return 0;
}
