// A guest with one vCPU that can be moved, PV or PVH: it counts on its console, and does what control/shutdown of its
// XenStore says (`suspend`, `poweroff`). After a suspend it looks whether its memory is what it was. It takes no interrupts
// and polls its rings. Numbers and structures: Xen's public headers, at 4.17.
#include <stdint.h>

#define VIRT_BASE 0xffffffff80000000ul
#define PAGE 4096ul
#define DOMID_SELF 0x7ff0
#define TICK_NS 100000000ul
#define POLL_NS 5000000ul

long hypercall(long number, long a, long b, long c);
enum { MEMORY_OP = 12, UPDATE_VA_MAPPING = 14, SCHED_OP = 29, EVENT_CHANNEL_OP = 32, HVM_OP = 34 };
enum { SHUTDOWN = 2, POLL = 3 };            // SCHEDOP_*
enum { POWEROFF = 0, SUSPEND = 2, CRASH = 3 }; // SHUTDOWN_*
enum { STORE_PFN = 1, STORE_PORT = 2, CONSOLE_PFN = 17, CONSOLE_PORT = 18 }; // HVM_PARAM_*

struct start_info {
  char magic[32];
  uint64_t pages, shared_info;
  uint32_t flags;
  uint64_t store_mfn;
  uint32_t store_port;
  uint64_t console_mfn;
  uint32_t console_port;
  uint64_t page_tables, page_table_frames, mfn_list;
};

struct shared_info {
  struct {
    uint8_t upcall[8];
    uint64_t pending_selector, arch[2];
    uint32_t version, pad;
    uint64_t tsc_timestamp, system_time;
    uint32_t tsc_to_system_mul;
    int8_t tsc_shift;
    uint8_t flags[3];
  } vcpu[32];
  uint64_t pending[64], mask[64];
  uint32_t wall_clock[4];
  uint64_t max_pfn, frame_list_list, nmi_reason, p2m_cr3, p2m_vaddr, p2m_generation;
};

struct store_ring {
  uint8_t request[1024], response[1024];
  uint32_t request_cons, request_prod, response_cons, response_prod;
};

struct console_ring {
  uint8_t in[1024], out[2048];
  uint32_t in_cons, in_prod, out_cons, out_prod;
};

// PV: its start info, and pfn to mfn; the page at `shared` is exchanged for Xen's own.
uint8_t is_pv;
static volatile struct start_info *start;
static volatile uint8_t shared_page[PAGE] __attribute__((aligned(PAGE)));
static volatile struct shared_info *const shared = (volatile struct shared_info *)shared_page;
static volatile struct store_ring *store;
static volatile struct console_ring *console;
static uint32_t store_port, console_port;
// What a move has to take along, each page with a word of its own.
#define MEMORY_PAGES 2048ul
static volatile uint64_t memory[MEMORY_PAGES][PAGE / 8] __attribute__((aligned(PAGE)));

static void stop(uint32_t reason) {
  hypercall(SCHED_OP, SHUTDOWN, (long)&reason, 0);
  for (;;) continue;
}

static uint64_t parameter(uint32_t index) {
  struct {
    uint16_t domid;
    uint32_t index;
    uint64_t value;
  } call = {DOMID_SELF, index, 0};
  if (hypercall(HVM_OP, 1, (long)&call, 0) != 0) stop(CRASH);
  return call.value;
}

static uint64_t pfn_of(volatile void *address) { return ((uint64_t)address - VIRT_BASE) / PAGE; }
static uint64_t mfn_of(uint64_t pfn) { return ((volatile uint64_t *)start->mfn_list)[pfn]; }

static void *at_mfn(uint64_t mfn) {
  uint64_t pfn = 0;
  while (mfn_of(pfn) != mfn) pfn++;
  return (void *)(VIRT_BASE + pfn * PAGE);
}

static void map_shared(uint64_t machine_address) {
  if (hypercall(UPDATE_VA_MAPPING, (long)shared, (long)(machine_address | 7), 2) != 0) stop(CRASH);
}

// At the start, and in each new domain.
static void connect(void) {
  if (is_pv) {
    map_shared(start->shared_info);
    // Where libxenguest finds pfn to mfn (arch-x86/xen.h, struct arch_shared_info).
    shared->max_pfn = start->pages;
    shared->p2m_vaddr = start->mfn_list;
    shared->p2m_cr3 = mfn_of(pfn_of((void *)start->page_tables)) * PAGE;
    store = at_mfn(start->store_mfn);
    console = at_mfn(start->console_mfn);
    store_port = start->store_port;
    console_port = start->console_port;
    return;
  }
  struct {
    uint16_t domid, size;
    uint32_t space;
    uint64_t index, pfn;
  } add = {DOMID_SELF, 0, 0, 0, pfn_of(shared)};
  if (hypercall(MEMORY_OP, 7, (long)&add, 0) != 0) stop(CRASH);
  store = (void *)(parameter(STORE_PFN) * PAGE);
  console = (void *)(parameter(CONSOLE_PFN) * PAGE);
  store_port = parameter(STORE_PORT);
  console_port = parameter(CONSOLE_PORT);
}

