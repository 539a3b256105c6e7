/* Pairs of get and set vCPU affinity of Domain-0's vCPU 0, as many as fit in SECONDS: through libxenctrl, and through libxencall with
   buffers that are kept. What the same calls from Node are measured against (pairs.ts). */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xencall.h>
#include <xenctrl.h>

enum { DOMCTL = 36, DOMCTL_BYTES = 144, VERSION = 0x15, SET = 9, GET = 25, BATCH = 20, MAP_BYTES = 32, MAP_BITS = 64 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static void report(const char *name, long pairs, double seconds) { printf("%s %.0f\n", name, pairs / seconds); }

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void with_libxenctrl(double seconds) {
  xc_interface *xc = xc_interface_open(0, 0, 0);
  if (!xc) die("xc_interface_open");
  xc_cpumap_t hard = xc_cpumap_alloc(xc), soft = xc_cpumap_alloc(xc);
  long pairs = 0;
  double start = now(), end;
  do {
    for (int i = 0; i < BATCH; i++, pairs++) {
      if (xc_vcpu_getaffinity(xc, 0, 0, hard, soft, XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT)) die("xc_vcpu_getaffinity");
      if (xc_vcpu_setaffinity(xc, 0, 0, hard, soft, XEN_VCPUAFFINITY_SOFT)) die("xc_vcpu_setaffinity");
    }
    end = now();
  } while (end - start < seconds);
  report("libxenctrl", pairs, end - start);
  xc_interface_close(xc);
}

static int domctl(xencall_handle *call, uint8_t *op, uint32_t cmd, uint32_t flags, void *hard, void *soft) {
  uint32_t head[6] = {cmd, VERSION, 0, 0, 0, flags}, bits = MAP_BITS;
  uint64_t hard_address = (uintptr_t)hard, soft_address = (uintptr_t)soft;
  memset(op, 0, DOMCTL_BYTES);
  memcpy(op, head, sizeof head);
  memcpy(op + 24, &hard_address, 8);
  memcpy(op + 32, &bits, 4);
  memcpy(op + 40, &soft_address, 8);
  memcpy(op + 48, &bits, 4);
  return xencall1(call, DOMCTL, (uintptr_t)op);
}

static void with_libxencall(double seconds) {
  xencall_handle *call = xencall_open(0, 0);
  if (!call) die("xencall_open");
  uint8_t *op = xencall_alloc_buffer(call, DOMCTL_BYTES);
  void *hard = xencall_alloc_buffer(call, MAP_BYTES), *soft = xencall_alloc_buffer(call, MAP_BYTES);
  long pairs = 0;
  double start = now(), end;
  do {
    for (int i = 0; i < BATCH; i++, pairs++) {
      if (domctl(call, op, GET, 3, hard, soft)) die("getvcpuaffinity");
      if (domctl(call, op, SET, 2, hard, soft)) die("setvcpuaffinity");
    }
    end = now();
  } while (end - start < seconds);
  report("libxencall", pairs, end - start);
  xencall_close(call);
}

int main(int count, char **arguments) {
  double seconds = count > 1 ? atof(arguments[1]) : 3;
  with_libxenctrl(seconds);
  with_libxencall(seconds);
  return 0;
}
