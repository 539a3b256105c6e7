/* Pairs of get and set vCPU affinity of a domain's vCPU 0: through libxenctrl, and through libxencall with buffers that are kept. What
   the same calls from Node are measured against (pairs.ts, which starts this and gives the orders).
   Reads lines "xenctrl DOMID COUNT" and "xencall DOMID COUNT"; answers each with the seconds it took. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xencall.h>
#include <xenctrl.h>

enum { DOMCTL = 36, DOMCTL_BYTES = 144, VERSION = 0x15, SET = 9, GET = 25, MAP_BYTES = 32, MAP_BITS = 64 };

static uint32_t domid;
static xc_interface *xc;
static xc_cpumap_t hard_map, soft_map;
static xencall_handle *call;
static uint8_t *op;
static void *hard_buffer, *soft_buffer;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void with_libxenctrl(long pairs) {
  for (long i = 0; i < pairs; i++) {
    if (xc_vcpu_getaffinity(xc, domid, 0, hard_map, soft_map, XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT)) die("xc_vcpu_getaffinity");
    if (xc_vcpu_setaffinity(xc, domid, 0, hard_map, soft_map, XEN_VCPUAFFINITY_SOFT)) die("xc_vcpu_setaffinity");
  }
}

static int domctl(uint32_t cmd, uint32_t flags) {
  uint32_t head[6] = {cmd, VERSION, domid, 0, 0, flags}, bits = MAP_BITS;
  uint64_t hard_address = (uintptr_t)hard_buffer, soft_address = (uintptr_t)soft_buffer;
  memset(op, 0, DOMCTL_BYTES);
  memcpy(op, head, sizeof head);
  memcpy(op + 24, &hard_address, 8);
  memcpy(op + 32, &bits, 4);
  memcpy(op + 40, &soft_address, 8);
  memcpy(op + 48, &bits, 4);
  return xencall1(call, DOMCTL, (uintptr_t)op);
}

static void with_libxencall(long pairs) {
  for (long i = 0; i < pairs; i++) {
    if (domctl(GET, 3)) die("getvcpuaffinity");
    if (domctl(SET, 2)) die("setvcpuaffinity");
  }
}

int main(void) {
  char who[16];
  long pairs;
  if (!(xc = xc_interface_open(0, 0, 0))) die("xc_interface_open");
  hard_map = xc_cpumap_alloc(xc);
  soft_map = xc_cpumap_alloc(xc);
  if (!(call = xencall_open(0, 0))) die("xencall_open");
  op = xencall_alloc_buffer(call, DOMCTL_BYTES);
  hard_buffer = xencall_alloc_buffer(call, MAP_BYTES);
  soft_buffer = xencall_alloc_buffer(call, MAP_BYTES);
  if (!hard_map || !soft_map || !op || !hard_buffer || !soft_buffer) die("buffers");
  while (scanf("%15s %u %ld", who, &domid, &pairs) == 3) {
    double start = now();
    if (strcmp(who, "xenctrl") == 0) with_libxenctrl(pairs);
    else with_libxencall(pairs);
    printf("%.9f\n", now() - start);
    fflush(stdout);
  }
  return 0;
}