static uint64_t now_ns(void) {
  for (;;) {
    uint32_t version = shared->vcpu[0].version;
    uint32_t low, high;
    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high)::"memory");
    uint64_t delta = ((uint64_t)high << 32 | low) - shared->vcpu[0].tsc_timestamp;
    int8_t shift = shared->vcpu[0].tsc_shift;
    delta = shift < 0 ? delta >> -shift : delta << shift;
    uint64_t ns = shared->vcpu[0].system_time + (uint64_t)((unsigned __int128)delta * shared->vcpu[0].tsc_to_system_mul >> 32);
    if ((version & 1) == 0 && version == shared->vcpu[0].version) return ns;
  }
}

static void sleep_ns(uint64_t ns) {
  struct {
    uint64_t ports;
    uint32_t count;
    uint64_t until;
  } poll = {0, 0, now_ns() + ns};
  hypercall(SCHED_OP, POLL, (long)&poll, 0);
}

static void notify(uint32_t port) {
  hypercall(EVENT_CHANNEL_OP, 4, (long)&port, 0);
}

static void say(const char *text) {
  for (; *text != 0; text++) {
    while (console->out_prod - console->out_cons == sizeof console->out) sleep_ns(POLL_NS);
    console->out[console->out_prod % sizeof console->out] = *text;
    __asm__ volatile("sfence" ::: "memory");
    console->out_prod++;
  }
  notify(console_port);
}

static void say_number(const char *before, uint64_t number, const char *after) {
  char digits[24];
  char *at = digits + sizeof digits - 1;
  *at = 0;
  do *--at = '0' + number % 10;
  while ((number /= 10) != 0);
  say(before);
  say(at);
  say(after);
}

static void to_store(const void *bytes, uint32_t length) {
  for (uint32_t i = 0; i < length; i++) {
    while (store->request_prod - store->request_cons == sizeof store->request) sleep_ns(POLL_NS);
    store->request[store->request_prod % sizeof store->request] = ((const uint8_t *)bytes)[i];
    __asm__ volatile("sfence" ::: "memory");
    store->request_prod++;
  }
}

static void from_store(uint8_t *bytes, uint32_t length) {
  for (uint32_t i = 0; i < length; i++) {
    while (store->response_prod == store->response_cons) sleep_ns(POLL_NS);
    bytes[i] = store->response[store->response_cons % sizeof store->response];
    store->response_cons++;
  }
}

// One request, its answer cut to 64 bytes. Returns the answer's type.
enum { READ = 2, WRITE = 11 };
static uint32_t ask(uint32_t type, const char *payload, uint32_t length, char answer[65]) {
  struct {
    uint32_t type, request, transaction, length;
  } head = {type, 0, 0, length};
  to_store(&head, sizeof head);
  to_store(payload, length);
  notify(store_port);
  from_store((uint8_t *)&head, sizeof head);
  for (uint32_t i = 0; i < head.length; i++) from_store((uint8_t *)answer + (i < 64 ? i : 64), 1);
  answer[head.length < 64 ? head.length : 64] = 0;
  notify(store_port);
  return head.type;
}

static int same(const char *a, const char *b) {
  while (*a != 0 && *a == *b) a++, b++;
  return *a == *b;
}

static uint64_t word_of(uint64_t page, uint64_t round) { return (page + 1) * 0x9e3779b97f4a7c15ul + round; }

static void write_memory(uint64_t round) {
  for (uint64_t page = 0; page < MEMORY_PAGES; page++) memory[page][page % (PAGE / 8)] = word_of(page, round);
}

static uint64_t pages_kept(uint64_t round) {
  uint64_t kept = 0;
  for (uint64_t page = 0; page < MEMORY_PAGES; page++) kept += memory[page][page % (PAGE / 8)] == word_of(page, round);
  return kept;
}

static void suspend(void) {
  uint32_t reason = SUSPEND;
  if (is_pv) {
    // Xen's own page is none of the guest's memory, and rings are named by pfn (libxenguest, process_start_info).
    map_shared(mfn_of(pfn_of(shared)) * PAGE);
    start->store_mfn = pfn_of(store);
    start->console_mfn = pfn_of(console);
  }
  long called_off = hypercall(SCHED_OP, SHUTDOWN, (long)&reason, is_pv ? (long)mfn_of(pfn_of(start)) : 0);
  if (is_pv && called_off) {
    start->store_mfn = mfn_of(start->store_mfn);
    start->console_mfn = mfn_of(start->console_mfn);
  }
  connect();
  say(called_off ? "guest: goes on here\n" : "guest: resumed\n");
}

static const char KEY[] = "control/shutdown";

void ticker(volatile struct start_info *from) {
  char told[65];
  is_pv = from != 0;
  start = from;
  connect();
  for (uint64_t tick = 1;; tick++) {
    write_memory(tick);
    say_number("guest: tick ", tick, "\n");
    sleep_ns(TICK_NS);
    if (ask(READ, KEY, sizeof KEY, told) != READ || told[0] == 0) continue;
    int is_suspend = same(told, "suspend");
    char answer[65];
    ask(WRITE, KEY, sizeof KEY, answer);
    if (!is_suspend) stop(POWEROFF);
    suspend();
    say_number("guest: pages kept ", pages_kept(tick), "\n");
  }
}
