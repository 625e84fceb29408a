/* The stack that a call needs: measured for every function on every level by painting a thread's stack, held to PREFLANE_STACK_SIZE,
 * and all of it done once more on threads of that stack size, behind which a page that nobody may touch ends the program.
 *
 *   stack PAIRS LOGITS     conformance/data/pairs.f32le cli/tests/data/logits_f32.safetensors
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "calls.h"

enum { PAINTED = 48 << 10, ROOMY = 128 << 10, FUNCTIONS = 96, LEVELS = 5 };
static const uint64_t PAINT = 0xa5a55a5aa5a55a5a;

/* Where the paint ends, and from where down it reaches. */
static uintptr_t mark;
static int measuring, level_now;
static long calls, failed;
static const char *functions[FUNCTIONS];
static size_t depths[FUNCTIONS][LEVELS];

__attribute__((noinline)) static void before(const char *function) {
  volatile unsigned char here = 0;
  uintptr_t at;
  (void)function;
  (void)here;
  if (!measuring) return;
  mark = (uintptr_t)&here & ~(uintptr_t)7;
  /* Not what this function itself stands on. */
  for (at = mark - 256; at >= mark - PAINTED; at -= 8) *(volatile uint64_t *)at = PAINT;
}

__attribute__((noinline)) static void after(const char *function, int32_t code, const char *message) {
  calls++;
  if (code != PREFLANE_OK) {
    failed++;
    fprintf(stderr, "%s: %s\n", function, message);
  }
  if (measuring) {
    uintptr_t at = mark - PAINTED;
    size_t i = 0, depth;
    while (at < mark && *(volatile uint64_t *)at == PAINT) at += 8;
    depth = (size_t)(mark - at);
    while (functions[i] && strcmp(functions[i], function) != 0) i++;
    functions[i] = function;
    if (depth > depths[i][level_now]) depths[i][level_now] = depth;
  }
}

static void aside(int begins) { (void)begins; }

static char **files;

static void *on_thread(void *there) {
  preflane_run run = {0, 0};
  run.level = level_now;
  *(int *)there = all_calls(run, files[1], files[2]);
  return NULL;
}

/* All calls on a thread of a stack size. */
static int run_on(size_t size) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  unsigned char *memory =
      (unsigned char *)mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  pthread_attr_t attributes;
  pthread_t thread;
  int there = 0;
  if (memory == MAP_FAILED || mprotect(memory, page, PROT_NONE) != 0) return 0;
  if (pthread_attr_init(&attributes) != 0 || pthread_attr_setstack(&attributes, memory + page, size) != 0) return 0;
  if (pthread_create(&thread, &attributes, on_thread, &there) != 0 || pthread_join(thread, NULL) != 0) return 0;
  pthread_attr_destroy(&attributes);
  munmap(memory, size + page);
  return there;
}

int main(int argc, char **argv) {
  int there = 1;
  size_t i, most = 0;
  if (argc != 3) {
    fprintf(stderr, "usage: stack PAIRS LOGITS\n");
    return 2;
  }
  files = argv;
  for (level_now = PREFLANE_LEVEL_SCALAR; level_now < LEVELS; level_now++) {
    if (preflane_check_level(level_now, NULL) != PREFLANE_OK) continue;
    measuring = 1;
    there &= run_on(ROOMY);
    measuring = 0;
    there &= run_on(PREFLANE_STACK_SIZE);
  }
  printf("%-35s", "bytes of stack");
  for (level_now = PREFLANE_LEVEL_SCALAR; level_now < LEVELS; level_now++) printf("%9s", preflane_level_name(level_now));
  printf("\n");
  for (i = 0; functions[i]; i++) {
    printf("%-35s", functions[i]);
    for (level_now = PREFLANE_LEVEL_SCALAR; level_now < LEVELS; level_now++) {
      size_t depth = depths[i][level_now];
      if (depth > most) most = depth;
      if (depth) printf("%9lu", (unsigned long)depth);
      else printf("%9s", "-");
    }
    printf("\n");
  }
  /* What the C library keeps at a thread's stack and what the caller's functions stand on are in the size too. */
  if (most + 8192 > PREFLANE_STACK_SIZE) {
    failed++;
    fprintf(stderr, "%lu bytes leave too little of %lu\n", (unsigned long)most, (unsigned long)PREFLANE_STACK_SIZE);
  }
  if (!there) fprintf(stderr, "%s or %s cannot be read, or a thread cannot be started\n", argv[1], argv[2]);
  printf("%ld calls checks, %ld failed\n", calls, failed + !there);
  return failed || !there;
}
