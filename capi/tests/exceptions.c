/* That ordinary input raises no floating-point exception that a program may trap: no division by zero, no invalid operation, no
 * overflow, on any level. Once by the flags, once with the traps enabled.
 *
 *   exceptions PAIRS LOGITS     conformance/data/pairs.f32le cli/tests/data/logits_f32.safetensors
 */
#define _GNU_SOURCE
#include <fenv.h>
#include <signal.h>
#include <unistd.h>

/* Losses with exponentials of log-ratios promise nothing of flags. */
#define NO_EXPONENTIALS
#include "calls.h"

#if defined(FE_DIVBYZERO) && defined(FE_INVALID) && defined(FE_OVERFLOW)
#define WATCHED (FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW)
#else
#define WATCHED 0
#endif

static long calls, raised, failed;
/* What raised, once for each level. */
static struct {
  const char *function, *loss, *level;
  int flags;
} seen[64];
static size_t seen_count;
static const char *current = "", *level_name = "";
static int trapping;

static void before(const char *function) {
  current = function;
  feclearexcept(FE_ALL_EXCEPT);
}

static int is_new(const char *function, int flags) {
  size_t i;
  for (i = 0; i < seen_count; i++)
    if (strcmp(seen[i].function, function) == 0 && seen[i].loss == current_loss && seen[i].level == level_name && seen[i].flags == flags)
      return 0;
  if (i == sizeof seen / sizeof seen[0]) return 0;
  seen[i].function = function, seen[i].loss = current_loss, seen[i].level = level_name, seen[i].flags = flags;
  seen_count++;
  return 1;
}

static void after(const char *function, int32_t code, const char *message) {
  int flags = fetestexcept(WATCHED);
  calls++;
  if (code != PREFLANE_OK) {
    failed++;
    fprintf(stderr, "%s on level %s: %s\n", function, level_name, message);
  }
  if (flags) raised++;
  if (flags && is_new(function, flags)) {
    fprintf(stderr, "%s%s%s on level %s raises%s%s%s\n", function, current_loss[0] ? " of " : "", current_loss, level_name,
            flags & FE_DIVBYZERO ? " FE_DIVBYZERO" : "", flags & FE_INVALID ? " FE_INVALID" : "",
            flags & FE_OVERFLOW ? " FE_OVERFLOW" : "");
  }
  feclearexcept(FE_ALL_EXCEPT);
}

static void aside(int begins) {
#if defined(__GLIBC__)
  if (begins) fedisableexcept(FE_ALL_EXCEPT);
#endif
  feclearexcept(FE_ALL_EXCEPT);
#if defined(__GLIBC__)
  if (!begins && trapping) feenableexcept(WATCHED);
#else
  (void)begins;
#endif
}

/* Only what a signal handler may call. */
static void trapped(int number) {
  ssize_t written = write(2, "trapped in ", 11);
  written += write(2, current, strlen(current));
  written += write(2, " ", 1);
  written += write(2, current_loss, strlen(current_loss));
  written += write(2, " on level ", 10);
  written += write(2, level_name, strlen(level_name));
  written += write(2, "\n", 1);
  _exit(written > 0 ? number : 1);
}

int main(int argc, char **argv) {
  int there = 1;
  if (argc != 3) {
    fprintf(stderr, "usage: exceptions PAIRS LOGITS\n");
    return 2;
  }
  signal(SIGFPE, trapped);
  /* What raises would end the program where it traps. */
  for (trapping = 0; trapping < 2 && !raised; trapping++) {
    int32_t level;
    for (level = PREFLANE_LEVEL_SCALAR; level <= PREFLANE_LEVEL_AVX512; level++) {
      preflane_run run = {0, 0};
      run.level = level;
      level_name = preflane_level_name(level);
      if (preflane_check_level(level, NULL) != PREFLANE_OK) {
        if (!trapping) printf("level %s: not on this CPU\n", level_name);
        continue;
      }
#if defined(__GLIBC__)
      if (trapping) {
        feclearexcept(FE_ALL_EXCEPT);
        feenableexcept(WATCHED);
      }
#endif
      there &= all_calls(run, argv[1], argv[2]);
#if defined(__GLIBC__)
      fedisableexcept(FE_ALL_EXCEPT);
#endif
    }
  }
  if (!there) fprintf(stderr, "%s or %s cannot be read\n", argv[1], argv[2]);
  printf("%ld calls checks, %ld failed\n", calls, raised + failed + !there);
  return raised || failed || !there;
}
